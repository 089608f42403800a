/**
 * What --check-config reports and what a start verifies first: the configuration file, and the things
 * on this host that it refers to. Changes nothing.
 */
import { systemClock } from "./clock.ts";
import { ConfigError, examineConfig, type Config } from "./config/config.ts";
import { readScenario } from "./hypervisor/simulated/scenario-file.ts";
import { oneLine } from "./one-line.ts";
import { groupIdOf } from "./rpc/unix-socket.ts";
import { readTls } from "./tls/facts.ts";
import { judge } from "./tls/judge.ts";
import { tlsUseOf } from "./tls/watch.ts";
import { messageOf } from "./errors.ts";

/** One line each, starting with the key. */
export interface Checked {
  /** Any of these prevents the daemon from starting. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

/** Every mistake in the file. **Fails**: never. */
export function checkConfigFile(path: string): Checked {
  try {
    const { config, problems, wrong } = examineConfig(path);
    const onHost = checkOnHost(config, wrong);
    return {
      problems: [...problems, ...onHost.problems].map(oneLine),
      warnings: onHost.warnings.map(oneLine),
    };
  } catch (error) {
    if (error instanceof ConfigError) return { problems: error.problems, warnings: [] };
    throw error;
  }
}

/** What the file refers to and this host lacks. `wrong`: keys to skip. **Fails**: never. */
export function checkOnHost(config: Config, wrong: ReadonlySet<string> = new Set()): Checked {
  const looked = [
    { keys: ["addresses.unix_socket_group"], look: groupOnHost },
    { keys: TLS_KEYS, look: tlsOnHost },
    { keys: ["hypervisor.kind", "hypervisor.scenario", "hypervisor.host"], look: scenarioOnHost },
  ]
    .filter(({ keys }) => !keys.some((key) => wrong.has(key)))
    .map(({ look }) => look(config));
  return {
    problems: looked.flatMap(({ problems }) => problems),
    warnings: looked.flatMap(({ warnings }) => warnings),
  };
}

function groupOnHost({ addresses }: Config): Checked {
  try {
    if (addresses.unix_socket_group !== "") groupIdOf(addresses.unix_socket_group);
    return { problems: [], warnings: [] };
  } catch (error) {
    const problem = messageOf(error);
    return { problems: [problem], warnings: [] };
  }
}

function scenarioOnHost({ hypervisor }: Config): Checked {
  const { scenario, host } = hypervisor;
  if (scenario === "") return { problems: [], warnings: [] };
  try {
    const names = readScenario(scenario).hosts.map(({ name }) => name);
    if (names.includes(host)) return { problems: [], warnings: [] };
    const problem = `hypervisor.host: "${host}" is none of the scenario's hosts (${names.join(", ")})`;
    return { problems: [problem], warnings: [] };
  } catch (error) {
    return { problems: [`hypervisor.scenario: ${messageOf(error)}`], warnings: [] };
  }
}

const TLS_KEYS = [
  "addresses.management_ip",
  "peer.mode",
  ...["enabled", "ca", "cert", "key"].map((name) => `ssl.${name}`),
];

/** Without a TCP listener the files are only used for calls to other hosts: the daemon starts without them. */
function tlsOnHost(config: Config): Checked {
  const use = tlsUseOf(config);
  if (use === "none") return { problems: [], warnings: [] };
  const findings = judge(readTls(config.ssl).facts, systemClock.wallMs());
  const ofSeverity = (wanted: string): readonly string[] =>
    findings.filter(({ severity }) => severity === wanted).map(({ message }) => message);
  const [errors, warnings] = [ofSeverity("error"), ofSeverity("warning")];
  return use === "listen"
    ? { problems: errors, warnings }
    : { problems: [], warnings: [...errors, ...warnings] };
}
