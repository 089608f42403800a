/**
 * The table of run states against libvirt's: each state and reason that the installed headers know has
 * its word, and each word its row. What a row means on the wire is asserted here once, row by row.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { RUN_STATES, type RunState, runStateRow } from "../../src/core/run-state.ts";
import { runStateFromLibvirt } from "../../src/hypervisor/libvirt/translate/run-state.ts";

const header = readFileSync("/usr/include/libvirt/libvirt-domain.h", "utf8");

/** The enumerators of one enum in the header. */
function numbersOf(type: string): ReadonlyMap<string, number> {
  const body = header.split(`} ${type};`)[0]?.split("typedef enum {").at(-1) ?? "";
  const found = body.matchAll(/^\s*(VIR_[A-Z0-9_]+)\s*=\s*(\d+)/gm);
  return new Map([...found].map(([, name, value]) => [name ?? "", Number(value)]));
}

const STATES = numbersOf("virDomainState");

function word(state: string, reason: number): RunState {
  const number = STATES.get(`VIR_DOMAIN_${state}`);
  if (number === undefined) throw new Error(`the header has no state ${state}`);
  return runStateFromLibvirt({ state: number, reason });
}

const UP = { presence: "active", status: "Up", pauseCode: null };
const NOERR = { presence: "active", status: "Paused", pauseCode: "NOERR" };
const EOTHER = { ...NOERR, pauseCode: "EOTHER" };
const PAUSED_COPY = { presence: "pausedCopy", status: "Paused", pauseCode: "POSTCOPY" };
const OFF = { presence: "notActive", status: "Down", pauseCode: null };
const goes = { mayNotMigrate: null };
const stays = { mayNotMigrate: expect.stringMatching(/./) };

const PAUSED: Readonly<Record<string, object>> = {
  UNKNOWN: { ...NOERR, ...goes },
  USER: { ...NOERR, ...goes },
  MIGRATION: { ...NOERR, presence: "switching", ...goes },
  SAVE: { presence: "active", status: "Saving State", ...stays },
  DUMP: { ...NOERR, ...stays },
  IOERROR: { ...NOERR, pauseCode: "EIO", ...stays },
  WATCHDOG: { ...EOTHER, ...goes },
  FROM_SNAPSHOT: { ...NOERR, ...goes },
  SHUTTING_DOWN: { presence: "ending", status: "Powering down", ...stays },
  SNAPSHOT: { ...NOERR, ...stays },
  CRASHED: { ...EOTHER, ...stays },
  STARTING_UP: { presence: "active", status: "WaitForLaunch", ...stays },
  POSTCOPY: { ...PAUSED_COPY, ...stays },
  POSTCOPY_FAILED: { ...PAUSED_COPY, ...stays },
};

describe("every state and reason of the installed libvirt", () => {
  it.each([...numbersOf("virDomainPausedReason")])("%s (%i)", (name, reason) => {
    const row = PAUSED[name.replace("VIR_DOMAIN_PAUSED_", "")];
    expect(row, `${name} has no row`).toBeDefined();
    expect(runStateRow(word("PAUSED", reason))).toMatchObject(row ?? {});
  });

  it.each([...numbersOf("virDomainRunningReason")])("%s (%i) is up", (name, reason) => {
    const arriving = name.includes("POSTCOPY");
    expect(runStateRow(word("RUNNING", reason))).toMatchObject({
      ...UP,
      ...(arriving ? stays : goes),
    });
  });

  it.each([...numbersOf("virDomainShutoffReason")])("%s (%i) is off", (name, reason) => {
    const state = word("SHUTOFF", reason);
    expect(runStateRow(state)).toMatchObject({ ...OFF, ...stays });
    expect(state === "off").toBe(name === "VIR_DOMAIN_SHUTOFF_UNKNOWN");
  });

  it.each<[string, object]>([
    ["NOSTATE", { presence: "ending", status: "WaitForLaunch", ...stays }],
    ["BLOCKED", { ...UP, ...goes }],
    ["SHUTDOWN", { presence: "ending", status: "Powering down", ...stays }],
    ["CRASHED", { ...EOTHER, ...stays }],
    ["PMSUSPENDED", { ...NOERR, ...stays }],
  ])("%s", (name, row) => {
    expect(runStateRow(word(name, 0))).toMatchObject(row);
    expect(runStateRow(word(name, 1))).toMatchObject(row);
  });

  it("are all in these tables", () => {
    const here = ["NOSTATE", "RUNNING", "BLOCKED", "PAUSED", "SHUTDOWN", "SHUTOFF", "CRASHED"];
    expect([...STATES.keys()].map((name) => name.replace("VIR_DOMAIN_", ""))).toEqual([
      ...here,
      "PMSUSPENDED",
    ]);
  });
});

describe("a number that is newer than the table", () => {
  it("of a reason counts as the state without one, of a state as none", () => {
    expect(word("PAUSED", 99)).toBe("suspended");
    expect(word("SHUTOFF", 99)).toBe("off");
    expect(word("RUNNING", 99)).toBe("running");
    expect(runStateFromLibvirt({ state: 99, reason: 0 })).toBe("noState");
  });
});

describe("each word", () => {
  it("has a pauseCode with the status Paused, and only then", () => {
    for (const state of RUN_STATES) {
      const { status, pauseCode } = runStateRow(state);
      expect(pauseCode !== null, state).toBe(status === "Paused");
    }
    expect(new Set(RUN_STATES).size).toBe(RUN_STATES.length);
  });
});
