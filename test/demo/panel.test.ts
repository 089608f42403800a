/**
 * What the demo prints fits its terminal, from 40 columns up, and shows the daemon's numbers.
 */
import { describe, expect, it } from "vitest";
import { migrationsBlock, panel, readMigration } from "./migration-view.ts";
import { fieldList, wrap } from "./text.ts";

const MIB_BYTES = 1024 * 1024;
const WIRE = {
  vmId: "8f1c",
  vmName: "orders-db",
  phase: "running",
  progress: 99,
  pass: 18,
  dataTotal: 64 * MIB_BYTES,
  dataRemaining: 16 * MIB_BYTES,
  bandwidthBytesPerSecond: 8 * MIB_BYTES,
  dirtyRateBytesPerSecond: 16.5 * MIB_BYTES,
  cap: 8,
  capApplied: 8,
  downtime: 2000,
  stalledFor: 8,
  timeoutIn: 52,
} as const;
const WIDTHS = Array.from({ length: 81 }, (_, index) => 39 + index);

describe("the panel of a migration", () => {
  it.each([true, false])("fits every width from 40 columns up (unicode: %s)", (unicode) => {
    for (const columns of WIDTHS) {
      for (const { text } of panel(readMigration(WIRE), columns, unicode)) {
        expect(text.length).toBeLessThanOrEqual(columns);
      }
    }
  });

  it("shades the part that must be sent again", () => {
    const [bar] = panel(readMigration(WIRE), 47, false);
    expect(bar?.text).toBe("orders-db ###############=====  99 % stalled   ");
  });

  it("shows the numbers, and after the end only the outcome", () => {
    const texts = panel(readMigration(WIRE), 200, true).map((line) => line.text);
    expect(texts[1]).toBe(
      "  pass 18  remaining 16.0 MiB  rate  8.0 MiB/s  dirty 16.5 MiB/s  cap  8 MiB/s  " +
        "downtime 2000 ms  stalled  8 s  abort in 52 s",
    );
    const preparing = readMigration({ ...WIRE, cap: 0, dirtyRateBytesPerSecond: 0 });
    expect(panel(preparing, 200, true)[1]?.text).toContain("dirty    - MiB/s  cap  - MiB/s");
    const ended = readMigration({ ...WIRE, outcome: { outcome: "completed" } });
    expect(panel(ended, 60, true)).toHaveLength(1);
    expect(migrationsBlock([ended], true).plain()).toEqual([]);
  });
});

describe("wrapped text", () => {
  it("keeps the first indent, uses the hanging indent for the rest, and fits", () => {
    expect(wrap("  -> one two three", 12, "     ")).toEqual(["  -> one two", "     three"]);
  });

  it("never separates a number from its unit", () => {
    const text = fieldList({ count: 1, stalledFor: "4 s" });
    expect(wrap(text, 20)).toEqual(["{count: 1,", "stalledFor: 4 s}"]);
  });
});
