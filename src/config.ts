/**
 * Reads the configuration by the keys of config-keys.ts. A file that is wrong in any way is
 * refused with one line that names key, value and what is allowed; there is no half-read
 * configuration. This is the only file that knows convict, and nothing here knows what the values
 * are used for: whoever needs one is given it by main.ts.
 */

import { readFileSync } from "node:fs";
import convict from "convict";
import { type Key, schema, show } from "./config-keys.ts";

export { logLevels, ranges } from "./config-keys.ts";

const LINE_LENGTH_MAX = 1000;

/** Its message is one line. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";

  constructor(message: string) {
    super(oneLine(message));
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

/** Reads, checks and freezes the file, and looks whether TLS files can be read. **Fails**: ConfigError, one line. */
export function loadConfig(path: string): Config {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, "utf8"));
  } catch (error) {
    throw new ConfigError(`${path}: not readable as JSON: ${reasonOf(error)}`);
  }
  const config = parseConfig(json);
  if (config.addresses.management_ip !== "" && config.ssl.enabled) checkReadable(config.ssl);
  return config;
}

/** The same without a file, and without a look at the files that it names. */
export function parseConfig(json: unknown): Config {
  refuseUnknown(json);
  const parser = convict<Config>(schema, { args: [], env: {} });
  for (const [name, spec] of keys()) {
    const value = valueAt(json, name);
    if (value !== undefined) check(name, value, spec.format);
  }
  parser.load(json).validate({ allowed: "strict" });
  const read = parser.getProperties();
  const ip: string | null = read.addresses.management_ip;
  const addressesRead = { ...read.addresses, management_ip: ip ?? "" };
  return checkRelations(deepFreeze({ ...read, addresses: addressesRead }));
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

function refuseUnknown(json: unknown): void {
  const sections = entriesOf(json, "the configuration");
  const known = new Set([...keys()].map(([name]) => name));
  for (const [section, values] of sections) {
    if (!Object.hasOwn(schema, section)) {
      const allowed = Object.keys(schema).join(", ");
      throw new ConfigError(`${section}: ${show(values)} is in no known section: ${allowed}`);
    }
    for (const [name, value] of entriesOf(values, section)) {
      if (known.has(`${section}.${name}`)) continue;
      const allowed = [...known].filter((each) => each.startsWith(`${section}.`)).join(", ");
      throw new ConfigError(`${section}.${name}: ${show(value)} is of no known key: ${allowed}`);
    }
  }
}

function entriesOf(value: unknown, name: string): readonly (readonly [string, unknown])[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ConfigError(`${name}: ${show(value)} is not allowed: an object`);
  }
  return Object.entries(value);
}

function check(name: string, value: unknown, format: (value: unknown) => void): void {
  try {
    format(value);
  } catch (error) {
    throw new ConfigError(`${name}: ${reasonOf(error)}`);
  }
}

/** min_migration_bandwidth above migration_max_bandwidth is no contradiction: the floor of a
 * migration is the lower of the two (design.md). */
function checkRelations(config: Config): Config {
  const { addresses: at, ssl: tls, access } = config;
  if (at.management_ip !== "" && !tls.enabled && !tls.allow_plaintext) {
    throw new ConfigError(
      `ssl.enabled: false is not allowed while addresses.management_ip is "${at.management_ip}": ` +
        "true, or ssl.allow_plaintext true, or no management_ip",
    );
  }
  if (at.unix_socket_ro === at.unix_socket) {
    throw new ConfigError(
      `addresses.unix_socket_ro: ${show(at.unix_socket_ro)} is not allowed: another path than addresses.unix_socket`,
    );
  }
  const named = new Map<string, string>();
  for (const role of ["control", "peer", "read_only"] as const) {
    for (const subject of access[role]) {
      const before = named.get(subject);
      if (before !== undefined && before !== role) {
        throw new ConfigError(
          `access.${role}: ${show(subject)} is not allowed: it is in access.${before} already`,
        );
      }
      named.set(subject, role);
    }
  }
  return config;
}

function checkReadable(tls: Config["ssl"]): void {
  for (const name of ["ca", "cert", "key"] as const) {
    try {
      readFileSync(tls[name]);
    } catch (error) {
      const reason = `ssl.${name}: ${show(tls[name])} is not allowed: a readable file; `;
      throw new ConfigError(`${reason}${reasonOf(error)}`);
    }
  }
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

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Also without what would move a terminal's cursor: keys and values come from outside. */
function oneLine(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, " ");
  return line.length <= LINE_LENGTH_MAX ? line : `${line.slice(0, LINE_LENGTH_MAX)}…`;
}
