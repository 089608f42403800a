/**
 * What this host's libvirt kept of the migration that brought a guest here: the source asks for it
 * through VM.getStats, because libvirt keeps no record on the source of a transient guest that left.
 */
import type { Context } from "./context.ts";
import type { WireObject } from "./service.ts";

/** `{ lastIncomingMigration: { downtime, downtimeNet (ms), dataProcessed (bytes) } }`, or nothing. */
export async function vmIncomingRecord(vmId: string, context: Context): Promise<WireObject> {
  if (context.hostView.transfer(vmId) !== "none") return {};
  const record = await context.hypervisor.completedJob(vmId);
  if (record.kind !== "ok" || record.value.operation !== "migrationIn") return {};
  const { downtimeMs, downtimeNetMs, dataProcessedBytes } = record.value;
  return {
    lastIncomingMigration: {
      ...(downtimeMs === undefined ? {} : { downtime: Math.round(downtimeMs) }),
      ...(downtimeNetMs === undefined ? {} : { downtimeNet: Math.round(downtimeNetMs) }),
      dataProcessed: dataProcessedBytes,
    },
  };
}
