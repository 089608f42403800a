/**
 * The core's few libvirt numbers against the installed headers (libvirt-dev, which the binding needs
 * as well): a wrong one would not fail, it would decide wrongly.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  LIBVIRT_ERROR,
  LIFECYCLE,
  PAUSED_REASON,
  RUNNING_REASON,
  SHUTOFF_REASON,
} from "../../src/core/libvirt-codes.ts";

const HEADERS = "/usr/include/libvirt";

/** Every enumerator that the header gives a number. */
function enumerators(header: string): ReadonlyMap<string, number> {
  const text = readFileSync(`${HEADERS}/${header}`, "utf8");
  const found = text.matchAll(/^\s*(VIR_[A-Z0-9_]+)\s*=\s*(\d+)\s*,/gm);
  return new Map([...found].map(([, name, value]) => [name ?? "", Number(value)]));
}

function ours(prefix: string, constants: Readonly<Record<string, number>>) {
  // The one name that libvirt spells otherwise.
  const spelled = (name: string): string => (name === "IO_ERROR" ? "IOERROR" : name);
  return Object.entries(constants).map(
    ([name, value]) => [`${prefix}${spelled(name)}`, value] as const,
  );
}

describe("src/core/libvirt-codes.ts", () => {
  it.each(ours("VIR_ERR_", LIBVIRT_ERROR))("%s is %i", (name, value) => {
    expect(enumerators("virterror.h").get(name)).toBe(value);
  });

  it.each([
    ...ours("VIR_DOMAIN_PAUSED_", PAUSED_REASON),
    ...ours("VIR_DOMAIN_RUNNING_", RUNNING_REASON),
    ...ours("VIR_DOMAIN_SHUTOFF_", SHUTOFF_REASON),
    ...ours("VIR_DOMAIN_EVENT_", LIFECYCLE),
  ])("%s is %i", (name, value) => {
    expect(enumerators("libvirt-domain.h").get(name)).toBe(value);
  });
});
