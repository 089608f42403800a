/**
 * The core's few libvirt numbers against the installed headers (libvirt-dev, which the binding needs
 * as well): a wrong one would not fail, it would decide wrongly.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { LIBVIRT_ERROR, LIFECYCLE } from "../../src/core/libvirt-codes.ts";

const HEADERS = "/usr/include/libvirt";

/** Every enumerator that the header gives a number. */
function enumerators(header: string): ReadonlyMap<string, number> {
  const text = readFileSync(`${HEADERS}/${header}`, "utf8");
  const found = text.matchAll(/^\s*(VIR_[A-Z0-9_]+)\s*=\s*(\d+)\s*,/gm);
  return new Map([...found].map(([, name, value]) => [name ?? "", Number(value)]));
}

function ours(prefix: string, constants: Readonly<Record<string, number>>) {
  return Object.entries(constants).map(([name, value]) => [`${prefix}${name}`, value] as const);
}

describe("src/core/libvirt-codes.ts", () => {
  it.each(ours("VIR_ERR_", LIBVIRT_ERROR))("%s is %i", (name, value) => {
    expect(enumerators("virterror.h").get(name)).toBe(value);
  });

  it.each(ours("VIR_DOMAIN_EVENT_", LIFECYCLE))("%s is %i", (name, value) => {
    expect(enumerators("libvirt-domain.h").get(name)).toBe(value);
  });
});
