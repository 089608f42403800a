/**
 * How this process ends when something goes wrong. Until it serves: one line on standard error, even
 * while its own modules are loading (a native package that is not compiled, libvirt not installed),
 * which is why main.ts imports this file first. Once it serves: one JSON line in the log, so that a
 * crash is found where everything else is found. Either way systemd decides about a restart.
 */
import { oneLine } from "./one-line.ts";
import { messageOf } from "./errors.ts";

const COULD_NOT_START = 1;
const CRASHED = 1;

/** Ends the process; the last line on standard error says why. */
export function fail(status: number, message: string): never {
  process.stderr.write(`vdsm-migrationd: ${oneLine(message)}\n`);
  process.exit(status);
}

function onErrorBeforeServing(error: unknown): void {
  fail(COULD_NOT_START, messageOf(error));
}

process.on("uncaughtException", onErrorBeforeServing);

/** What the crash line needs of a log (logger.ts). */
export interface CrashLog {
  error(fields: Readonly<Record<string, unknown>>, message: string): void;
}

/**
 * From now on an uncaught exception or unhandled rejection is logged, as one line with its stack, and
 * ends the process. Nothing is cleaned up: migrations continue in libvirt, and the next start restores
 * them from the journal.
 */
export function logCrashes(log: CrashLog): void {
  process.off("uncaughtException", onErrorBeforeServing);
  process.on("uncaughtException", (err: unknown, origin) => {
    try {
      log.error({ err, origin }, "crashed; migrations continue in libvirt");
    } finally {
      process.exit(CRASHED);
    }
  });
}
