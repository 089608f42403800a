/**
 * Finds what must not be in a daemon's log: a defect that it caught, or a line that is not JSON
 * (the last output of a process killed by an exception). Reading continues where it stopped last
 * time.
 */
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { LabProcess } from "../lab/api.ts";
import { isWire, textIn } from "./wire.ts";

/** Messages of src/defects.ts, rpc/dispatcher.ts, main.ts and process-errors.ts. */
const DEFECT = /^unexpected error|failed unexpectedly|^stop failed|^crashed/;
const SHOWN = 600;

export class DaemonLogs {
  readonly #readTo = new Map<string, number>();

  /** New lines that report a defect. */
  defects(processes: readonly Pick<LabProcess, "logPath">[]): readonly string[] {
    return processes.flatMap(({ logPath }) => this.#newLines(logPath).filter(isDefect).map(clip));
  }

  #newLines(logPath: string): readonly string[] {
    const from = this.#readTo.get(logPath) ?? 0;
    const text = readFrom(logPath, from);
    // An unfinished line is read next time.
    const end = text.lastIndexOf("\n") + 1;
    this.#readTo.set(logPath, from + Buffer.byteLength(text.slice(0, end)));
    return text
      .slice(0, end)
      .split("\n")
      .filter((line) => line !== "");
  }
}

function isDefect(line: string): boolean {
  try {
    const parsed: unknown = JSON.parse(line);
    return !isWire(parsed) || (parsed["level"] === "error" && DEFECT.test(textIn(parsed, "msg")));
  } catch {
    // The daemon's own report that it cannot start; a failed start is detected elsewhere.
    return !line.startsWith("vdsm-migrationd: ");
  }
}

function clip(line: string): string {
  return line.slice(0, SHOWN);
}

function readFrom(file: string, from: number): string {
  const fd = openSync(file, "r");
  try {
    const rest = Buffer.alloc(Math.max(0, fstatSync(fd).size - from));
    const read = readSync(fd, rest, 0, rest.length, from);
    return rest.toString("utf8", 0, read);
  } finally {
    closeSync(fd);
  }
}
