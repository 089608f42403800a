/**
 * What a step between formats makes of single fields; whole journals of each format are in
 * test/journal/formats.
 */
import { describe, expect, it } from "vitest";
import { upgraded } from "../../../src/monitor/recovery/formats.ts";

/** A migration of format 1 with these fields, in the present format. */
function from1(state: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return upgraded({ request: {}, target: {}, state }, 1).state;
}

describe("from format 1", () => {
  it.each([
    [1, "internalError", 1],
    [9, "operationFailed", 9],
    [39, "tooLarge", 39],
    [42, "noVm", 42],
    [55, "invalidState", 55],
    [68, "locked", 68],
    [78, "aborted", 78],
    [38, "other", 38],
    [0, "other", null],
  ])("a refusal with libvirt's number %i is %s", (number, kind, code) => {
    const refusal = { code: number, message: "text" };
    const waitingEnd = { kind: "notBegun", refusal };
    const stop = { why: "cancel", refusal };
    const settled = { callReturned: true, callRefusal: refusal, settlingSinceMs: 5 };
    expect(from1({ ...settled, waitingEnd, stop })).toMatchObject({
      call: { returned: { sinceMs: 5, refusal: { kind, code, message: "text" } } },
      admission: { ending: { why: { kind: "notBegun", refusal: { kind, code } }, sinceMs: 5 } },
      stop: { why: "cancel", refusal: { kind, code } },
    });
  });

  it("a call that is out has not returned", () => {
    expect(from1({ callAtMs: 3, callReturned: false })).toMatchObject({
      call: { madeAtMs: 3, returned: null },
    });
  });
});
