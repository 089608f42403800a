/**
 * Checks the configuration by the keys of keys.ts. A file that is wrong in any way is refused
 * with a line for each mistake that names key, value and what is allowed; there is no half-read
 * configuration. This is the only file that knows convict, and nothing here knows what the values
 * are used for: whoever needs one is given it by main.ts.
 */

import convict from "convict";
import { readJsonFile } from "./file.ts";
import { type Key, schema, show } from "./keys.ts";
import { oneLine } from "../one-line.ts";

export { logLevels, ranges } from "./keys.ts";

/** Its message is one line: the first mistake, and how many more there are. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  /** Every mistake, a line each; at least one. */
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    const lines = problems.map(oneLine);
    const more = lines.length - 1;
    super(`${lines[0] ?? ""}${more > 0 ? ` (and ${more} more: --check-config lists all)` : ""}`);
    this.problems = lines;
  }
}

/** The values that the file holds, or their defaults. `addresses.management_ip` "" = no TCP. */
export type Config = {
  readonly [S in keyof typeof schema]: {
    readonly [K in keyof (typeof schema)[S]]: (typeof schema)[S][K] extends Key<infer T>
      ? T
      : never;
  };
};

/** Reads, checks and freezes the file. **Fails**: ConfigError. */
export function loadConfig(path: string): Config {
  return faultless(examineConfig(path));
}

/** The same without a file. */
export function parseConfig(json: unknown): Config {
  return faultless(examined(json));
}

export interface Examined {
  /** With defaults in place of what is wrong. */
  readonly config: Config;
  readonly problems: readonly string[];
  /** The keys whose value in `config` is not the file's. */
  readonly wrong: ReadonlySet<string>;
}

/** What a file says, whatever is wrong with it. **Fails**: ConfigError, where it cannot be read at all. */
export function examineConfig(path: string): Examined {
  const read = readJsonFile(path);
  if (read.kind === "unreadable") throw new ConfigError([`${path}: ${read.why}`]);
  return examined(read.value);
}

function faultless({ config, problems }: Examined): Config {
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

function examined(json: unknown): Examined {
  const { accepted, wrong, problems } = sorted(json);
  const parser = convict<Config>(schema, { args: [], env: {} });
  parser.load(accepted).validate({ allowed: "strict" });
  const read = parser.getProperties();
  const ip: string | null = read.addresses.management_ip;
  const config = { ...read, addresses: { ...read.addresses, management_ip: ip ?? "" } };
  // A relation to a value that is wrong by itself says nothing.
  const broken = brokenRelations(config).filter(
    ({ keys: of }) => !of.some((key) => wrong.has(key)),
  );
  const all = [...problems, ...broken.map(({ problem }) => problem)];
  return { config: deepFreeze(config), problems: all, wrong };
}

type AnyKey = Key<string | number | boolean | readonly string[]>;

export type ConfigRow = Omit<AnyKey, "format"> & { readonly key: string };

/** One row a key, in the order of the schema, for the README. */
export function configRows(): readonly ConfigRow[] {
  return [...keys()].map(([name, spec]) => ({ key: name, ...spec }));
}

export interface ConfigDiff {
  /** Keys that differ and may change at once. */
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

/** Values are what JSON holds: numbers, text, lists. */
function isSame(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** What holds after SIGHUP: the new values where they may change, the old ones elsewhere. */
export function applyReload(old: Config, next: Config): Config {
  const { uri } = old.libvirt;
  return deepFreeze({
    ...next,
    addresses: old.addresses,
    ssl: old.ssl,
    journal: old.journal,
    libvirt: { ...next.libvirt, uri },
  });
}

function* keys(): Generator<readonly [string, AnyKey]> {
  for (const [section, specs] of Object.entries(schema)) {
    for (const [name, spec] of Object.entries<AnyKey>(specs)) yield [`${section}.${name}`, spec];
  }
}

interface Sorted {
  /** What of the file is right by itself, by section and name. */
  readonly accepted: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Known keys with a value that is not allowed. */
  readonly wrong: ReadonlySet<string>;
  readonly problems: readonly string[];
}

function sorted(json: unknown): Sorted {
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
  if (!isObject(json)) {
    yield `the configuration: ${show(json)} is not allowed: an object`;
    return;
  }
  const known = [...keys()].map(([name]) => name);
  for (const [section, values] of Object.entries(json)) {
    if (!Object.hasOwn(schema, section)) {
      const allowed = Object.keys(schema).join(", ");
      yield `${section}: ${show(values)} is in no known section: ${allowed}`;
    } else if (!isObject(values)) {
      yield `${section}: ${show(values)} is not allowed: an object`;
    } else {
      for (const [name, value] of Object.entries(values)) {
        if (known.includes(`${section}.${name}`)) continue;
        const allowed = known.filter((each) => each.startsWith(`${section}.`)).join(", ");
        yield `${section}.${name}: ${show(value)} is of no known key: ${allowed}`;
      }
    }
  }
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && !Array.isArray(value);
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
    return `${name}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

interface BrokenRelation {
  readonly keys: readonly string[];
  readonly problem: string;
}

/**
 * min_migration_bandwidth above migration_max_bandwidth is not a contradiction: the floor of a
 * migration is the lower of the two.
 */
function brokenRelations(config: Config): readonly BrokenRelation[] {
  const { addresses: at, ssl: tls, access } = config;
  const broken: BrokenRelation[] = [];
  if (at.management_ip !== "" && !tls.enabled && !tls.allow_plaintext) {
    broken.push({
      keys: ["addresses.management_ip", "ssl.enabled", "ssl.allow_plaintext"],
      problem:
        `ssl.enabled: false is not allowed while addresses.management_ip is "${at.management_ip}": ` +
        "true, or ssl.allow_plaintext true, or no management_ip",
    });
  }
  if (at.unix_socket_ro === at.unix_socket) {
    broken.push({
      keys: ["addresses.unix_socket_ro", "addresses.unix_socket"],
      problem: `addresses.unix_socket_ro: ${show(at.unix_socket_ro)} is not allowed: another path than addresses.unix_socket`,
    });
  }
  const named = new Map<string, string>();
  for (const role of ["control", "peer", "read_only"] as const) {
    for (const subject of access[role]) {
      const before = named.get(subject);
      if (before !== undefined && before !== role) {
        broken.push({
          keys: [`access.${role}`, `access.${before}`],
          problem: `access.${role}: ${show(subject)} is not allowed: it is in access.${before} already`,
        });
      }
      named.set(subject, role);
    }
  }
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
