/**
 * The first moments of a daemon that was killed or restarted, or whose host was rebooted: what the journal
 * knows becomes runs again, and the guest of each one whose call was made is located before any verb is
 * answered. Migrations carry on in libvirt meanwhile; nothing here starts, stops or steers one. What a
 * restored state looks like is core/restore.ts's to say.
 */
import { toRestore } from "../../core/retention.ts";
import { isOutgoing } from "../../core/job-stats.ts";
import type { Context } from "../context.ts";
import type { JournaledTarget } from "./schema.ts";
import { adopt } from "../migrations/foreign.ts";
import { SaveFiles } from "../hibernation/save-files.ts";
import { MigrationRun, type RunHooks } from "../migrations/run.ts";
import type { Registry } from "../migrations/registry.ts";
import type { Replay, ReplayedMigration, UnusableMigration } from "./replay.ts";
import type { Target } from "../migrations/effects.ts";

/** Verbs are answered after this at the latest; what is not located by then is in the cycles. */
export const RECOVERY_MAX_MS = 10_000;

/** Before the journal is continued: its new segment starts with what is live. */
export function restoreRuns(
  replayed: Replay,
  registry: Registry,
  context: Context,
  hooks: RunHooks,
): void {
  const log = context.log.child({ component: "recovery" });
  for (const trouble of replayed.troubles) {
    log.error({ trouble }, "part of the journal is unusable");
  }
  for (const { id, vmId, live, why } of replayed.unusable) {
    const next = live ? "adopted as a foreign one if it is still running" : "ignored";
    log.error({ migrationId: id, vmId, why, next }, "a migration in the journal cannot be used");
  }
  for (const { migration, target } of replayed.migrations) {
    const reached = migration.admission.destinationReached || migration.call.madeAtMs !== null;
    if (reached && target.mode === "remote") context.peers.noteReached(target);
  }
  for (const found of toRestore(replayed.migrations, context.clock.monotonicMs())) {
    const run = context.defects.contained("restore", found.request.vmId, () =>
      restored(found, context, hooks),
    );
    if (run === null) continue;
    if (run.live) registry.add(run);
    else registry.addEnded(run);
  }
}

/** After it is continued: the restored runs are reported and looked after. Settles within RECOVERY_MAX_MS. */
export async function settleRestored(
  replayed: Replay,
  registry: Registry,
  context: Context,
  hooks: RunHooks,
): Promise<void> {
  const { hostView, log, defects } = context;
  const runs = registry.live();
  for (const run of runs) defects.contained("restore", run.vmId, () => run.restored());
  const settled = async (): Promise<void> => {
    await Promise.all(
      runs.map((run) => defects.containedLater("saveFiles", run.vmId, () => holdAgain(run))),
    );
    const looked = await defects.containedLater("look", null, () => hostView.refresh());
    for (const each of looked?.kind === "ok" ? replayed.unusable : []) {
      await defects.containedLater("adopt", each.vmId, () =>
        adoptUnusable(each, registry, context, hooks),
      );
    }
    await Promise.all(runs.filter(isToLocate).map((run) => run.locateGuest()));
  };
  const late = Symbol("late");
  const deadline = new Promise<typeof late>((resolve) => {
    setTimeout(() => resolve(late), RECOVERY_MAX_MS).unref();
  });
  if ((await Promise.race([settled(), deadline])) === late) {
    log.warn({ waitedMs: RECOVERY_MAX_MS }, "recovery continues while verbs are answered");
  }
}

/**
 * A migration that an earlier daemon began, and of which nothing usable is left: if libvirt shows its job,
 * it is adopted like a foreign one, but at once: it had limits, and the configured ones are better than
 * none. If the job is gone, later daemons need not report it again.
 */
async function adoptUnusable(
  { id, vmId, live }: UnusableMigration,
  registry: Registry,
  context: Context,
  hooks: RunHooks,
): Promise<void> {
  if (vmId === null || !live || registry.liveOf(vmId) !== undefined || isOver(vmId, context)) {
    context.journal.dropped(id);
    return;
  }
  if (!registry.reserve(vmId)) return;
  try {
    const run = await adopt(vmId, context, hooks, id);
    if (run === null) return;
    registry.add(run);
    run.accepted("this daemon, because its records cannot be used");
    run.apply({ kind: "accepted" });
    run.log.warn({ limits: run.migration.limits }, "adopted as a foreign migration");
  } finally {
    registry.release(vmId);
  }
}

/** The core has asked for it; no cycle asks again until the answer is there. */
function isToLocate({ migration }: MigrationRun): boolean {
  return migration.pending.includes("locateGuest");
}

/** Only if libvirt says so: a VM for which it has no answer may still be migrating. */
function isOver(vmId: string, { hostView }: Context): boolean {
  const view = hostView.get(vmId);
  return view === undefined || (view.job.kind === "stats" && !isOutgoing(view.job.stats));
}

/** A save carries on in libvirt: until it has ended its files are taken. */
async function holdAgain({ target, log, migration }: MigrationRun): Promise<void> {
  if (target.mode !== "file") return;
  const held = await target.files.takeAgain(migration.call.madeAtMs !== null);
  const files = target.files.prepared;
  if (held === "late")
    log.warn(
      { ...files },
      "the files of a save cannot be locked yet: their file system does not answer",
    );
  else if (!held)
    log.warn({ ...files }, "the files of a save are gone or in use by another process");
}

function restored(found: ReplayedMigration, context: Context, hooks: RunHooks): MigrationRun {
  const { id, migration, request, acceptedAtWallMs, lastWallMs, sameBoot, uptimeSinceMs } = found;
  const lastAtMs = sameBoot ? found.lastAtMs : null;
  const after = sameBoot ? "daemonDown" : "hostDown";
  return new MigrationRun(
    migration,
    request,
    targetFrom(found.target, context),
    context,
    hooks,
    { kind: "restore", after, uptimeSinceMs, lastAtMs },
    { id, acceptedAtWallMs, lastWallMs, lastAtMs },
  );
}

function targetFrom(target: JournaledTarget, context: Context): Target {
  if (target.mode === "file") return { mode: "file", files: SaveFiles.known(target.files) };
  if (target.mode === "foreign") return target;
  const { host, port, call } = target;
  return { mode: "remote", peer: context.peers.get({ host, port }), call };
}
