/**
 * The table of run states against libvirt's: each state and reason has its word, and each word its
 * row. What a row means on the wire is asserted here once, row by row.
 */
import { DomainState, PausedReason, RunningReason, ShutoffReason } from "libvirt";
import { describe, expect, it } from "vitest";
import { RUN_STATES, type RunState, runStateRow } from "../../../../src/core/run-state.ts";
import { runStateFromLibvirt } from "../../../../src/hypervisor/libvirt/translate/run-state.ts";

function word(state: keyof typeof DomainState, reason: number): RunState {
  return runStateFromLibvirt({ state: DomainState[state], reason });
}

const UP = { presence: "active", status: "Up", pauseCode: null };
const NOERR = { presence: "active", status: "Paused", pauseCode: "NOERR" };
const EOTHER = { ...NOERR, pauseCode: "EOTHER" };
const PAUSED_COPY = { presence: "pausedCopy", status: "Paused", pauseCode: "POSTCOPY" };
const OFF = { presence: "notActive", status: "Down", pauseCode: null };
const goes = { mayNotMigrate: null };
const stays = { mayNotMigrate: expect.stringMatching(/./) };

const PAUSED: Readonly<Record<keyof typeof PausedReason, object>> = {
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

describe("every state and reason of libvirt's", () => {
  it.each(Object.entries(PAUSED))("paused, %s", (name, row) => {
    const reason = new Map(Object.entries(PausedReason)).get(name);
    expect(runStateRow(word("PAUSED", reason ?? -1))).toMatchObject(row);
  });

  it.each(Object.entries(RunningReason))("running, %s (%i): up", (name, reason) => {
    const arriving = name.startsWith("POSTCOPY");
    expect(runStateRow(word("RUNNING", reason))).toMatchObject({
      ...UP,
      ...(arriving ? stays : goes),
    });
  });

  it.each(Object.entries(ShutoffReason))("shut off, %s (%i): off", (name, reason) => {
    const state = word("SHUTOFF", reason);
    expect(runStateRow(state)).toMatchObject({ ...OFF, ...stays });
    // On these words a domain is undefined: what is left of it, or what UNDEFINE_SOURCE was to take.
    expect(state === "off").toBe(name === "UNKNOWN");
    expect(state === "offMigrated").toBe(name === "MIGRATED");
  });

  it.each<[keyof typeof DomainState, object]>([
    ["NOSTATE", { presence: "ending", status: "WaitForLaunch", ...stays }],
    ["BLOCKED", { ...UP, ...goes }],
    ["SHUTDOWN", { presence: "ending", status: "Powering down", ...stays }],
    ["CRASHED", { ...EOTHER, ...stays }],
    ["PMSUSPENDED", { ...NOERR, ...stays }],
  ])("%s", (name, row) => {
    expect(runStateRow(word(name, 0))).toMatchObject(row);
    expect(runStateRow(word(name, 1))).toMatchObject(row);
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
