/** Command-line arguments, and what the process prints for them; needs no libvirt. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { HELP, parseCommandLine } from "../src/command-line.ts";
import { pki, type Pki } from "./tls/authority.ts";

const MAIN = path.resolve(import.meta.dirname, "../dist/main.js");

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(path.join(tmpdir(), "command-line-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

interface Said {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function run(...args: string[]): Said {
  const { status, stdout, stderr } = spawnSync(process.execPath, [MAIN, ...args], {
    encoding: "utf8",
    timeout: 20_000,
  });
  return { status, stdout, stderr };
}

function file(content: unknown): string {
  const name = path.join(dir, "vdsm.json");
  writeFileSync(name, typeof content === "string" ? content : JSON.stringify(content));
  return name;
}

describe("parseCommandLine", () => {
  it.each([
    [["--config", "a"], { kind: "run", configPath: "a" }],
    [["--config=a"], { kind: "run", configPath: "a" }],
    [["--check-config", "a"], { kind: "checkConfig", configPath: "a" }],
    [["--help"], { kind: "help" }],
    [["-h", "--config", "a"], { kind: "help" }],
    [["--version"], { kind: "version" }],
  ])("%j", (args, command) => {
    expect(parseCommandLine(args)).toEqual(command);
  });

  it.each([
    [[], "--config is missing; usage: "],
    [["--confg", "a"], "Unknown option '--confg'; usage: "],
    [["a"], "Unexpected argument 'a'"],
    [["--config"], "Option '--config <value>' argument missing; usage: "],
    [["--config", "--help"], "Option '--config' argument is ambiguous; usage: "],
    [["--check-config="], "the file name is empty; usage: "],
    [
      ["--config", "a", "--check-config", "a"],
      "--config and --check-config are mutually exclusive",
    ],
    [["--version=1"], "Option '-V, --version' does not take an argument"],
  ])("wrong usage: %j", (args, start) => {
    const command = parseCommandLine(args);
    const message = command.kind === "wrongUsage" ? command.message : command.kind;
    expect(message.startsWith(start)).toBe(true);
    expect(message).toContain("--help");
    expect(message).not.toContain("\n");
  });

  it("the operating guide lists the options and statuses of --help", () => {
    const guide = readFileSync(
      path.resolve(import.meta.dirname, "../src/docs/operating.md"),
      "utf8",
    );
    const options = HELP.match(/^ {2}--[\w-]+( <file>)?/gm)?.map((each) => each.trim()) ?? [];
    expect(options).toHaveLength(4);
    for (const option of options) expect(guide).toContain(`\`${option}\``);
    for (const status of HELP.match(/^ {2}\d+/gm) ?? []) {
      expect(guide).toContain(`| ${status.trim()} |`);
    }
  });
});

describe("the process", () => {
  it("prints its help and its version, and exits with 0", () => {
    expect(run("--help")).toEqual({ status: 0, stdout: HELP, stderr: "" });
    expect(run("--version")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^vdsm-migrationd \d+\.\d+\.\d+\n$/),
    });
  });

  it("reports wrong usage in one line, with status 2", () => {
    expect(run("--port", "1")).toEqual({
      status: 2,
      stdout: "",
      stderr: expect.stringMatching(/^vdsm-migrationd: Unknown option '--port'; .*--help.*\n$/),
    });
  });

  it.each([
    ["does not exist", () => path.join(dir, "none.json"), /none\.json: no such file\n$/],
    ["is below a file", () => path.join(file({}), "x"), /no such file: part of its path/],
    ["is a folder", () => dir, /: is a directory\n$/],
    ["is empty", () => file(" \n"), /: the file is empty\n$/],
    ["is not JSON", () => file('{"vars":\n {"a" 1}}'), /line 2, column 7: expected a colon\n$/],
  ])("names a file that %s, in one line, with status 78", (_what, name, says) => {
    for (const option of ["--config", "--check-config"]) {
      const { status, stdout, stderr } = run(option, name());
      expect({ status, stdout }).toEqual({ status: 78, stdout: "" });
      expect(stderr).toMatch(says);
      expect(stderr.trimEnd()).not.toContain("\n");
    }
  });

  const manyMistakes = {
    vars: { peer_timeout: 0, migration_downtime: "500", migration_max_bandwith: 5 },
    addresses: { unix_socket: "rpc.sock", unix_socket_group: "no-such-group" },
    access: { control: ["CN=a"], peer: ["CN=a"] },
    ssl: { enabled: false },
    extra: 1,
  };

  it("--check-config prints every mistake, one per line", () => {
    const { status, stdout, stderr } = run("--check-config", file(manyMistakes));
    expect({ status, stdout }).toEqual({ status: 78, stdout: "" });
    const keys = stderr
      .trimEnd()
      .split("\n")
      .map((line) => line.split(": ")[0]);
    expect(keys.toSorted((a = "", b = "") => a.localeCompare(b))).toEqual([
      "access.peer",
      "addresses.unix_socket",
      "addresses.unix_socket_group",
      "extra",
      "vars.migration_downtime",
      "vars.migration_max_bandwith",
      "vars.peer_timeout",
    ]);
    expect(stderr).toContain("vars.peer_timeout: 0 is invalid; expected number, 0.1 to 60\n");
  });

  it("a start reports the first, and how many more there are", () => {
    const { status, stderr } = run("--config", file(manyMistakes));
    expect(status).toBe(78);
    expect(stderr).toMatch(
      /^vdsm-migrationd: vars\..* \(and 5 more: --check-config lists them all\)\n$/,
    );
  });

  it("an invalid value causes no other mistakes", () => {
    const addresses = { unix_socket: "x", unix_socket_ro: "/run/vdsm-migrationd/rpc.sock" };
    const { stderr } = run("--check-config", file({ addresses, ssl: { enabled: false } }));
    expect(stderr).toMatch(/^addresses\.unix_socket: "x" is invalid; expected [^\n]*\n$/);
  });

  it("--check-config finds nothing in the shipped file, and changes nothing", () => {
    const shipped = path.resolve(import.meta.dirname, "../conf/vdsm.json");
    const { status, stdout, stderr } = run("--check-config", shipped);
    expect({ status, stdout }).toEqual({ status: 0, stdout: `${shipped}: no mistakes\n` });
    // This machine may lack the certificates; without a TCP listener that is only a warning.
    expect(stderr).toMatch(/^(warning: ssl\.[^\n]*\n)*$/);
  });
});

describe("certificates", () => {
  const tcp = (of: Pki, ssl: Record<string, string>) => ({
    addresses: { management_ip: "127.0.0.1" },
    ssl: { ca: of.path("ca.pem"), cert: of.path("host.pem"), key: of.path("host.key"), ...ssl },
  });
  const usual = (): Pki => {
    const of = pki();
    of.authority("ca");
    of.leaf("host", "ca", { toDays: 10.5 });
    return of;
  };

  it("that are unusable prevent the start with status 78, in one line, and fail --check-config", () => {
    const of = usual();
    const config = file(tcp(of, { key: of.path("ca.key") }));
    const says = `ssl.key: "${of.path("ca.key")}" does not match ssl.cert "${of.path("host.pem")}" (CN=host)`;
    expect(run("--config", config)).toEqual({
      status: 78,
      stdout: "",
      stderr: `vdsm-migrationd: ${says}\n`,
    });
    const checked = run("--check-config", config);
    expect(checked.status).toBe(78);
    expect(checked.stderr).toMatch(/^ssl\.key: [^\n]*\nwarning: ssl\.cert: [^\n]* in 10 days\n$/);
  });

  it("that expire soon give a warning", () => {
    const { status, stdout, stderr } = run("--check-config", file(tcp(usual(), {})));
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringContaining("no mistakes"),
    });
    expect(stderr).toMatch(
      /^warning: ssl\.cert: "\S+host\.pem" \(CN=host\) expires on \S+Z, in 10 days\n$/,
    );
  });
});

describe("a daemon that could not start", () => {
  const addresses = () => ({
    unix_socket: path.join(dir, "run/rpc.sock"),
    unix_socket_ro: path.join(dir, "run/rpc-ro.sock"),
  });
  const own = () => ({
    vars: { hibernation_dir: path.join(dir, "images") },
    journal: { dir: path.join(dir, "journal") },
    ssl: { enabled: false, allow_plaintext: true },
  });

  it("leaves no socket, and says why in one line: libvirt cannot be reached", () => {
    const uri = `qemu+unix:///system?socket=${path.join(dir, "none.sock")}`;
    const { status, stderr } = run(
      "--config",
      file({ ...own(), addresses: addresses(), libvirt: { uri } }),
    );
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^vdsm-migrationd: libvirt\.uri: "qemu\+unix:\S+" cannot be reached: .*none\.sock.*\n$/,
    );
    expect(readdirSync(path.join(dir, "run"))).toEqual([]);
  });

  it("leaves no socket, and says why in one line: the address is not this host's", () => {
    const at = { ...addresses(), management_ip: "192.0.2.1" };
    const { status, stderr } = run("--config", file({ ...own(), addresses: at }));
    expect(status).toBe(1);
    expect(stderr).toMatch(/^vdsm-migrationd: cannot listen on 192\.0\.2\.1:54321: .*\n$/);
    expect(readdirSync(path.join(dir, "run"))).toEqual([]);
  });

  it("leaves a file in its socket's place alone", () => {
    mkdirSync(path.join(dir, "run"), { recursive: true });
    chmodSync(path.join(dir, "run"), 0o755);
    writeFileSync(path.join(dir, "run/rpc-ro.sock"), "not a socket");
    const { status, stderr } = run("--config", file({ ...own(), addresses: addresses() }));
    expect(status).toBe(1);
    expect(stderr).toMatch(/rpc-ro\.sock exists and is no socket\n$/);
    expect(readdirSync(path.join(dir, "run"))).toEqual(["rpc-ro.sock"]);
  });
});
