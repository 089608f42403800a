/**
 * What became of each migration, from the daemon's VM_migration_ended: one table, or on a narrow
 * terminal one short list for each VM.
 */
import type { Guest } from "../lab/api.ts";
import { mib, seconds, table } from "./text.ts";

export interface Arrival {
  readonly guest: Guest;
  /** Where it was found to run. */
  readonly hostName: string;
  /** Of its VM_migration_ended. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const HEADINGS = [
  "VM",
  "outcome",
  "runs on",
  "confirmed",
  "downtime",
  "duration",
  "sent",
  "passes",
] as const;

export function summaryLines(arrivals: readonly Arrival[], columns: number): readonly string[] {
  const rows = arrivals.map(row);
  const wide = table([HEADINGS, ...rows]);
  if (wide.every((line) => line.length <= columns)) return wide;
  return rows.flatMap((cells) =>
    cells.map((cell, index) => (index === 0 ? cell : `  ${HEADINGS[index]?.padEnd(11)}${cell}`)),
  );
}

function row({ guest, hostName, fields }: Arrival): readonly string[] {
  const downtimeMs = Number(fields["downtime"]);
  return [
    guest.name,
    String(fields["outcome"]),
    hostName,
    fields["confirmed"] === true ? "yes" : "not yet",
    downtimeMs < 0 ? "not known" : `${downtimeMs} ms`,
    seconds(Number(fields["duration"])),
    `${mib(Number(fields["dataProcessed"]))} MiB`,
    String(fields["passes"]),
  ];
}
