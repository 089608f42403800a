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
import {
  type Advance,
  type Bandwidth,
  type CallReturn,
  type Migration,
  type Unwatched,
  CALL_OUT,
} from "./migration.ts";
import { endWaiting } from "./never-began.ts";
import { NO_RECOVERY } from "./post-copy.ts";
import { type Turn, ask, decide } from "./turn.ts";

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

/** The guest of one that does not wait is located; an ended one is left as it is, but for its clocks. */
export function restored(before: Migration, input: Input<"restore">, turn: Turn): Migration {
  const { after, lastAtMs, uptimeSinceMs } = input;
  turn.pending.clear();
  if (before.end !== null) {
    return after === "daemonDown" ? before : endedBeforeReboot(before, uptimeSinceMs, turn.nowMs);
  }
  const migration =
    after === "daemonDown" ? afterRestart(before, turn) : afterReboot(before, turn.nowMs);
  if (migration.phase !== "queued") ask(turn, { kind: "locateGuest" });
  decide(turn, "restored", migration.phase, {
    unwatched: migration.call.returned?.unwatched ?? null,
    downForMs: lastAtMs === null ? null : Math.round(turn.nowMs - lastAtMs),
  });
  return migration;
}

/** Only the daemon was restarted. */
function afterRestart(migration: Migration, turn: Turn): Migration {
  const { advance, call, evidence, phase, sample } = migration;
  const { nowMs } = turn;
  const isCalled = call.madeAtMs !== null;
  // One that waited when the host was rebooted is not begun any more: its guest may run elsewhere by now.
  if (!isCalled && call.returned?.unwatched !== "hostDown") return backInTheQueue(migration, turn);
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
function backInTheQueue(migration: Migration, turn: Turn): Migration {
  const { admission, evidence, stop } = migration;
  const queued: Migration = {
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
  // Cancelled just before its call would have been made: there is nothing left to queue for.
  return stop === null ? queued : endWaiting(queued, { kind: "stopped" }, turn);
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
 * What counts from its end goes on; the time in which the host was off does not count. A guest that nobody
 * had located may have been started anew on the destination since.
 */
function endedBeforeReboot(migration: Migration, uptimeSinceMs: number, nowMs: number): Migration {
  const { admission, call, end, evidence } = migration;
  const { returned } = call;
  const isUnknown = end?.outcome.where === "unknown" && returned !== null;
  return {
    ...migration,
    admission: { ...admission, acceptedAtMs: nowMs },
    call: isUnknown ? { ...call, returned: { ...returned, unwatched: "hostDown" } } : call,
    end: end === null ? null : { ...end, atMs: nowMs - uptimeSinceMs },
    evidence: { ...evidence, thereReads: 0, readAtMs: null },
  };
}

/**
 * The host was rebooted: its guests are gone or were started again, and monotonic timestamps from
 * before the reboot are meaningless. All that is left to find out is whether the guest had arrived.
 */
function afterReboot(migration: Migration, nowMs: number): Migration {
  const { admission, advance, bandwidth, call, downtime, evidence, postCopy, sample } = migration;
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
