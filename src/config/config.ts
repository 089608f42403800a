/**
 * Checks the configuration against keys.ts. A file with any mistake is rejected as a whole, with
 * one line per mistake that names the key, the value and what is allowed. This is the only file
 * that knows convict. It does not know what the values are for; main.ts hands them to whoever needs
 * them.
 */

import convict from "convict";
import { readJsonFile } from "./file.ts";
import { type Key, schema, show } from "./keys.ts";
import { oneLine } from "../one-line.ts";
import { messageOf } from "../errors.ts";
import { isRecord } from "../core/json.ts";

export { logLevels } from "./keys.ts";

/** The message is one line: the first mistake, and how many more there are. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Every mistake, one line each; at least one. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const lines = problems.map(oneLine);
    const more = lines.length - 1;
    super(
      `${lines[0] ?? ""}${more > 0 ? ` (and ${more} more: --check-config lists them all)` : ""}`,
    );
    this.problems = lines;
  }
}

/** The file's values, with defaults for missing ones. An empty `addresses.management_ip` means no TCP. */
export type Config = {
  readonly [S in keyof typeof schema]: {
    readonly [K in keyof (typeof schema)[S]]: (typeof schema)[S][K] extends Key<infer T>
      ? T
      : never;
  };
};

/** Reads, checks and freezes the file. **Fails**: ConfigError. */
export function loadConfig(path: string): Config {
  return orThrow(examineConfig(path));
}

/** The same for JSON that is already parsed. */
export function parseConfig(json: unknown): Config {
  return orThrow(examine(json));
}

export interface Examined {
  /** With defaults in place of invalid values. */
  readonly config: Config;
  readonly problems: readonly string[];
  /** Keys whose value in the file is invalid, so that `config` has the default. */
  readonly wrong: ReadonlySet<string>;
}

/** Reads a file despite its mistakes. **Fails**: ConfigError if it cannot be read or is not JSON. */
export function examineConfig(path: string): Examined {
  const read = readJsonFile(path);
  if (read.kind === "unreadable") throw new ConfigError([`${path}: ${read.why}`]);
  return examine(read.value);
}

