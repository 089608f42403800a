/**
 * libvirt's record of the migration that brought a guest here. The source asks for it with VM.getStats,
 * because on the source libvirt keeps no record of a transient guest that has left.
 */
import type { Context } from "../context.ts";
import type { VmStats } from "../../wire/vm-answer.ts";

/** `{ lastIncomingMigration: { downtime, downtimeNet (ms), dataProcessed (bytes) } }`, or nothing. */
export async function vmIncomingRecord(
  vmId: string,
  context: Context,
): Promise<Pick<VmStats, "lastIncomingMigration">> {
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
