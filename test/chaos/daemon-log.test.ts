/**
 * The log check of a chaos run finds what the daemon really logs when something is wrong: the lines
 * here come from the daemon's own code.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { Defects } from "../../src/defects.ts";
import { createLog, type RootLog } from "../../src/logger.ts";
import { DaemonLogs } from "./daemon-log.ts";

/** The lines that the check finds in what `write` logs. */
function found(write: (log: RootLog) => void, raw = ""): readonly string[] {
  const folder = mkdtempSync(path.join(tmpdir(), "daemon-log-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const lines: string[] = [];
  write(createLog({ level: "info", stream: { write: (line) => lines.push(line) } }));
  const logPath = path.join(folder, "log");
  writeFileSync(logPath, lines.join("") + raw);
  return new DaemonLogs().defects([{ logPath }]);
}

it("a defect that the daemon contained is found", () => {
  const contain = (log: RootLog): void => {
    new Defects(log, systemClock).contained("cycle", null, () => {
      throw new Error("a defect");
    });
  };
  expect(found(contain)).toEqual([expect.stringContaining("a defect")]);
});

it("a line that is not JSON is found, unless it is the daemon's own report", () => {
  expect(found(() => undefined, "TypeError: x is not a function\n")).toHaveLength(1);
  expect(found(() => undefined, "vdsm-migrationd: cannot listen\n")).toEqual([]);
});

it("ordinary errors are not defects", () => {
  expect(found((log) => log.error({}, "libvirt's events are lost, reconnecting"))).toEqual([]);
});
