/**
 * From admission to libvirt's call: gets a slot on the destination and its counts, sets the first
 * downtime on the idle domain, and hands over. A destination without a slot sends the migration back
 * into the queue; a cancel in between ends it without a call.
 */
import { isoTime } from "../../clock.ts";
import { retryAtMs } from "../../core/admission.ts";
import type { Silence } from "../../core/destination.ts";
import { endOf } from "../../core/guest-end.ts";
import type { Refusal } from "../../core/refusal.ts";
import { HYPERVISOR_SILENT, readinessOf } from "../../core/readiness.ts";
import type { RunState } from "../../core/run-state.ts";
import { errorTable } from "../../wire/errors.ts";
import type { CallResult, Hypervisor } from "../../hypervisor/port.ts";
import type { Peer } from "../../peer/peer.ts";
import { misplaced } from "./accept.ts";
import type { Context } from "../context.ts";
import { NO_ANSWER, type SaveFiles } from "../hibernation/save-files.ts";
import type { MigrationRun } from "./run.ts";
import { messageOf } from "../../errors.ts";

/** Never rejects: an error becomes the migration's outcome. */
export async function prepare(
  run: MigrationRun,
  ownMigrationsThere: () => number,
  context: Context,
): Promise<void> {
  run.apply({ kind: "admitted" });
  if (run.migration.phase !== "preparing") return;
  try {
    const prepared = await tryToPrepare(run, context);
    switch (prepared.kind) {
      case "notBegun":
        run.apply(prepared);
        return;
      case "later":
        run.apply({ kind: "deferred", retryAtMs: tryAgainAtMs(context), reason: prepared.reason });
        return;
      case "unanswered":
        run.apply({ ...prepared, retryAtMs: tryAgainAtMs(context) });
        return;
      case "ready":
        run.apply({
          kind: "prepared",
          sourceMigrations: context.hostView.migrationsWith(run.vmId),
          destination: run.destinationCount(ownMigrationsThere()),
          runState: prepared.runState,
        });
    }
  } catch (err) {
    context.defects.note("prepare", run.vmId, err);
    const message = messageOf(err);
    run.apply(notBegun(message));
  }
}

interface NotBegun {
  readonly kind: "notBegun";
  readonly refusal: Refusal;
}

type Prepared =
  | { readonly kind: "ready"; readonly runState: RunState }
  | NotBegun
  | { readonly kind: "later"; readonly reason: string }
  | { readonly kind: "unanswered"; readonly silence: Silence; readonly reachedBefore: boolean };

type Hindrance = Exclude<Prepared, { kind: "ready" }>;

/** `code`: this daemon's error number, or the destination's. */
function notBegun(message: string, code: number | null = null): NotBegun {
  return { kind: "notBegun", refusal: { kind: "other", code, message } };
}

/**
 * The VM is looked at first, so that no destination is asked about a VM that cannot migrate, and again
 * right before the call, since the destination may have taken a long time.
 */
async function tryToPrepare(run: MigrationRun, context: Context): Promise<Prepared> {
  const before = await look(run, context);
  if (before.kind !== "ready") return before;
  return (await prepareBy(run, context)) ?? look(run, context);
}

/** Looks at the VM; if it may migrate, the migration and its call are adapted to what it is now. */
async function look(run: MigrationRun, context: Context): Promise<Prepared> {
  const { hypervisor } = context;
  const details = await hypervisor.vmDetails(run.vmId);
  if (details.kind === "refused") return { kind: "notBegun", refusal: details.refusal };
  if (details.kind !== "ok") return { kind: "later", reason: HYPERVISOR_SILENT };
  const vm = details.value;
  const { runState } = vm;
  const job = await hypervisor.jobView(run.vmId);
  const readiness = readinessOf({
    runState,
    job: job.kind === "ok" ? job.value : { kind: "noAnswer" },
    placementFault: misplaced(run.request, vm),
  });
  switch (readiness.kind) {
    case "ready":
      run.seen(vm);
      return { kind: "ready", runState };
    case "later":
      return readiness;
    case "never": {
      const { message, isRequestAtFault } = readiness;
      return notBegun(message, isRequestAtFault ? errorTable.invalidParameter.number : null);
    }
  }
}

/** Tells a waiting migration what its VM is now. */
export async function lookAgain(run: MigrationRun, { hypervisor }: Context): Promise<void> {
  if (run.migration.call.madeAtMs !== null) return;
  const details = await hypervisor.vmDetails(run.vmId);
  if (details.kind !== "ok" || run.migration.call.madeAtMs !== null) return;
  run.seen(details.value);
  const how = endOf(details.value.runState);
  if (how !== undefined) run.guestEnded(how);
}

