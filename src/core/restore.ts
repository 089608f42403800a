/**
 * A migration as the journal of an earlier daemon left it. Nobody saw libvirt's call return and nobody
 * will: the end is found by locating the guest, and an unknown cause of failure is reported as such.
 *
 * Within the same boot all monotonic times stay valid; the first sample shows what moved meanwhile.
 * Requests that were on their way to libvirt may or may not have arrived, so they are made again.
 */
import { advanceFrom } from "./advance.ts";
import { NO_READS } from "./evidence.ts";
import { NEVER_COUNTED } from "./host-count.ts";
import type { Input } from "./input.ts";
import type { Advance, Bandwidth, CallReturn, Migration, Phase, Unwatched } from "./migration.ts";
import { NO_RECOVERY } from "./post-copy.ts";
import type { Turn } from "./turn.ts";

const CALL_OUT: readonly Phase[] = ["starting", "running", "postCopy"];

/**
 * What no step ever leaves behind: the records say so only if part of them is lost. null: there is nothing
 * of the kind. **Example**: "call.madeAtMs: expected number in phase running, got null"
 */
export function contradictionIn({ phase, call, advance, end }: Migration): string | null {
  if (CALL_OUT.includes(phase) && call.madeAtMs === null) {
    return `call.madeAtMs: expected number in phase ${phase}, got null`;
  }
  if (call.madeAtMs !== null && advance === null) {
    return "advance: expected object once the call is made, got null";
  }
  if ((phase === "ended") !== (end !== null)) {
    return `end: ${end === null ? "expected object, got null" : "expected null"} in phase ${phase}`;
  }
  return null;
}

/** `after`: what ended the daemon before this one. */
export function restored(migration: Migration, input: Input<"restore">, turn: Turn): Migration {
  turn.pending.clear();
  return input.after === "daemonDown"
    ? afterRestart(migration, turn.nowMs)
    : afterReboot(migration, input.uptimeSinceMs, turn.nowMs);
}

/** Only the daemon was restarted. Ended ones stay as they are. */
function afterRestart(migration: Migration, nowMs: number): Migration {
  const { advance, call, evidence, phase, sample } = migration;
  if (phase === "ended") return migration;
  const isCalled = call.madeAtMs !== null;
  // One that waited when the host was rebooted is not begun any more: its guest may run elsewhere by now.
  if (!isCalled && call.returned?.unwatched !== "hostDown") return backInTheQueue(migration);
  const unwatched = call.returned?.unwatched ?? "daemonDown";
  return {
    ...migration,
    // An earlier daemon may have put it back into the queue.
    phase: isCalled ? phase : "settling",
    sample: { ...sample, answered: false },
    call: { ...call, returned: unseenReturn(call.returned, unwatched, nowMs) },
    // What cannot be taken back follows only from what this daemon has read itself.
    evidence: { ...evidence, ...NO_READS },
    bandwidth: unknownBandwidth(migration.bandwidth),
    advance: advance === null ? null : { ...advance, gapEndedAtMs: nowMs },
  };
}

function unseenReturn(
  before: CallReturn | null,
  unwatched: Unwatched,
  sinceMs: number,
): CallReturn {
  return { succeeded: false, refusal: null, ...before, sinceMs, unwatched };
}

/** Nothing of it has reached libvirt: it begins, or ends, like any other that waits. */
function backInTheQueue(migration: Migration): Migration {
  const { admission, evidence } = migration;
  return {
    ...migration,
    phase: "queued",
    admission: { ...admission, ending: null },
    evidence: {
      ...evidence,
      ...NO_READS,
      readAtMs: evidence.readAtMs,
      heardAtMs: evidence.heardAtMs,
    },
  };
}

/** What libvirt holds is to be set or read again; the new daemon counts silent queries from 0. */
function unknownBandwidth(bandwidth: Bandwidth): Bandwidth {
  return {
    ...bandwidth,
    destination: NEVER_COUNTED,
    appliedMiBps: null,
    silentQueriesSeen: 0,
    cyclesSinceVerified: null,
  };
}

/**
 * The host was rebooted: its guests are gone or were started again, and monotonic timestamps from
 * before the reboot are meaningless. All that is left to find out is whether the guest had arrived.
 */
function afterReboot(migration: Migration, uptimeSinceMs: number, nowMs: number): Migration {
  const { admission, advance, bandwidth, call, downtime, end, evidence, postCopy, sample } =
    migration;
  if (end !== null) {
    // What counts from its end goes on; the time in which the host was off does not count.
    return {
      ...migration,
      admission: { ...admission, acceptedAtMs: nowMs },
      end: { ...end, atMs: nowMs - uptimeSinceMs },
      evidence: { ...evidence, thereReads: 0, readAtMs: null },
    };
  }
  return {
    ...migration,
    phase: "settling",
    sample: {
      ...sample,
      answered: false,
      dataSinceMs: sample.dataSinceMs === null ? null : nowMs,
    },
    admission: {
      ...admission,
      ending: null,
      acceptedAtMs: nowMs,
      reservedThere: false,
      retryAtMs: null,
    },
    call: {
      madeAtMs: call.madeAtMs === null ? null : nowMs,
      returned: unseenReturn(call.returned, "hostDown", nowMs),
    },
    evidence: { ...evidence, ...NO_READS },
    // The domain's own value was libvirt's, and went with it.
    downtime: downtime === null ? null : { ...downtime, foundMs: null, steppedAtMs: null },
    bandwidth: unknownBandwidth(bandwidth),
    postCopy: { ...postCopy, recovery: NO_RECOVERY },
    stop: null,
    advance: advance === null ? null : rebased(advance, nowMs),
  };
}

function rebased(advance: Advance, nowMs: number): Advance {
  return { ...advanceFrom(nowMs), pass: advance.pass, processedBytes: advance.processedBytes };
}