function orThrow({ config, problems }: Examined): Config {
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

function examine(json: unknown): Examined {
  const { accepted, wrong, problems } = checkValues(json);
  const parser = convict<Config>(schema, { args: [], env: {} });
  parser.load(accepted).validate({ allowed: "strict" });
  const read = parser.getProperties();
  const ip: string | null = read.addresses.management_ip;
  const config = { ...read, addresses: { ...read.addresses, management_ip: ip ?? "" } };
  // A relation to a value that is itself invalid says nothing.
  const broken = brokenRelations(config).filter(
    ({ keys: of }) => !of.some((key) => wrong.has(key)),
  );
  const all = [...problems, ...broken.map(({ problem }) => problem)];
  return { config: deepFreeze(config), problems: all, wrong };
}

type AnyKey = Key<string | number | boolean | readonly string[]>;

export type ConfigRow = Omit<AnyKey, "format"> & { readonly key: string };

/** One row per key, in schema order, for the reference. */
export function configRows(): readonly ConfigRow[] {
  return [...keys()].map(([name, spec]) => ({ key: name, ...spec }));
}

export interface ConfigDiff {
  /** Keys that differ and take effect at once. */
  readonly changed: readonly string[];
  /** Keys that differ and keep their old value until a restart. */
  readonly needsRestart: readonly string[];
}

export function diffConfig(old: Config, next: Config): ConfigDiff {
  const differing = [...keys()].filter(
    ([name]) => !isSame(valueAt(old, name), valueAt(next, name)),
  );
  const names = (reloadable: boolean): readonly string[] =>
    differing.filter(([, spec]) => spec.reloadable === reloadable).map(([name]) => name);
  return { changed: names(true), needsRestart: names(false) };
}

/** Values are JSON: numbers, strings, lists. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The configuration after SIGHUP: new values where a reload may change them, old ones elsewhere. */
export function applyReload(old: Config, next: Config): Config {
  const { uri } = old.libvirt;
  return deepFreeze({
    ...next,
    addresses: old.addresses,
    ssl: old.ssl,
    journal: old.journal,
    hypervisor: old.hypervisor,
    libvirt: { ...next.libvirt, uri },
  });
}

function* keys(): Generator<readonly [string, AnyKey]> {
  for (const [section, specs] of Object.entries(schema)) {
    for (const [name, spec] of Object.entries<AnyKey>(specs)) yield [`${section}.${name}`, spec];
  }
}

interface CheckedValues {
  /** The values that are valid by themselves, by section and name. */
  readonly accepted: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Known keys with an invalid value. */
  readonly wrong: ReadonlySet<string>;
  readonly problems: readonly string[];
}

function checkValues(json: unknown): CheckedValues {
  const problems = [...unknownNames(json)];
  const accepted: Record<string, Record<string, unknown>> = {};
  const wrong = new Set<string>();
  for (const [name, spec] of keys()) {
    const value = valueAt(json, name);
    if (value === undefined) continue;
    const problem = problemOf(name, value, spec.format);
    if (problem === undefined) {
      const [section = "", own = ""] = name.split(".");
      accepted[section] = { ...accepted[section], [own]: value };
    } else {
      wrong.add(name);
      problems.push(problem);
    }
  }
  return { accepted, wrong, problems };
}

function* unknownNames(json: unknown): Generator<string> {
  if (!isRecord(json)) {
    yield `the configuration: ${show(json)} is invalid; expected an object`;
    return;
  }
  const known = [...keys()].map(([name]) => name);
  for (const [section, values] of Object.entries(json)) {
    if (!Object.hasOwn(schema, section)) {
      const allowed = Object.keys(schema).join(", ");
      yield `${section}: ${show(values)} is not in a known section; expected one of ${allowed}`;
    } else if (!isRecord(values)) {
      yield `${section}: ${show(values)} is invalid; expected an object`;
    } else {
      for (const [name, value] of Object.entries(values)) {
        if (known.includes(`${section}.${name}`)) continue;
        const allowed = known.filter((each) => each.startsWith(`${section}.`)).join(", ");
        yield `${section}.${name}: ${show(value)} does not have a known key; expected one of ${allowed}`;
      }
    }
  }
}

function problemOf(
  name: string,
  value: unknown,
  format: (value: unknown) => void,
): string | undefined {
  try {
    format(value);
    return undefined;
  } catch (error) {
    return `${name}: ${messageOf(error)}`;
  }
}

interface BrokenRelation {
  readonly keys: readonly string[];
  readonly problem: string;
}

/**
 * min_migration_bandwidth may exceed migration_max_bandwidth: a migration's floor is the lower of the
 * two.
 */
/** Each holds one of libvirtd's 20 workers (max_workers), and the other calls need some, too. */
const LIBVIRT_OUTGOING_MAX = 15;

function brokenRelations(config: Config): readonly BrokenRelation[] {
  const { addresses: at, ssl: tls, access } = config;
  const broken: BrokenRelation[] = [];
  if (at.management_ip !== "" && !tls.enabled && !tls.allow_plaintext) {
    broken.push({
      keys: ["addresses.management_ip", "ssl.enabled", "ssl.allow_plaintext"],
      problem:
        `ssl.enabled: false is invalid while addresses.management_ip is "${at.management_ip}"; ` +
        "enable it, set ssl.allow_plaintext, or leave management_ip empty",
    });
  }
  if (at.unix_socket_ro === at.unix_socket) {
    broken.push({
      keys: ["addresses.unix_socket_ro", "addresses.unix_socket"],
      problem: `addresses.unix_socket_ro: ${show(at.unix_socket_ro)} is invalid; expected another path than addresses.unix_socket`,
    });
  }
  const named = new Map<string, string>();
  for (const role of ["control", "peer", "read_only"] as const) {
    for (const subject of access[role]) {
      const before = named.get(subject);
      if (before !== undefined && before !== role) {
        broken.push({
          keys: [`access.${role}`, `access.${before}`],
          problem: `access.${role}: ${show(subject)} is already in access.${before}`,
        });
      }
      named.set(subject, role);
    }
  }
  const { max_outgoing_migrations: outgoing } = config.vars;
  if (config.hypervisor.kind === "libvirt" && outgoing > LIBVIRT_OUTGOING_MAX) {
    broken.push({
      keys: ["vars.max_outgoing_migrations", "hypervisor.kind"],
      problem: `vars.max_outgoing_migrations: ${outgoing} is invalid; expected integer, 1 to ${LIBVIRT_OUTGOING_MAX} with libvirt`,
    });
  }
  broken.push(...brokenSimulation(config));
  return broken;
}

function valueAt(root: unknown, name: string): unknown {
  let value = root;
  for (const part of name.split(".")) {
    if (typeof value !== "object" || value === null) return undefined;
    value = new Map<string, unknown>(Object.entries(value)).get(part);
  }
  return value;
}

function deepFreeze(config: Config): Config {
  for (const section of Object.values(config)) {
    for (const value of Object.values<unknown>(section)) Object.freeze(value);
    Object.freeze(section);
  }
  return Object.freeze(config);
}

/** A simulated host needs its name and one world; with libvirt neither may be left over. */
function brokenSimulation({ hypervisor }: Config): readonly BrokenRelation[] {
  const { kind, host, scenario, world_socket: socket } = hypervisor;
  const named = { host, scenario, world_socket: socket };
  if (kind === "libvirt") {
    return Object.entries(named)
      .filter(([, value]) => value !== "")
      .map(([name, value]) => ({
        keys: ["hypervisor.kind", `hypervisor.${name}`],
        problem: `hypervisor.${name}: ${show(value)} is invalid while hypervisor.kind is "libvirt"; leave it empty`,
      }));
  }
  const broken: BrokenRelation[] = [];
  if (host === "") {
    broken.push({
      keys: ["hypervisor.kind", "hypervisor.host"],
      problem: `hypervisor.host: "" is invalid while hypervisor.kind is "simulated"; name a host of the world`,
    });
  }
  if ((scenario === "") === (socket === "")) {
    broken.push({
      keys: ["hypervisor.kind", "hypervisor.scenario", "hypervisor.world_socket"],
      problem: `hypervisor.scenario: ${show(scenario)} is invalid while hypervisor.world_socket is ${show(socket)}; a simulated host has exactly one of them`,
    });
  }
  return broken;
}
