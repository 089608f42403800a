/**
 * The command line: parsing, help text and exit statuses. Nothing is executed here; main.ts does that.
 */
import { parseArgs } from "node:util";
import { messageOf } from "./errors.ts";

export const exitStatus = {
  /** Stopped cleanly, or the requested action is done. */
  ok: 0,
  /** Could not start. */
  failed: 1,
  usage: 2,
  /** sysexits.h EX_CONFIG: the systemd unit does not restart the daemon. */
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
  --check-config <file>  list every mistake in it on standard error, one per line, and exit;
                         also checks the certificates it refers to
  --help                 print this help
  --version              print the version

Signals: SIGHUP reloads the configuration and certificates (invalid ones are ignored and the old
ones kept); SIGTERM and SIGINT stop within a second, migrations continue in libvirt.

Exit status:
  0   stopped cleanly, or the configuration is valid
  1   could not start: libvirt unreachable, address in use, or journal locked by another daemon
  2   usage error
  78  invalid configuration or unusable certificates

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
      return wrongUsage("--config and --check-config are mutually exclusive");
    }
    if (config === "" || checked === "") return wrongUsage("the file name is empty");
    if (checked !== undefined) return { kind: "checkConfig", configPath: checked };
    if (config !== undefined) return { kind: "run", configPath: config };
    return wrongUsage("--config is missing");
  } catch (error) {
    const message = messageOf(error);
    // Node appends advice on syntax.
    return wrongUsage(message.split(/[.\n]\s/)[0] ?? message);
  }
}

function wrongUsage(what: string): Command {
  return { kind: "wrongUsage", message: `${what}; ${USAGE}` };
}
