/** Log lines as another program reads them. */

import { describe, expect, it } from "vitest";
import { MonitorError } from "../src/errors.ts";
import { createLog } from "../src/logger.ts";

function capture(level: "debug" | "info" | "warn" | "error" = "info") {
  const lines: string[] = [];
  const log = createLog({ level, stream: { write: (line) => lines.push(line) } });
  return { log, lines, last: () => JSON.parse(lines.at(-1) ?? "null") };
}

describe("a log line", () => {
  it("is one JSON object with level, time, fields and a constant message", () => {
    const { log, lines, last } = capture();
    log.info({ remainingBytes: 5 }, "sample taken");
    expect(lines).toHaveLength(1);
    expect(last()).toMatchObject({ level: "info", remainingBytes: 5, msg: "sample taken" });
    expect(last().time).toMatch(/^\d{4}-\d\d-\d\dT/);
  });

  it("carries the fields of its logger and of that logger's parent", () => {
    const { log, last } = capture();
    log.child({ component: "monitor" }).child({ vmId: "v" }).warn({}, "stalling");
    expect(last()).toMatchObject({ component: "monitor", vmId: "v", level: "warn" });
  });

  it.each([
    ["exact as a number", 5n, 5],
    ["not exact as a number", 2n ** 63n, "9223372036854775808"],
  ])("never contains a bigint: one %s", (_what, value, shown) => {
    const { log, lines, last } = capture();
    log.info({ value, deep: [{ value }] }, "x");
    expect(last()).toMatchObject({ value: shown, deep: [{ value: shown }] });
    expect(lines[0]).toContain(JSON.stringify(shown));
  });

  it("contains only whole numbers, at any depth", () => {
    const { log, last } = capture();
    log.info({ tookMs: 5260.920000000158, count: 3, deep: [{ tookMs: 0.4 }] }, "x");
    expect(last()).toMatchObject({ tookMs: 5261, count: 3, deep: [{ tookMs: 0 }] });
  });

  it("contains an error with its cause and details, including bigints", () => {
    const { log, last } = capture();
    const cause = new Error("inner");
    const details = { bytes: 2n ** 63n };
    log.error({ err: new MonitorError("internal", "outer", { cause, details }) }, "failed");
    expect(last().err.stack).toContain("inner");
    expect(last().err.details).toEqual({ bytes: "9223372036854775808" });
  });

  it("survives a cycle", () => {
    const { log, lines } = capture();
    const cycle: Record<string, unknown> = {};
    cycle["self"] = cycle;
    log.info({ cycle }, "x");
    expect(lines).toHaveLength(1);
  });
});

describe("the level", () => {
  it("changes at run time, also for existing children", () => {
    const { log, lines } = capture("warn");
    const child = log.child({ component: "rpc" });
    child.info({}, "no");
    log.setLevel("debug");
    child.debug({}, "yes");
    log.setLevel("error");
    child.warn({}, "no");
    expect(lines.map((line) => JSON.parse(line).msg)).toEqual(["yes"]);
  });
});
