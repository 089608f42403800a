/**
 * Addresses and paths of VM.migrate under attack: nothing passes that could be more than a host in a
 * libvirt URI, or another file than the one that was named. Real files in a folder of the test's own.
 */

import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { MonitorError } from "../../src/errors.ts";
import { parseDestination } from "../../src/core/address.ts";
import type { VmDetails } from "../../src/hypervisor/port.ts";
import { SaveFiles } from "../../src/monitor/hibernation/save-files.ts";
import { callTemplate } from "../../src/monitor/migrations/call.ts";
import { settingsFrom } from "../../src/config/settings.ts";
import { parseMigrate } from "../../src/wire/requests.ts";

const vmID = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";

const ADDRESS_ATTACKS = [
  "root@host-b",
  "host-b/session",
  "host-b?no_verify=1",
  "host-b?command=/tmp/x",
  "host-b#x",
  "host-b%2fsession",
  "host-b/system?socket=/tmp/evil",
  "-oProxyCommand=touch x",
  "qemu+ssh://host-b/system",
  "unix:///tmp/socket",
  "exec:touch x",
  "fd:0x5",
  "host-b,ipv6=on",
  "host-b;x",
  "host-b x",
  "host-b\nx",
  "host-b\0",
  "host-b\\x",
  "$(x)",
  "`x`",
  "$&",
  "{host}",
  "[::1]@host-b",
  "[::1%25eth0]",
  "host-b:16514/system?x=",
  "//host-b",
  "\u2025host-b",
  "ho\u0000st",
  "..",
  ".",
  "*",
  "0x7f000001",
  "2130706433",
  "127.1",
];

function refusalOf(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (error instanceof MonitorError) return { code: error.code, ...error.details };
    throw error;
  }
}

describe("an address that is more than a host", () => {
  it.each(ADDRESS_ATTACKS)("%j is refused as dst, dstqemu and consoleAddress", (text) => {
    for (const parameter of ["dst", "dstqemu", "consoleAddress"]) {
      const params = { vmID, dst: "host-b", [parameter]: text };
      expect(refusalOf(() => parseMigrate(params))).toEqual({ code: "invalidParams", parameter });
    }
  });

  it("whatever passes is a host, and nothing but a host, in each URI that is made of it", () => {
    const settings = settingsFrom(parseConfig({}));
    const vm: VmDetails = {
      vmId: vmID,
      name: "vm",
      runState: "running",

      persistent: false,
      memoryBytes: 1,
      graphics: ["spice"],
      vcpus: 1,
      numaNodes: 0,
    };
    const text = fc.oneof(
      fc.string(),
      fc.domain(),
      fc.ipV4(),
      fc.ipV6(),
      fc.constantFrom(...ADDRESS_ATTACKS),
      fc
        .array(fc.constantFrom("a", "1", ".", "-", ":", "[", "]", "/", "?", "@", "%", "#", " "))
        .map((parts) => parts.join("")),
    );
    fc.assert(
      fc.property(text, text, text, (dst, dstqemu, consoleAddress) => {
        const params = { vmID, dst, dstqemu, consoleAddress };
        const request = refusalOf(() => parseMigrate(params));
        if (typeof request === "object" && request !== null && "parameter" in request) return;
        const parsed = parseMigrate(params);
        const host = parseDestination(parsed.dst)?.host ?? "";
        const call = callTemplate(parsed, host, vm, settings);
        const bare = String.raw`([a-z0-9_.-]+|\[[0-9a-f:.]+(%25[a-zA-Z0-9_.-]+)?\])`;
        expect(call.destinationUri).toMatch(new RegExp(`^qemu\\+tls://${bare}/system$`));
        expect(call.migrateUri).toMatch(new RegExp(`^tcp://${bare}$`));
        expect(call.graphicsUri).toMatch(new RegExp(`^spice://${bare}$`));
      }),
      { numRuns: 2000 },
    );
  });
});

