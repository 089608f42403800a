/**
 * The configuration's contract: defaults, each key's range at and beyond its bounds, combinations,
 * files, and what can change without a restart.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  applyReload,
  ConfigError,
  type ConfigRow,
  configRows,
  diffConfig,
  loadConfig,
  parseConfig,
} from "../../src/config/config.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "config-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

function file(text: string): string {
  const path = join(dir, "vdsm.json");
  writeFileSync(path, text);
  return path;
}

function nested(key: string, value: unknown): unknown {
  const [section = "", name = ""] = key.split(".");
  return { [section]: { [name]: value } };
}

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return "accepted";
}

describe("conf/vdsm.json", () => {
  const path = new URL("../../conf/vdsm.json", import.meta.url);

  it("holds every key with its default, and nothing else", () => {
    const expected: Record<string, Record<string, unknown>> = {};
    for (const { key, default: value } of configRows()) {
      const [section = "", name = ""] = key.split(".");
      expected[section] = { ...expected[section], [name]: value };
    }
    expect(JSON.parse(readFileSync(path, "utf8"))).toEqual(expected);
  });

  it("is equivalent to an empty configuration", () => {
    expect(loadConfig(path.pathname)).toEqual(parseConfig({}));
  });
});

describe("configRows", () => {
  it.each(configRows())("$key has a doc, a range and a valid default", (row: ConfigRow) => {
    expect(row.doc).toMatch(/\S.*\.$/);
    expect(row.range).not.toBe("");
    expect(messageOf(() => parseConfig(nested(row.key, row.default)))).toBe("accepted");
  });
});

describe("a value at the bound of its range is accepted", () => {
  it.each([
    ["vars.migration_max_bandwidth", 1],
    ["vars.migration_max_bandwidth", 1_048_576],
    ["vars.min_migration_bandwidth", 1],
    ["vars.migration_progress_timeout", 1],
    ["vars.migration_monitor_interval", 0.1],
    ["vars.migration_monitor_interval", 0.25],
    ["vars.migration_downtime", 1],
    ["vars.migration_downtime", 2_000_000],
    ["vars.migration_downtime_steps", 2],
    ["vars.migration_downtime_delay", 0],
    ["vars.max_outgoing_migrations", 1],
    ["vars.max_outgoing_migrations", 15],
    ["vars.max_incoming_migrations", 1],
    ["vars.migration_postcopy_bandwidth", 0],
    ["vars.peer_timeout", 0.5],
    ["vars.hibernation_dir", "/srv/images"],
    ["addresses.management_ip", ""],
    ["addresses.management_port", 1],
    ["addresses.management_port", 65_535],
    ["addresses.unix_socket", `/${"s".repeat(106)}`],
    ["addresses.unix_socket_group", "vdsm-admins"],
    ["addresses.unix_socket_group", "36"],
    ["addresses.unix_socket_ro", ""],
    ["addresses.unix_socket_ro", "/run/x/ro.sock"],
    ["ssl.verify_peer_name", true],
    ["access.control", ["CN=engine", "CN=engine,O=Example\\, Inc.,C=US"]],
    ["access.control", ["CN=a+O=b", "CN=\\C3\\BC", "CN=\\ x\\ ", "CN=\\#x", "CN=a#b c", "CN="]],
    ["access.peer", ["emailAddress=a@b.example,CN=host-a", "1.2.3.4=x"]],
    ["access.read_only", []],
    ["access.default_role", "none"],
    ["libvirt.uri", "qemu:///session"],
    ["libvirt.destination_uri", "qemu+tcp://{host}/system"],
    ["libvirt.call_timeout", 0.1],
    ["peer.mode", "none"],
    ["log.level", "debug"],
  ])("%s %j", (key, value) => {
    const [section = "", name = ""] = key.split(".");
    expect(parseConfig(nested(key, value))).toMatchObject({ [section]: { [name]: value } });
  });
});

describe("a value beyond it stops the start with one line naming key, value and range", () => {
  it.each([
    ["vars.migration_max_bandwidth", 0, "integer, 1 to 1048576"],
    ["vars.migration_max_bandwidth", 1_048_577, "integer, 1 to 1048576"],
    ["vars.migration_max_bandwidth", 1.5, "integer"],
    ["vars.migration_max_bandwidth", "52", "integer"],
    ["vars.min_migration_bandwidth", 0, "integer, 1 to"],
    ["vars.migration_progress_timeout", 0, "integer, 1 to"],
    ["vars.migration_monitor_interval", 0.09, "number, 0.1 to 60"],
    ["vars.migration_monitor_interval", 61, "number, 0.1 to 60"],
    ["vars.migration_downtime", 0, "integer, 1 to 2000000"],
    ["vars.migration_downtime", 2_000_001, "integer, 1 to 2000000"],
    ["vars.migration_downtime_steps", 1, "integer, 2 to 100"],
    ["vars.migration_downtime_delay", -1, "integer, 0 to"],
    ["vars.max_outgoing_migrations", 0, "integer, 1 to 1000"],
    ["vars.max_outgoing_migrations", 16, "integer, 1 to 15 with libvirt"],
    ["vars.max_incoming_migrations", 0, "integer, 1 to"],
    ["vars.migration_allow_postcopy", "true", "true or false"],
    ["vars.migration_allow_postcopy", 1, "true or false"],
    ["vars.migration_postcopy_bandwidth", -1, "integer, 0 to"],
    ["vars.peer_timeout", 0, "number, 0.1 to"],
    ["vars.hibernation_dir", "images", "absolute path"],
    ["vars.hibernation_dir", "/srv/../etc", "absolute path"],
    ["vars.hibernation_dir", "/", "absolute path"],
    ["addresses.management_ip", "localhost", "IPv4 or IPv6 address"],
    ["addresses.management_port", 0, "integer, 1 to 65535"],
    ["addresses.management_port", 65_536, "integer, 1 to 65535"],
    ["addresses.unix_socket", "rpc.sock", "absolute path"],
    ["addresses.unix_socket", `/${"s".repeat(107)}`, "at most 107 bytes"],
    ["addresses.unix_socket_group", "a b", "name in /etc/group"],
    ["addresses.unix_socket_group", 36, "name in /etc/group"],
    ["addresses.unix_socket_ro", "ro.sock", "absolute path"],
    ["access.control", "CN=engine", "list of subjects"],
    ["access.control", [1], "list of subjects"],
    ["access.control", [""], "list of subjects"],
    ["access.control", ["engine"], "-nameopt RFC2253"],
    ["access.control", ["*"], "-nameopt RFC2253"],
    ["access.control", ["/C=US/CN=engine"], "-nameopt RFC2253"],
    ["access.control", ["CN = engine"], "-nameopt RFC2253"],
    ["access.control", ["CN=engine, O=Example"], "-nameopt RFC2253"],
    ["access.control", ["CN=engine,"], "-nameopt RFC2253"],
    ["access.control", ["CN=engine "], "-nameopt RFC2253"],
    ["access.control", ["CN=#engine"], "-nameopt RFC2253"],
    ["access.control", ["CN=ü"], "-nameopt RFC2253"],
    ["access.control", ["CN=a\\c3\\bc"], "-nameopt RFC2253"],
    ["access.control", ["CN=a\nCN=engine"], "-nameopt RFC2253"],
    ["access.control", ['CN="engine"'], "-nameopt RFC2253"],
    ["access.default_role", "admin", "control | peer | read-only | none"],
    ["ssl.ca", "ca.pem", "absolute path"],
    ["libvirt.uri", "localhost", "libvirt URI"],
    ["libvirt.destination_uri", "qemu+tls://host/system", "{host}"],
    ["libvirt.call_timeout", null, "number"],
    ["peer.mode", "both", "daemon | none"],
    ["log.level", "loud", "debug | info | warn | error"],
  ])("%s %j: %s", (key, value, range) => {
    const message = messageOf(() => parseConfig(nested(key, value)));
    expect(message.startsWith(`${key}: ${JSON.stringify(value).slice(0, 100)}`)).toBe(true);
    expect(message).toContain(range);
    expect(message).not.toContain("\n");
  });

  it.each([
    ["an unknown key", { vars: { migration_max_bandwith: 5 } }, "vars.migration_max_bandwith: 5"],
    [
      "an unknown section",
      { var: {} },
      "var: {} is not in a known section; expected one of vars, addresses",
    ],
    ["a section that is not an object", { vars: 5 }, "vars: 5 is invalid; expected an object"],
    ["a key with a dot", { "vars.peer_timeout": 1 }, "vars.peer_timeout: 1"],
    ["a key named __proto__", JSON.parse('{"vars":{"__proto__":{"x":1}}}'), "vars.__proto__"],
    ["an array", [], "the configuration: [] is invalid; expected an object"],
    ["null", null, "the configuration: null"],
  ])("%s", (_what, json, start) => {
    expect(messageOf(() => parseConfig(json)).startsWith(start)).toBe(true);
  });
});

describe("combinations", () => {
  const plain = { addresses: { management_ip: "::1" }, ssl: { enabled: false } };

  it("rejects a TCP listener without TLS", () => {
    const message = messageOf(() => parseConfig(plain));
    expect(message).toMatch(/^ssl\.enabled: false is invalid while addresses\.management_ip/);
    expect(message).toContain("ssl.allow_plaintext");
  });

  it("accepts it with ssl.allow_plaintext", () => {
    const config = parseConfig({ ...plain, ssl: { enabled: false, allow_plaintext: true } });
    expect(config.addresses.management_ip).toBe("::1");
  });

  it("accepts TLS switched off without a TCP listener", () => {
    expect(parseConfig({ ssl: { enabled: false } }).ssl.enabled).toBe(false);
  });

  it("reads null as no TCP listener", () => {
    expect(parseConfig({ addresses: { management_ip: null } }).addresses.management_ip).toBe("");
  });

  it("rejects a subject with two roles", () => {
    const access = { control: ["CN=a"], read_only: ["CN=b", "CN=a"] };
    expect(messageOf(() => parseConfig({ access }))).toBe(
      'access.read_only: "CN=a" is already in access.control',
    );
  });

  it("accepts it twice in one list", () => {
    expect(messageOf(() => parseConfig({ access: { peer: ["CN=a", "CN=a"] } }))).toBe("accepted");
  });

  it("rejects the same path for both sockets", () => {
    const addresses = { unix_socket: "/run/x.sock", unix_socket_ro: "/run/x.sock" };
    expect(messageOf(() => parseConfig({ addresses }))).toMatch(
      /^addresses\.unix_socket_ro: "\/run\/x\.sock" is invalid; expected another path/,
    );
  });

  it.each([
    [{ kind: "simulated", scenario: "/s" }, /^hypervisor\.host: "" is invalid/],
    [{ kind: "simulated", host: "a" }, /^hypervisor\.scenario: "" is invalid while/],
    [
      { kind: "simulated", host: "a", scenario: "/s", world_socket: "/w" },
      /^hypervisor\.scenario: "\/s" is invalid while hypervisor\.world_socket is "\/w"/,
    ],
    [{ host: "a" }, /^hypervisor\.host: "a" is invalid while hypervisor\.kind is "libvirt"/],
    [{ world_socket: "/w" }, /^hypervisor\.world_socket: "\/w" is invalid/],
    [{ kind: "qemu" }, /^hypervisor\.kind: "qemu" is invalid; expected libvirt \| simulated/],
  ])("rejects the hypervisor %j", (hypervisor, message) => {
    expect(messageOf(() => parseConfig({ hypervisor }))).toMatch(message);
  });

  it("a scenario is a file, whose path may be longer than a socket's", () => {
    const long = `/${"s".repeat(108)}`;
    const simulated = { kind: "simulated", host: "a" };
    const scenario = { hypervisor: { ...simulated, scenario: long } };
    expect(messageOf(() => parseConfig(scenario))).toBe("accepted");
    const socket = { hypervisor: { ...simulated, world_socket: long } };
    expect(messageOf(() => parseConfig(socket))).toMatch(/^hypervisor\.world_socket: .* 107 bytes/);
  });

  it("accepts a floor above the maximum: the lower of the two applies", () => {
    const vars = { migration_max_bandwidth: 5, min_migration_bandwidth: 10 };
    expect(parseConfig({ vars }).vars).toMatchObject(vars);
  });
});

describe("loadConfig", () => {
  it("names a missing file, in one line", () => {
    expect(messageOf(() => loadConfig(join(dir, "none.json")))).toMatch(
      /^\/\S+none\.json: no such file/,
    );
  });

  it("names a file that is not JSON, in one line", () => {
    const message = messageOf(() => loadConfig(file('{\n"vars": \n}')));
    expect(message).toContain("not valid JSON");
    expect(message).not.toContain("\n");
  });

  it("returns a frozen object", () => {
    const config = parseConfig({});
    expect(Object.isFrozen(config)).toBe(true);
    expect(Object.isFrozen(config.vars)).toBe(true);
    expect(Object.isFrozen(config.access.control)).toBe(true);
  });
});

describe("a changed file", () => {
  const other: Record<string, unknown> = {
    "addresses.management_ip": "127.0.0.1",
    "libvirt.uri": "qemu:///session",
    "libvirt.destination_uri": "qemu+ssh://{host}/system",
    "peer.mode": "none",
    "log.level": "debug",
    "addresses.unix_socket_group": "kvm",
    "access.default_role": "peer",
  };
  const changed = (row: ConfigRow): unknown => {
    if (typeof row.default === "number") return row.default + 1;
    if (typeof row.default === "boolean") return !row.default;
    if (typeof row.default !== "string") return ["CN=new"];
    return other[row.key] ?? `${row.default}.new`;
  };

  /** Those of a simulated host make sense only together. */
  const apart = configRows().filter(({ key }) => !key.startsWith("hypervisor."));

  it("the hypervisor is listed, and stays what it is", () => {
    const old = parseConfig({});
    const hypervisor = { kind: "simulated", host: "host-a", scenario: "/etc/scenario.json" };
    const next = parseConfig({ hypervisor });
    expect(diffConfig(old, next)).toEqual({
      changed: [],
      needsRestart: ["hypervisor.kind", "hypervisor.host", "hypervisor.scenario"],
    });
    expect(applyReload(old, next)).toEqual(old);
  });

  it.each(apart)("$key: listed, and applied only if reloadable", (row: ConfigRow) => {
    const old = parseConfig({});
    const next = parseConfig(nested(row.key, changed(row)));
    expect(diffConfig(old, next)).toEqual({
      changed: row.reloadable ? [row.key] : [],
      needsRestart: row.reloadable ? [] : [row.key],
    });
    expect(applyReload(old, next)).toEqual(row.reloadable ? next : old);
  });

  it("an equal list is not a change, a reordered one is", () => {
    const listed = (...peer: string[]) => parseConfig({ access: { peer } });
    const none = { changed: [], needsRestart: [] };
    expect(diffConfig(listed("CN=a", "CN=b"), listed("CN=a", "CN=b"))).toEqual(none);
    expect(diffConfig(listed("CN=a", "CN=b"), listed("CN=b", "CN=a"))).toEqual({
      ...none,
      changed: ["access.peer"],
    });
  });

  it("with equal contents changes nothing", () => {
    expect(diffConfig(parseConfig({}), parseConfig({}))).toEqual({ changed: [], needsRestart: [] });
  });

  it("keys read in each cycle can change at once, listeners cannot", () => {
    const names = (reloadable: boolean) =>
      configRows()
        .filter((row) => row.reloadable === reloadable)
        .map((row) => row.key);
    expect(names(true)).toEqual(expect.arrayContaining(["vars.peer_timeout", "log.level"]));
    expect(names(false)).toEqual(expect.arrayContaining(["addresses.unix_socket", "libvirt.uri"]));
  });
});
