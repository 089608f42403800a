/**
 * What came of an effect that the daemon performed. A wish that libvirt did not take stays a wish and
 * is asked for again by the next cycle; only what libvirt took is recorded as applied.
 */
import { beginPostCopy } from "./cycle.ts";
import { downtimeApplied } from "./downtime.ts";
import type { Effect, EffectDone, EffectResult, PendingKind } from "./effect.ts";
import type { Migration } from "./migration.ts";
import { recoveryDone } from "./post-copy.ts";
import type { RefusalKind } from "./refusal.ts";
import type { Stepped } from "./turn.ts";

/** The job has not begun to send, or is just over: nothing that an operator could fix. */
const EXPECTED_REFUSALS: ReadonlySet<RefusalKind> = new Set(["invalidState", "noVm"] as const);

function unchanged(migration: Migration): Stepped {
  return { migration, effects: [] };
}

/** Records what came of one effect; what libvirt did not take stays wished for. */
export function effectDone(before: Migration, input: EffectDone, nowMs: number): Stepped {
  const migration: Migration = {
    ...before,
    pending: before.pending.filter((kind) => kind !== input.effect),
  };
  switch (input.effect) {
    case "setMaxBandwidth":
      return setMaxBandwidthDone(migration, input);
    case "readMaxBandwidth":
      return readMaxBandwidthDone(migration, input.result);
    case "setMaxDowntime":
      return setMaxDowntimeDone(migration, input, nowMs);
    case "startPostCopy":
      return startPostCopyDone(migration, input.result, nowMs);
    case "abort":
      return abortDone(migration, input.result, nowMs);
    case "probeAddress":
    case "pausePostCopy":
    case "resumePostCopy":
      return recovered(migration, input.effect, input.result);
    case "destroyPausedCopy":
      return input.result.kind === "ok"
        ? unchanged(migration)
        : refused(migration, "destroyPausedCopy", input.result);
  }
}

function setMaxBandwidthDone(migration: Migration, { asked, result }: EffectDone): Stepped {
  if (result.kind !== "ok") return refused(migration, "setMaxBandwidth", result);
  return unchanged({ ...migration, cap: { ...migration.cap, appliedMiBps: asked } });
}

function readMaxBandwidthDone(migration: Migration, result: EffectResult): Stepped {
  if (result.kind !== "ok") return refused(migration, "readMaxBandwidth", result);
  const verified = { ...migration, cap: { ...migration.cap, cyclesSinceVerified: 0 } };
  if (result.value === migration.cap.appliedMiBps) return unchanged(verified);
  return {
    migration: { ...verified, cap: { ...verified.cap, appliedMiBps: null } },
    effects: [
      {
        kind: "log",
        level: "warn",
        message: "libvirt holds another bandwidth than was set, setting it again",
        fields: { foundMiBps: result.value, setMiBps: migration.cap.appliedMiBps },
      },
    ],
  };
}

function setMaxDowntimeDone(
  migration: Migration,
  { asked, result }: EffectDone,
  nowMs: number,
): Stepped {
  if (result.kind !== "ok") return refused(migration, "setMaxDowntime", result);
  if (migration.downtime === null || asked === null) return unchanged(migration);
  return {
    migration: { ...migration, downtime: downtimeApplied(migration.downtime, asked, nowMs) },
    effects: [
      {
        kind: "log",
        level: "info",
        message: "max downtime set",
        fields: { maxDowntimeMs: asked, owner: migration.downtime.owner },
      },
    ],
  };
}

function startPostCopyDone(migration: Migration, result: EffectResult, nowMs: number): Stepped {
  if (result.kind !== "ok") return refused(migration, "startPostCopy", result);
  if (migration.phase !== "running" && migration.phase !== "starting") return unchanged(migration);
  const effects: Effect[] = [];
  return { migration: beginPostCopy(migration, nowMs, effects), effects };
}

/** A resume comes back when the migration has ended: its success is the call's. */
function recovered(
  migration: Migration,
  effect: "probeAddress" | "pausePostCopy" | "resumePostCopy",
  result: EffectResult,
): Stepped {
  const recovery = recoveryDone(migration.postCopy.recovery, effect, result);
  const succeeded = effect === "resumePostCopy" && result.kind === "ok";
  const after: Migration = {
    ...migration,
    postCopy: { ...migration.postCopy, recovery },
    callReturned: migration.callReturned || succeeded,
    callSucceeded: migration.callSucceeded || succeeded,
  };
  return effect === "probeAddress" || result.kind === "ok"
    ? unchanged(after)
    : refused(after, effect, result);
}

function abortDone(migration: Migration, result: EffectResult, nowMs: number): Stepped {
  if (migration.stop === null) return unchanged(migration);
  const stop =
    result.kind === "ok"
      ? { ...migration.stop, acceptedAtMs: nowMs, refusal: null }
      : {
          ...migration.stop,
          refusal: result.kind === "refused" ? result.refusal : migration.stop.refusal,
        };
  return unchanged({ ...migration, stop });
}

/** Not taken: the wish stays and the next cycle asks again. */
function refused(
  migration: Migration,
  effect: PendingKind,
  result: Exclude<EffectResult, { kind: "ok" }>,
): Stepped {
  if (result.kind === "busy") return unchanged(migration);
  const refusal = result.kind === "refused" ? result.refusal : null;
  return {
    migration,
    effects: [
      {
        kind: "log",
        level: refusal !== null && EXPECTED_REFUSALS.has(refusal.kind) ? "info" : "warn",
        message: "libvirt did not take it, the wish stays",
        fields: {
          effect,
          libvirtCode: refusal?.code ?? null,
          libvirtMessage: refusal?.message ?? "no answer in time",
        },
      },
    ],
  };
}