function prepareBy(run: MigrationRun, context: Context): Promise<Hindrance | null> {
  const { target } = run;
  switch (target.mode) {
    case "file":
      return prepareSave(run, target.files, context);
    case "remote":
      return prepareMigration(run, target.peer, context);
    case "foreign":
      return Promise.resolve(notBegun("somebody else started it"));
  }
}

async function prepareSave(
  run: MigrationRun,
  files: SaveFiles,
  context: Context,
): Promise<Hindrance | null> {
  const xml = await context.hypervisor.domainXml(run.vmId);
  if (xml.kind !== "ok") return noXml(xml);
  const ours = await files.areOurs();
  if (ours === "late") return notBegun(NO_ANSWER);
  if (!ours) return notBegun("somebody else has written to the files of the save");
  const written = await files.writeParameters({
    vmId: run.vmId,
    name: run.migration.facts.vmName,
    host: context.thisHost.name,
    time: isoTime(context.clock.wallMs()),
    domainXml: xml.value,
  });
  return written === "late" ? notBegun(NO_ANSWER) : null;
}

async function prepareMigration(
  run: MigrationRun,
  peer: Peer,
  context: Context,
): Promise<Hindrance | null> {
  const peersAnswer = context.settings().peerMode === "daemon";
  if (peersAnswer) {
    // First a query that is answered at once: a daemon that hangs must not hold the slot here for as
    // long as a stock VDSM may take to prepare the VM.
    await peer.askCounts();
    if (peer.counts().kind !== "counted") return unanswered(peer, peer.silence);
    run.apply({ kind: "reached" });
    const reserved = await reserveThere(run, peer, context);
    if (reserved !== null) return reserved;
  }
  const asked = peersAnswer ? peer.askCounts() : Promise.resolve();
  const downtime = prepareDowntime(run, context.hypervisor);
  await Promise.all([asked, context.hostView.refresh(), downtime]);
  return null;
}

/** Gets a slot on the destination. A cancel meanwhile does not wait for its answer. */
async function reserveThere(
  run: MigrationRun,
  peer: Peer,
  context: Context,
): Promise<Hindrance | null> {
  const xml = peer.wantsDefinition ? await context.hypervisor.domainXml(run.vmId) : null;
  if (xml !== null && xml.kind !== "ok") return noXml(xml);
  const asked = peer.reserve(run.vmId, xml?.value ?? null, run.request.incomingLimit);
  const reserved = await Promise.race([asked, run.stopped()]);
  if (reserved === "stopped") {
    // If it grants the slot after all, the slot is given back.
    void context.defects.containedLater("release", run.vmId, async () => {
      if ((await asked).kind === "reserved") await peer.release(run.vmId);
    });
    return notBegun("cancelled before the migration began");
  }
  switch (reserved.kind) {
    case "reserved":
      run.apply({ kind: "reserved" });
      return null;
    case "later":
      return reserved;
    case "unanswered":
      return unanswered(peer, reserved.silence);
    case "refused":
      return notBegun(`the destination refused: ${reserved.message}`, reserved.code);
  }
}

function unanswered(peer: Peer, silence: Silence): Hindrance {
  return { kind: "unanswered", silence, reachedBefore: peer.reached };
}

/** A definition that is too large for one message now will be too large later. */
function noXml(xml: Exclude<CallResult<string>, { kind: "ok" }>): Hindrance {
  const reason = "libvirt does not return the domain's XML";
  if (xml.kind !== "refused" || xml.refusal.kind !== "tooLarge") return { kind: "later", reason };
  const message = `${reason}: ${xml.refusal.message}`;
  return { kind: "notBegun", refusal: { ...xml.refusal, message } };
}

function tryAgainAtMs({ clock, settings }: Context): number {
  return retryAtMs(clock.monotonicMs(), settings().retryAfterMs, Math.random());
}

/** libvirt keeps a value set on an idle domain, so the first one holds from the first byte on. */
async function prepareDowntime(run: MigrationRun, hypervisor: Hypervisor): Promise<void> {
  const wantedMs = run.migration.downtime?.wantedMs ?? null;
  if (wantedMs === null) return;
  const found = await hypervisor.maxDowntimeMs(run.vmId);
  // The value found is journaled before it is overwritten, so that a restarted daemon can restore it.
  if (found.kind === "ok") run.apply({ kind: "downtimeFound", foundMs: found.value });
  const set = await hypervisor.setMaxDowntime(run.vmId, wantedMs);
  if (found.kind !== "ok" || set.kind !== "ok") {
    run.log.warn({ found, set }, "could not set the first downtime before the start");
  }
  run.apply({ kind: "downtimePrepared", appliedMs: set.kind === "ok" ? wantedMs : null });
  if (!run.live && found.kind === "ok") {
    // It ended meanwhile, before it knew which value to restore.
    await hypervisor.setMaxDowntime(run.vmId, run.migration.downtime?.foundMs ?? found.value);
  }
}