describe("an image path", () => {
  let top = "";
  let folder = "";
  beforeEach(() => {
    top = mkdtempSync(join(tmpdir(), "images-"));
    folder = join(top, "images");
    mkdirSync(folder);
  });
  afterEach(() => rmSync(top, { recursive: true }));

  const at = (name: string) => join(folder, name);
  const prepare = async (image: string) =>
    await SaveFiles.take({ imagePath: image, parametersPath: at("parameters") }, folder);

  it.each([
    ["a blank and quotes", " a 'b' \"c\""],
    ["what a shell would take apart", "$(touch x);`y`|z&*?"],
    ["a line end", "a\nb"],
    ["an option", "-rf"],
    ["a URI", "qemu+ssh:"],
    ["a percent escape", "%2e%2e%2fpasswd"],
    ["a backslash", "..\\..\\passwd"],
    ["two dots in front", "..image"],
    ["letters outside ASCII", "ü日\u{1f600}"],
    ["the same letter as two characters", "u\u0308"],
  ])("with %s is taken as it is", async (_what, name) => {
    const image = at(name);
    const request = { vmID, mode: "file", dst: image, dstparams: at("parameters") };
    expect(parseMigrate(request)).toMatchObject({ dst: image });
    const files = await prepare(image);
    expect(readdirSync(folder).toSorted()).toEqual([name, "parameters"].toSorted());
    expect(lstatSync(image).mode & 0o7777).toBe(0o600);
    await files.undo();
    expect(readdirSync(folder)).toEqual([]);
  });

  it.each<[string, unknown]>([
    ["a NUL", "/i/a\0b"],
    ["half of a character", "/i/\ud800"],
    ["more bytes than a path may have", `/${"ü".repeat(2048)}`],
    ["no slash in front", "i/a"],
    ["a URI in front", "file:///i/a"],
    ["nothing", ""],
    ["a number", 5],
    ["a list", ["/i/a"]],
  ])("with %s is refused by name", (_what, path) => {
    for (const parameter of ["dst", "dstparams"]) {
      const params = { vmID, mode: "file", dst: "/i/a", dstparams: "/i/b", [parameter]: path };
      expect(refusalOf(() => parseMigrate(params))).toEqual({ code: "invalidParams", parameter });
    }
  });

  const isRoot = process.getuid?.() === 0;
  const SOMEBODY = 12_345;
  it.each<[string, () => string]>([
    ["leads out by ..", () => `${folder}/../secret`],
    ["leads out and back", () => `${folder}/../images/a`],
    ["has a doubled slash", () => `${folder}//a`],
    ["has a dot as a part", () => `${folder}/./a`],
    ["ends in a slash", () => `${at("a")}/`],
    ["is the folder", () => folder],
    ["is the folder's parent", () => top],
    ["begins like the folder", () => `${folder}-too`],
    ["is a link to a file outside", () => linked("secret", at("link"))],
    ["is a link that leads nowhere", () => linked("nowhere", at("link"))],
    ["goes through a link", () => `${linked(".", at("link"))}/a`],
    ["goes through a file", () => `${written(at("plain"), "")}/a`],
    ["is another name of a file outside", () => hardLinked(at("hard"))],
    ["holds something", () => written(at("full"), "x")],
    ["is a folder", () => folderWith(at("sub"), 0o700)],
    ["lies in a folder that all may write to", () => `${folderWith(at("sub"), 0o777)}/a`],
    ["lies in a folder that a group may write to", () => `${folderWith(at("sub"), 0o770)}/a`],
    ["lies in a sticky one", () => `${folderWith(at("sub"), 0o1777)}/a`],
    ["lies below such a one", () => `${folderWith(at("sub"), 0o777)}/deep/a`],
    ["lies in hibernation_dir that all may write to", () => `${folderWith(folder, 0o777)}/a`],
    ...(isRoot
      ? [
          folderCase("lies in a folder of somebody else", () => `${givenAway(at("sub"))}/a`),
          folderCase("lies in hibernation_dir of somebody else", () => `${givenAway(folder)}/a`),
        ]
      : []),
  ])("that %s is refused, and nothing is touched", async (_what, attack) => {
    const secret = join(top, "secret");
    writeFileSync(secret, "kept", { mode: 0o644 });
    const image = attack();
    const before = [readdirSync(top), readdirSync(folder)];
    await expect(prepare(image)).rejects.toMatchObject({
      code: "invalidParams",
      message: expect.stringMatching(/^dst: /),
    });
    expect([readdirSync(top), readdirSync(folder)]).toEqual(before);
    expect(lstatSync(secret).size).toBe(4);
    expect(existsSync(at("parameters"))).toBe(false);
  });

  it("swapped for a link meanwhile is not followed, neither to write nor to empty", async () => {
    const secret = written(join(top, "secret"), "kept");
    const parametersPath = written(at("parameters"), "");
    const files = await SaveFiles.take({ imagePath: at("image"), parametersPath }, folder);
    rmSync(parametersPath);
    symlinkSync(secret, parametersPath);
    expect(await files.areOurs()).toBe(false);
    const parameters = { vmId: vmID, name: "vm", host: "a", time: "", domainXml: "" };
    await files.writeParameters(parameters);
    await files.undo();
    expect(lstatSync(secret).size).toBe(4);
    expect(lstatSync(parametersPath).isSymbolicLink()).toBe(true);
  });

  function folderCase(what: string, attack: () => string): [string, () => string] {
    return [what, attack];
  }
  function linked(target: string, path: string): string {
    symlinkSync(target === "secret" ? join(top, "secret") : target, path);
    return path;
  }
  function hardLinked(path: string): string {
    writeFileSync(join(top, "empty"), "");
    linkSync(join(top, "empty"), path);
    return path;
  }
  function written(path: string, text: string): string {
    writeFileSync(path, text);
    return path;
  }
  function folderWith(path: string, mode: number): string {
    mkdirSync(join(path, "deep"), { recursive: true });
    chmodSync(path, mode);
    return path;
  }
  function givenAway(path: string): string {
    mkdirSync(path, { recursive: true });
    chownSync(path, SOMEBODY, SOMEBODY);
    return path;
  }
});
