/**
 * Performing the effects that call libvirt or the network and report back, each as one promise of a
 * result. What the results mean is the core's.
 */
import type { EffectResult, Reporting } from "../../core/effect.ts";
import type { Migration } from "../../core/migration.ts";
import { othersJob } from "../../core/job-stats.ts";
import type { Refusal } from "../../core/refusal.ts";
import type { CallResult } from "../../hypervisor/port.ts";
import type { Peer } from "../../peer/peer.ts";
import { answersConnect } from "../../peer/probe.ts";
import type { Context } from "../context.ts";
import type { SaveFiles } from "../hibernation/save-files.ts";
import type { CallTemplate } from "./call.ts";
import type { MigrateRequest } from "../service.ts";

/** What a run needs besides its state, by mode. */
export type Target =
  | { readonly mode: "remote"; readonly peer: Peer; readonly call: CallTemplate }
  | { readonly mode: "file"; readonly files: SaveFiles }
  /** Somebody else's migration, whose destination is not known. */
  | { readonly mode: "foreign" };

/** What performing the effects of one run needs. */
export interface Subject {
  readonly migration: Migration;
  readonly request: MigrateRequest;
  readonly target: Target;
  readonly context: Context;
}

/** The deadline for a TCP connect to the destination. */
const PROBE_MS = 2_000;

/** Makes the call for the effect. */
export function performReporting(
  effect: Reporting,
  subject: Subject,
): Promise<CallResult<number | null>> {
  const { hypervisor } = subject.context;
  const { vmId } = subject.migration.facts;
  switch (effect.kind) {
    case "setMaxBandwidth":
      return hypervisor.setMaxBandwidth(vmId, effect.maxBandwidthMiBps);
    case "readMaxBandwidth":
      return hypervisor.maxBandwidthMiBps(vmId);
    case "setMaxDowntime":
      return hypervisor.setMaxDowntime(vmId, effect.maxDowntimeMs);
    case "startPostCopy":
      return hypervisor.startPostCopy(vmId);
    case "abort":
      return abort(subject);
    case "pausePostCopy":
      return hypervisor.pausePostCopy(vmId);
    case "resumePostCopy":
      return resume(subject);
    case "probeAddress":
      return probe(subject);
    case "destroyPausedCopy":
      // Including a definition that somebody made since: if started, the guest would run twice.
      return hypervisor.destroyPausedCopy(vmId, subject.target.mode === "remote");
  }
}

/** libvirt's call for the migration; settles when its job has ended. */
export function callOf(
  { migration, target, context }: Subject,
  bandwidthMiBps: number,
  postcopy: boolean,
): Promise<CallResult<null>> {
  const { hypervisor } = context;
  switch (target.mode) {
    case "file":
      target.files.begins();
      return hypervisor.save(migration.facts.vmId, target.files.prepared.imagePath);
    case "remote":
      return hypervisor.migrate(migration.facts.vmId, { ...target.call, bandwidthMiBps, postcopy });
    case "foreign":
      return Promise.resolve(refusedHere("somebody else started the migration"));
  }
}

/** An abort ends whatever job the VM has, so the job is looked at first. */
async function abort({ migration, context }: Subject): Promise<CallResult<null>> {
  const { hypervisor } = context;
  const view = await hypervisor.jobView(migration.facts.vmId);
  // While the VM's lock is held there are no stats. The abort is tried all the same: its error tells why.
  if (view.kind === "ok" && view.value.kind === "stats") {
    const operation = othersJob(view.value.stats, migration.facts.mode);
    if (operation !== null) {
      return refusedHere(`libvirt's job on the VM is ${operation}, not this migration`);
    }
  }
  return hypervisor.abortJob(migration.facts.vmId);
}

/** The same call as at the start, to the same destination, with the flag POSTCOPY_RESUME. */
async function resume({ migration, target, context }: Subject): Promise<CallResult<null>> {
  if (target.mode !== "remote") {
    return refusedHere("the destination is known only to whoever started the migration");
  }
  return context.hypervisor.migrate(migration.facts.vmId, {
    ...target.call,
    bandwidthMiBps: migration.bandwidth.capMiBps ?? migration.limits.maxBandwidthMiBps,
    postcopy: true,
    resume: true,
  });
}

async function probe({ request, target }: Subject): Promise<CallResult<null>> {
  if (target.mode !== "remote") return refusedHere("the migration address is not known");
  const { host, port } = target.peer.address;
  const answers = await answersConnect(request.dstqemu ?? host, port, PROBE_MS);
  return answers ? { kind: "ok", value: null } : { kind: "noAnswer" };
}

function refusedHere(message: string): CallResult<null> {
  return { kind: "refused", refusal: { kind: "invalidState", code: null, message } };
}

export function effectResult(result: CallResult<number | null>): EffectResult {
  switch (result.kind) {
    case "ok":
      return { kind: "ok", value: result.value };
    case "refused":
      return { kind: "refused", refusal: result.refusal };
    case "busy":
      return { kind: "busy" };
    case "noAnswer":
    case "disconnected":
      return { kind: "noAnswer" };
  }
}

export function refusalOf(result: CallResult<unknown>): Refusal | null {
  switch (result.kind) {
    case "ok":
      return null;
    case "refused":
      return result.refusal;
    case "disconnected":
      return { kind: "other", code: null, message: result.message };
    case "noAnswer":
    case "busy":
      return { kind: "other", code: null, message: "libvirt did not answer" };
  }
}
