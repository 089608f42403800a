/**
 * From a slot to the call: ask the destination, set the first downtime on the idle domain, and hand
 * over to libvirt. A cancel on the way ends the migration before there is a call.
 */
import { isoTime } from "../clock.ts";
import { PAUSED_REASON } from "../core/libvirt-codes.ts";
import type { CallResult, Hypervisor } from "../hypervisor/hypervisor.ts";
import type { Context } from "./context.ts";
import { writeParameters } from "./hibernation.ts";
import type { MigrationRun } from "./migration-run.ts";

/** Never rejects: what goes wrong is the migration's outcome. */
export async function begin(
  run: MigrationRun,
  ownThere: () => number,
  context: Context,
): Promise<void> {
  run.apply({ kind: "admitted" });
  try {
    const refusal = await prepare(run, context);
    if (refusal !== null) {
      run.apply({ kind: "notBegun", ...refusal });
      return;
    }
    run.apply({
      kind: "begin",
      sourceMigrations: context.hostView.migrationsWith(run.vmId),
      destination: run.destinationCount(ownThere()),
      paused: context.hostView.get(run.vmId)?.vm.runState === "paused",
    });
  } catch (err) {
    run.log.error({ err }, "migration could not be begun");
    const message = err instanceof Error ? err.message : String(err);
    run.apply({ kind: "notBegun", refusal: { code: 0, message }, active: true });
  }
}

interface NotBegun {
  readonly refusal: { readonly code: number; readonly message: string };
  readonly active: boolean;
}

async function prepare(run: MigrationRun, context: Context): Promise<NotBegun | null> {
  const { hypervisor } = context;
  const details = await hypervisor.vmDetails(run.vmId);
  if (details.kind === "refused") return { refusal: details.refusal, active: false };
  if (details.kind === "ok" && details.value.runState === "shutoff") {
    return { refusal: { code: 0, message: "the VM is not running any more" }, active: false };
  }
  if (run.target.mode === "file") {
    const xml = await hypervisor.domainXml(run.vmId);
    if (xml.kind !== "ok") throw new Error(`no domain XML: ${JSON.stringify(xml)}`);
    await writeParameters(run.target.files, {
      vmId: run.vmId,
      name: run.migration.vmName,
      host: context.hostName,
      time: isoTime(context.clock.wallMs()),
      domainXml: xml.value,
    });
    return null;
  }
  const asked =
    context.settings().peerMode === "daemon" ? run.target.peer.askCounts() : Promise.resolve();
  await Promise.all([asked, context.hostView.refresh(), prepareDowntime(run, hypervisor)]);
  return null;
}

/** libvirt keeps what is set on an idle domain, so the first value holds from the first byte. */
async function prepareDowntime(run: MigrationRun, hypervisor: Hypervisor): Promise<void> {
  const wantedMs = run.migration.downtime?.wantedMs ?? null;
  if (wantedMs === null) return;
  const found = await hypervisor.maxDowntimeMs(run.vmId);
  const set = await hypervisor.setMaxDowntime(run.vmId, wantedMs);
  if (found.kind !== "ok" || set.kind !== "ok") {
    run.log.warn({ found, set }, "first downtime could not be set before the start");
  }
  run.apply({
    kind: "downtimePrepared",
    foundMs: valueOf(found),
    appliedMs: set.kind === "ok" ? wantedMs : null,
  });
}

function valueOf(result: CallResult<number>): number | null {
  return result.kind === "ok" ? result.value : null;
}

/** A guest that stopped on a storage error cannot be moved: QEMU would lose the failed request. */
export function pausedOnError(state: { runState: string; stateReason: number }): boolean {
  return state.runState === "paused" && state.stateReason === PAUSED_REASON.IO_ERROR;
}
