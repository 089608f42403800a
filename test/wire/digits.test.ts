/**
 * Numbers on the wire: an integer, or its digits as a string, in every integer parameter of every
 * verb; whatever other languages may read as a number is refused, and the parameter named.
 */

import { describe, expect, it } from "vitest";
import { MonitorError } from "../../src/errors.ts";
import { createNormaliser } from "../../src/wire/normaliser.ts";
import {
  parseChanges,
  parseGetEvents,
  parseMigrate,
  parseMigrationCreate,
} from "../../src/wire/requests.ts";
import { verbRows, verbTable } from "../../src/wire/verbs.ts";

const vmID = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";

const normalise = createNormaliser(verbTable);

const parsers = {
  "VM.migrate": parseMigrate,
  "VM.migrateChangeParams": parseChanges,
  "VM.migrationCreate": parseMigrationCreate,
  "Host.getEvents": parseGetEvents,
} as const;

type Verb = keyof typeof parsers;

const needed: Readonly<Record<Verb, object>> = {
  "VM.migrate": { vmID, dst: "host-b" },
  "VM.migrateChangeParams": { vmID },
  "VM.migrationCreate": { vmID },
  "Host.getEvents": {},
};

function read(verb: Verb, params: object): unknown {
  return parsers[verb](normalise(verb, { ...needed[verb], ...params }).params);
}

/** The parameter that is refused; "" where none is. */
function refused(verb: Verb, params: object): unknown {
  try {
    read(verb, params);
    return "";
  } catch (error) {
    if (!(error instanceof MonitorError) || error.code !== "invalidParams") throw error;
    expect(error.message).toMatch(new RegExp(`^${String(error.details["parameter"])}: `));
    return error.details["parameter"];
  }
}

const integers: readonly (readonly [Verb, string])[] = [
  ["VM.migrate", "downtime"],
  ["VM.migrate", "parallel"],
  ["VM.migrate", "migrationProgressTimeout"],
  ["VM.migrate", "stallingLimit"],
  ["VM.migrate", "maxBandwidth"],
  ["VM.migrate", "outgoingLimit"],
  ["VM.migrate", "incomingLimit"],
  ["VM.migrateChangeParams", "downtime"],
  ["VM.migrateChangeParams", "stallingLimit"],
  ["VM.migrateChangeParams", "maxBandwidth"],
  ["VM.migrateChangeParams", "migrationProgressTimeout"],
  ["VM.migrationCreate", "incomingLimit"],
  ["Host.getEvents", "since"],
];

const noDigits = [
  "",
  "5x",
  "x",
  " 5",
  "5 ",
  "5\n",
  "5\0",
  "+5",
  "-5",
  "-0",
  "0x10",
  "0b1",
  "1e3",
  "5.0",
  "5,0",
  "5_0",
  "5n",
  "NaN",
  "Infinity",
  "null",
  "\uff15",
  "\u0665",
  "99999999999999999",
  "00000000000000005",
  "9".repeat(400),
];

it("knows every integer parameter of the verbs", () => {
  const rows = verbRows().flatMap(({ name, params }) =>
    Object.entries(params).flatMap(([each, { kind }]) =>
      kind === "integer" ? [[name, each]] : [],
    ),
  );
  expect(rows.filter(([verb]) => verb !== undefined && verb in parsers)).toEqual(integers);
});

describe.each(integers)("%s %s", (verb, name) => {
  it.each(["5", "05", "255"])("takes %j as the number", (digits) => {
    expect(read(verb, { [name]: digits })).toEqual(read(verb, { [name]: Number(digits) }));
  });

  it.each(noDigits)("refuses %j", (text) => {
    expect(refused(verb, { [name]: text })).toBe(name);
  });

  it.each([[["5"]], [{ value: 5 }], [true], [5.5], [-1]])("refuses %j", (value) => {
    expect(refused(verb, { [name]: value })).toBe(name);
  });
});

describe("VM.migrate takes as its default", () => {
  it.each(["downtime", "maxBandwidth", "parallel"])("a %s of 0, also as a string", (name) => {
    const without = read("VM.migrate", {});
    for (const nought of [0, "0", "00", null]) {
      expect(read("VM.migrate", { [name]: nought })).toEqual(without);
    }
  });

  it("no other 0", () => {
    expect(refused("VM.migrate", { migrationProgressTimeout: "0" })).toBe(
      "migrationProgressTimeout",
    );
    expect(read("VM.migrate", { stallingLimit: "0" })).toMatchObject({ stallingLimitMs: 0 });
  });
});

it.each(["downtime", "maxBandwidth"])("VM.migrateChangeParams refuses a %s of 0", (name) => {
  expect(
    [0, "0", null].map((value) => refused("VM.migrateChangeParams", { [name]: value })),
  ).toEqual([name, name, name]);
});

it("a number and its digits are no contradiction, two numbers are", () => {
  const both = (flat: unknown, nested: unknown): object => ({
    downtime: flat,
    params: { downtime: nested },
  });
  expect(read("VM.migrate", both("500", 500))).toMatchObject({ downtimeMs: 500 });
  expect(refused("VM.migrate", both("500", 501))).toBe("downtime");
  expect(refused("VM.migrate", both(500, null))).toBe("downtime");
});

describe("a convergenceSchedule", () => {
  const schedule = (limit: unknown, ms: unknown): object => ({
    convergenceSchedule: {
      init: [{ name: "setDowntime", params: [ms] }],
      stalling: [{ limit, action: { name: "setDowntime", params: [ms] } }],
    },
  });

  it.each([
    [1, "100"],
    ["1", 100],
    ["-1", "100"],
    [-1, "0100"],
    ["0", "100"],
  ])("takes limit %j and downtime %j", (limit, ms) => {
    expect(read("VM.migrate", schedule(limit, ms))).toEqual(
      read("VM.migrate", schedule(Number(limit), Number(ms))),
    );
  });

  it.each([
    ["-2", 100],
    ["-0", 100],
    ["- 1", 100],
    ["--1", 100],
    ["-01", 100],
    ["+1", 100],
    ["1.0", 100],
    ["", 100],
    ["1000001", 100],
    [["1"], 100],
    [null, 100],
    [1, "-1"],
    [1, "0"],
    [1, ""],
    [1, "1e2"],
    [1, " 5"],
    [1, "2000001"],
    [1, "\uff15"],
    [1, ["5"]],
  ])("refuses limit %j and downtime %j", (limit, ms) => {
    expect(refused("VM.migrate", schedule(limit, ms))).toBe("convergenceSchedule");
  });
});
