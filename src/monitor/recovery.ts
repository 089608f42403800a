/**
 * The first minute of a daemon that was killed, restarted or rebooted: what the journal knows becomes
 * runs again, and each one whose call was out is asked for its place before any verb is answered.
 * Migrations go on in libvirt meanwhile; nothing here starts, stops or steers one. The rules of what
 * a restored state looks like are core/restore.ts's.
 */
import { toRestore } from "../core/retention.ts";
import { isOutgoing } from "../core/job-stats.ts";
import type { Context } from "./context.ts";
import type { JournaledTarget } from "./journal-schema.ts";
import { takeOver } from "./foreign.ts";
import { SaveFiles } from "./hibernation.ts";
import { MigrationRun, type RunHooks } from "./migration-run.ts";
import type { Registry } from "./registry.ts";
import type { Replay, ReplayedMigration, UnusableMigration } from "./replay.ts";
import type { Target } from "./run-effects.ts";

/** Verbs are answered after this at the latest; what has not settled by then settles in the cycles. */
export const RECOVERY_MAX_MS = 10_000;

/** Before the journal goes on: its new segment carries what is live. */
export function restoreRuns(
  replayed: Replay,
  registry: Registry,
  context: Context,
  hooks: RunHooks,
): void {
  const log = context.log.child({ component: "recovery" });
  for (const trouble of replayed.troubles) log.error({ trouble }, "part of the journal is lost");
  for (const { id, vmId, live, why } of replayed.unusable) {
    const next = live ? "if it is still running it is watched as a foreign migration" : "left out";
    log.error({ migrationId: id, vmId, why, next }, "a migration in the journal cannot be used");
  }
  for (const { migration, target } of replayed.migrations) {
    const reached = migration.destinationReached || migration.callAtMs !== null;
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

/** After it goes on: said, and looked after. Settles within RECOVERY_MAX_MS. */
export async function settleRestored(
  replayed: Replay,
  registry: Registry,
  context: Context,
  hooks: RunHooks,
): Promise<void> {
  const { hostView, log, defects } = context;
  const runs = registry.live();
  for (const run of runs) defects.contained("takeOver", run.vmId, () => run.takenOver());
  // Cancelled just before its call was made: it waits in the queue for nothing.
  for (const run of runs) {
    const { phase, stop } = run.migration;
    if (phase === "queued" && stop !== null) run.apply({ kind: "cancel" });
  }
  const settled = async (): Promise<void> => {
    await Promise.all(
      runs.map((run) => defects.containedLater("saveFiles", run.vmId, () => holdAgain(run))),
    );
    const looked = await defects.containedLater("look", null, () => hostView.refresh());
    for (const each of looked?.kind === "ok" ? replayed.unusable : []) {
      await defects.containedLater("adopt", each.vmId, () => adopt(each, registry, context, hooks));
    }
    await Promise.all(
      runs.filter((run) => run.migration.callReturned).map((run) => run.locateGuest()),
    );
  };
  const late = Symbol("late");
  const deadline = new Promise<typeof late>((resolve) => {
    setTimeout(() => resolve(late), RECOVERY_MAX_MS).unref();
  });
  if ((await Promise.race([settled(), deadline])) === late) {
    log.warn({ waitedMs: RECOVERY_MAX_MS }, "recovery goes on while verbs are answered");
  }
}

/**
 * Of a migration that this daemon began and knows nothing more of, what libvirt shows is watched like
 * somebody else's, but at once: it had limits, and the configured ones are better than none. Of one that
 * is not there any more the next daemon need not speak again.
 */
async function adopt(
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
    const run = await takeOver(vmId, context, hooks, id);
    if (run === null) return;
    registry.add(run);
    run.accepted("the journal, whose records of it cannot be used");
    run.apply({ kind: "accepted" });
    run.log.warn({ limits: run.migration.limits }, "watched as a foreign migration");
  } finally {
    registry.release(vmId);
  }
}

/** libvirt says so; where it says nothing of the VM, it may not be. */
function isOver(vmId: string, { hostView }: Context): boolean {
  const view = hostView.get(vmId);
  return view === undefined || (view.job.kind === "stats" && !isOutgoing(view.job.stats));
}

/** A save goes on in libvirt: its files are no other's until it has ended. */
async function holdAgain({ target, log, migration }: MigrationRun): Promise<void> {
  if (target.mode !== "file") return;
  const held = await target.files.takeAgain(migration.callAtMs !== null);
  const files = target.files.prepared;
  if (held === "late") log.warn({ ...files }, "files of a save are not held yet: no answer");
  else if (!held) log.warn({ ...files }, "files of a save are gone or somebody else's");
}

function restored(found: ReplayedMigration, context: Context, hooks: RunHooks): MigrationRun {
  const { id, migration, request, acceptedAtWallMs, lastWallMs, sameBoot } = found;
  return new MigrationRun(
    migration,
    request,
    targetFrom(found.target, context),
    context,
    hooks,
    { kind: "restore", after: sameBoot ? "daemonDown" : "hostDown" },
    { id, acceptedAtWallMs, lastWallMs, lastAtMs: sameBoot ? found.lastAtMs : null },
  );
}

function targetFrom(target: JournaledTarget, context: Context): Target {
  if (target.mode === "file") return { mode: "file", files: SaveFiles.known(target.files) };
  if (target.mode === "foreign") return target;
  const { host, port, call } = target;
  return { mode: "remote", peer: context.peers.get({ host, port }), call };
}
