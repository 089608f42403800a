/** The one cast of the package: the names in abi.ts are those that the compiled addon exports. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { libraryVersion } from "libvirt";
import { describe, expect, it } from "vitest";

const PACKAGE = path.resolve(import.meta.dirname, "../../src/libvirt");

describe("the addon", () => {
  it("exports just what abi.ts declares", () => {
    const source = readFileSync(path.join(PACKAGE, "abi.ts"), "utf8");
    const body = /export interface NativeAddon \{\n(.*?)\n\}/s.exec(source)?.[1] ?? "";
    const declared = [...body.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1] ?? "");
    const require = createRequire(import.meta.url);
    const addon: object = require(path.join(PACKAGE, "build/Release/node_libvirt.node"));
    expect(Object.keys(addon).toSorted()).toEqual(declared.toSorted());
  });

  it("is linked with the libvirt that is installed", () => {
    expect(libraryVersion()).toBeGreaterThanOrEqual(8_005_000);
  });

  it("names a job's fields as job-stats.ts does", () => {
    const native = readFileSync(path.join(PACKAGE, "native/job-stats.cc"), "utf8");
    const names = [...native.matchAll(/\{(?:VIR_DOMAIN_JOB_\w+|"\w+"), "(\w+)"\}/g)];
    const source = readFileSync(path.join(PACKAGE, "job-stats.ts"), "utf8");
    const declared = [...source.matchAll(/^ {2}readonly (\w+)\?/gm)].map((match) => match[1] ?? "");
    expect([...names.map((match) => match[1] ?? ""), "other"].toSorted()).toEqual(
      declared.toSorted(),
    );
  });

  it("samples the fields of job-samples.ts, in their order", () => {
    const table = readFileSync(path.join(PACKAGE, "native/job-stats.cc"), "utf8");
    const names = new Map(
      [...table.matchAll(/\{(VIR_DOMAIN_JOB_\w+), "(\w+)"\}/g)].map(([, key, name]) => [key, name]),
    );
    const native = readFileSync(path.join(PACKAGE, "native/job-samples.cc"), "utf8");
    const list = /kSampledKeys\[.*?\] = \{(.*?)\};/s.exec(native)?.[1] ?? "";
    const sampled = [...list.matchAll(/VIR_DOMAIN_JOB_\w+/g)].map(([key]) => names.get(key));
    const source = readFileSync(path.join(PACKAGE, "job-samples.ts"), "utf8");
    const declared = /sampledFields = \[(.*?)\]/s.exec(source)?.[1] ?? "";
    expect(sampled.length).toBeGreaterThan(10);
    const fields = [...declared.matchAll(/"(\w+)"/g)].map((match) => match[1]);
    expect(sampled).toEqual(fields);
    const read = [...source.matchAll(/^ {4}(\w+): sent\(rows\[first(?: \+ (\d+))?\]\),$/gm)];
    expect(read.map(([, name, at]) => [name, Number(at ?? 0)])).toEqual(
      [...fields.entries()].map(([at, name]) => [name, at]),
    );
  });

  it("knows every key of a job that the installed libvirt documents", () => {
    const header = readFileSync("/usr/include/libvirt/libvirt-domain.h", "utf8");
    const macros = [...header.matchAll(/# *define (VIR_DOMAIN_JOB_\w+)\s+"(\w+)"/g)];
    const native = readFileSync(path.join(PACKAGE, "native/job-stats.cc"), "utf8");
    expect(macros.length).toBeGreaterThan(30);
    const unknown = macros.filter(
      ([, macro, key]) => !new RegExp(`(${macro}|"${key}"),`).test(native),
    );
    expect(unknown.map((match) => match[1])).toEqual([]);
  });
});
