/**
 * The command line: what is asked for, the help, and the exit statuses. Nothing is done here; main.ts
 * does it. The README repeats the options and statuses; a test holds the two together.
 */
import { parseArgs } from "node:util";

export const exitStatus = {
  /** Stopped, or what was asked for is done. */
  ok: 0,
  /** Could not start. */
  failed: 1,
  usage: 2,
  /** sysexits.h EX_CONFIG: the unit does not start it again. */
  configuration: 78,
} as const;

export type Command =
  | { readonly kind: "run"; readonly configPath: string }
  | { readonly kind: "checkConfig"; readonly configPath: string }
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "wrongUsage"; readonly message: string };

const USAGE = "usage: vdsm-migrationd --config <file> | --check-config <file> | --help | --version";

export const HELP = `${USAGE}

Live-migration monitor for libvirt hosts.

  --config <file>        run with this configuration
  --check-config <file>  say every mistake in it, a line each on standard error, and end;
                         the certificates that it names are looked at, too
  --help                 say this
  --version              say the version

Signals: SIGHUP reads configuration and certificates again (bad ones keep the old), SIGTERM and
SIGINT stop within a second; migrations go on in libvirt.

Exit status:
  0   stopped; the configuration is right
  1   could not start: libvirt cannot be reached, an address is taken, the journal is in use
  2   wrong usage
  78  wrong configuration, or certificates that cannot work

The last line on standard error says why. The log is JSON lines on standard output.
`;

const OPTIONS = {
  config: { type: "string" },
  "check-config": { type: "string" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "V" },
} as const;

/** **Fails**: never. */
export function parseCommandLine(args: readonly string[]): Command {
  try {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    if (values.help === true) return { kind: "help" };
    if (values.version === true) return { kind: "version" };
    const { config, "check-config": checked } = values;
    if (config !== undefined && checked !== undefined) {
      return wrongUsage("--config and --check-config exclude each other");
    }
    if (config === "" || checked === "") return wrongUsage("the file has no name");
    if (checked !== undefined) return { kind: "checkConfig", configPath: checked };
    if (config !== undefined) return { kind: "run", configPath: config };
    return wrongUsage("no --config");
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    // Node goes on with advice on how to write it.
    return wrongUsage(message.split(/[.\n]\s/)[0] ?? message);
  }
}

function wrongUsage(what: string): Command {
  return { kind: "wrongUsage", message: `${what}; ${USAGE}` };
}
