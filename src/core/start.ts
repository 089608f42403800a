/**
 * From the queue to libvirt's call: a slot here, one on the destination, the first downtime, and the
 * call itself, made once more without post-copy where libvirt refuses it for that. step.ts says when;
 * none of these is asked of a migration that is to end.
 */
import { advanceFrom } from "./advance.ts";
import { nextCap } from "./bandwidth.ts";
import { isNewReason } from "./destination.ts";
import { downtimeApplied } from "./downtime.ts";
import type { Effect } from "./effect.ts";
import { type Refusal, refusalText } from "./refusal.ts";
import { includingSelf } from "./host-count.ts";
import type { Input } from "./input.ts";
import type { Migration } from "./migration.ts";
import type { Stepped } from "./turn.ts";
import { seenWaiting } from "./waiting.ts";

/** Has a slot here. The engine was told at acceptance. */
export function admitted(migration: Migration): Stepped {
  return { migration: { ...migration, phase: "preparing", retryAtMs: null }, effects: [] };
}

export interface Deferral {
  readonly retryAtMs: number;
  readonly reason: string;
  readonly refusedTries: number;
}

/**
 * The destination has no slot, or does not answer: back to its place in the queue. It may be there for
 * an hour, so it is told at first and when the reason changes, and not at each try.
 */
export function deferred(
  migration: Migration,
  { retryAtMs, reason, refusedTries }: Deferral,
  nowMs: number,
): Stepped {
  const deferrals = migration.deferrals + 1;
  const retryInMs = Math.round(retryAtMs - nowMs);
  const message = "cannot begin yet, trying again later";
  const news: readonly Effect[] = [
    { kind: "log", level: "info", message, fields: { reason, retryInMs, deferrals } },
    { kind: "event", event: { kind: "deferred", reason, deferrals, retryInMs } },
  ];
  return {
    migration: {
      ...migration,
      phase: "queued",
      retryAtMs,
      deferrals,
      deferralReason: reason,
      refusedTries,
    },
    effects: isNewReason(migration.deferralReason, reason) ? news : [],
  };
}

/** Begun before, it was deferred or taken over since: then what is found now is a value of ours. */
export function downtimeFound(migration: Migration, foundMs: number): Migration {
  return { ...migration, downtimeFoundMs: migration.downtimeFoundMs ?? foundMs };
}

/** What libvirt holds for the domain. */
export function downtimePrepared(
  migration: Migration,
  { appliedMs }: { readonly appliedMs: number | null },
  nowMs: number,
): Stepped {
  const { downtime } = migration;
  return {
    migration: {
      ...migration,
      downtime:
        downtime !== null && appliedMs !== null
          ? downtimeApplied(downtime, appliedMs, nowMs)
          : downtime,
    },
    effects: [],
  };
}

/** Everything is prepared: the call, with the cap of this moment. */
export function begin(
  migration: Migration,
  input: Extract<Input, { kind: "begin" }>,
  nowMs: number,
): Stepped {
  const destination = includingSelf(input.destination);
  const seen = seenWaiting(migration, { runState: input.runState });
  const started: Migration = {
    ...seen,
    phase: "starting",
    callAtMs: nowMs,
    advance: advanceFrom(nowMs),
    sourceMigrations: input.sourceMigrations,
    destinationCount: destination,
    destinationAtCall: destination.kind === "counted" ? destination.migrations : null,
    // What was heard of the guest in the queue was before it was looked at just now.
    stoppedByJob: false,
    guestStopped: null,
    postCopy: seen.postCopy.possible ? seen.postCopy : { ...seen.postCopy, wanted: false },
  };
  if (migration.mode === "file") {
    return { migration: started, effects: [{ kind: "call", bandwidthMiBps: 0, postcopy: false }] };
  }
  const cap = nextCap({
    rule: migration.limits,
    sourceMigrations: input.sourceMigrations,
    destination,
    capMiBps: null,
    silentQueriesSeen: 0,
  });
  return {
    migration: { ...started, cap: { ...started.cap, ...cap, appliedMiBps: cap.capMiBps } },
    effects: [
      {
        kind: "call",
        bandwidthMiBps: cap.capMiBps,
        postcopy: started.postCopy.possible,
      },
    ],
  };
}

function withoutPostCopy({ postCopy }: Migration, reason: string): Migration["postCopy"] {
  return {
    possible: false,
    unavailableReason: postCopy.unavailableReason ?? reason,
    wanted: false,
    begun: false,
    recovery: postCopy.recovery,
  };
}

/** The same call once more without the POSTCOPY flag; no clock starts anew. */
export function beginWithoutPostCopy(migration: Migration, refusal: Refusal): Stepped {
  const reason = `libvirt refused the start with post-copy: ${refusalText(refusal)}`;
  return {
    migration: {
      ...migration,
      postCopy: withoutPostCopy(migration, reason),
    },
    effects: [
      {
        kind: "log",
        level: "warn",
        message: "start with post-copy refused, starting without",
        fields: { libvirtCode: refusal.code, libvirtMessage: refusal.message },
      },
      {
        kind: "call",
        bandwidthMiBps: migration.cap.capMiBps ?? migration.limits.maxBandwidthMiBps,
        postcopy: false,
      },
    ],
  };
}
