/**
 * libvirt's call for the migration: made with the cap of this moment, made once more without post-copy
 * where libvirt refuses it for that, and its return. A return is never believed by itself: it leads to
 * `settling`, where the location of the guest decides.
 */
import { advanceFrom } from "./advance.ts";
import { bandwidthAtCall, shareNumbers } from "./bandwidth.ts";
import type { Input } from "./input.ts";
import type { Migration } from "./migration.ts";
import { endWaiting } from "./never-began.ts";
import { type Refusal, refusalText } from "./refusal.ts";
import { type Turn, ask, decide, log } from "./turn.ts";
import { seenWaiting } from "./waiting.ts";

/** Everything is prepared. Its clocks run from here on. */
export function prepared(before: Migration, input: Input<"prepared">, turn: Turn): Migration {
  if (before.stop !== null) return endWaiting(before, { kind: "stopped" }, turn);
  const seen = seenWaiting(before, { runState: input.runState });
  const { bandwidth, evidence, facts, limits, postCopy } = seen;
  const capped = bandwidthAtCall(bandwidth, limits, input);
  const { capMiBps, ...counts } = capped;
  const isFile = facts.mode === "file";
  const migration: Migration = {
    ...seen,
    phase: "starting",
    call: { madeAtMs: turn.nowMs, returned: null },
    advance: advanceFrom(turn.nowMs),
    // A save has no cap.
    bandwidth: isFile ? { ...counts, capMiBps: null, appliedMiBps: null } : capped,
    // What was heard about the guest in the queue is older than the look just now.
    evidence: { ...evidence, stoppedByJob: false, guestStopped: null },
    postCopy: postCopy.possible ? postCopy : { ...postCopy, wanted: false },
  };
  make(migration, isFile ? 0 : capMiBps, !isFile && postCopy.possible, turn);
  return migration;
}

function make(migration: Migration, bandwidthMiBps: number, postcopy: boolean, turn: Turn): void {
  turn.effects.push({ kind: "call", bandwidthMiBps, postcopy });
  const numbers = shareNumbers(migration.bandwidth, migration.limits);
  decide(turn, "start", "libvirt is called", { bandwidthMiBps, postcopy, ...numbers });
}

/** The call came back. */
export function returned(
  before: Migration,
  { refusal }: Input<"callEnded">,
  turn: Turn,
): Migration {
  decide(turn, "call", refusal === null ? "libvirt: success" : "libvirt gave up", {
    libvirtCode: refusal?.code ?? null,
    libvirtMessage: refusal?.message ?? null,
  });
  if (refusal !== null && isWorthAnother(before, refusal)) {
    return againWithoutPostCopy(before, refusal, turn);
  }
  ask(turn, { kind: "locateGuest" });
  const unwatched = before.call.returned?.unwatched ?? null;
  const succeeded = refusal === null;
  return {
    ...before,
    phase: "settling",
    call: { ...before.call, returned: { sinceMs: turn.nowMs, succeeded, refusal, unwatched } },
  };
}

/** Nothing has been sent, nobody wants it to end, and it was refused because of post-copy. */
function isWorthAnother(migration: Migration, refusal: Refusal): boolean {
  const { phase, postCopy, sample, stop } = migration;
  const begun = sample.stats !== null || phase !== "starting";
  return postCopy.possible && stop === null && !begun && refusal.refusesPostCopy === true;
}

/** The same call without the POSTCOPY flag; no clock is restarted. */
function againWithoutPostCopy(before: Migration, refusal: Refusal, turn: Turn): Migration {
  const { bandwidth, limits, postCopy } = before;
  const reason = `libvirt refused the start with post-copy: ${refusalText(refusal)}`;
  const unavailableReason = postCopy.unavailableReason ?? reason;
  const migration: Migration = {
    ...before,
    postCopy: { ...postCopy, possible: false, unavailableReason, wanted: false },
  };
  log(turn, "warn", "start with post-copy refused, starting without", {
    libvirtCode: refusal.code,
    libvirtMessage: refusal.message,
  });
  make(migration, bandwidth.capMiBps ?? limits.maxBandwidthMiBps, false, turn);
  return migration;
}
