/** Sets of CPUs and nodes: what passes ends up in a domain's XML, so nothing else may. */
import { describe, expect, it } from "vitest";
import { cpusetFault, placementFault } from "../../src/core/cpusets.ts";

describe("cpusetFault", () => {
  it.each(["0", "0-3", "0-3,5", "0-7,^2", "1, 3", "0,16383", "^1,0-2"])("%s passes", (text) => {
    expect(cpusetFault(text)).toBeNull();
  });
  it.each([
    ["", /no number/],
    ["a", /no number/],
    ["0-", /no number/],
    ["3-1", /backwards/],
    ["0,,1", /no number/],
    ["^0", /holds nothing/],
    ["0,^0", /holds nothing/],
    ["16384", /above/],
    ["0'/><x", /no number/],
    ["-1", /no number/],
    ["0x1", /no number/],
    ["^0-3", /no number/],
    ["1 2", /no number/],
    ["0,".repeat(40_000), /longer/],
  ])("%j does not", (text, why) => expect(cpusetFault(text)).toMatch(why));
});

describe("placementFault", () => {
  it.each([
    [undefined, 2, null],
    [["0", "1"], 2, null],
    [["0"], 2, "cpusets has 1 items, the VM has 2 vCPUs"],
    [[], 1, "cpusets has 0 items, the VM has 1 vCPUs"],
    [["0", "x"], 2, 'cpusets[1]: "x" is no number, range or ^number'],
  ])("%j for %d", (sets, wanted, fault) => {
    expect(placementFault("cpusets", sets, wanted, "vCPUs")).toBe(fault);
  });
});
