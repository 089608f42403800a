/**
 * What goes wrong before the daemon serves is one line on standard error, also while its own parts are
 * being loaded (a native package that is not compiled, a libvirt that is not installed): so main.ts
 * imports this first. Later a defect ends the process as Node does it, with its stack.
 */
import { oneLine } from "./one-line.ts";

const COULD_NOT_START = 1;

/** The last line on standard error says why. */
export function fail(status: number, message: string): never {
  process.stderr.write(`vdsm-migrationd: ${oneLine(message)}\n`);
  process.exit(status);
}

function onError(error: unknown): void {
  fail(COULD_NOT_START, error instanceof Error ? error.message : String(error));
}

process.on("uncaughtException", onError);

export function startIsOver(): void {
  process.off("uncaughtException", onError);
}
