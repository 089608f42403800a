/**
 * How each migration ended, from the daemon's VM_migration_ended: a table, or on a narrow terminal
 * a short list per VM.
 */
import type { Guest } from "../lab/api.ts";
import { mib, seconds, table } from "./text.ts";

export interface Arrival {
  readonly guest: Guest;
  /** The host on which it was found running. */
  readonly hostName: string;
  /** From its VM_migration_ended. */
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
    downtimeMs < 0 ? "unknown" : `${downtimeMs} ms`,
    seconds(Number(fields["duration"])),
    `${mib(Number(fields["dataProcessed"]))} MiB`,
    String(fields["passes"]),
  ];
}
