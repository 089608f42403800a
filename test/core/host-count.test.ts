/** n(host): which VMs count as migrations, on this host and as the destination answers. */
import { describe, expect, it } from "vitest";
import {
  type AnsweredCount,
  type AnsweredJob,
  NEVER_COUNTED,
  type Transfer,
  countAfterQuery,
  countTransfers,
  countsThere,
  destinationSince,
  includingSelf,
  sourceCount,
  transferOf,
} from "../../src/core/host-count.ts";
import type { JobOperation, JobType } from "../../src/core/job-stats.ts";
import type { DestinationCount } from "../../src/core/migration.ts";
import { NOT_BEGUN } from "./fixtures.ts";

const job = (operation: JobOperation, type: JobType = "unbounded"): AnsweredJob => ({
  kind: "stats",
  stats: { ...NOT_BEGUN, operation, type },
});

describe("a VM counts", () => {
  it.each<[string, AnsweredJob, Transfer | undefined, Transfer]>([
    ["outgoing, before a byte is sent", job("migrationOut"), undefined, "outgoing"],
    [
      "outgoing, while a failed start is cleaned up",
      job("migrationOut", "failed"),
      undefined,
      "outgoing",
    ],
    ["not with type none, whatever the operation", job("migrationOut", "none"), "outgoing", "none"],
    ["not for a save", job("save"), undefined, "none"],
    ["not for a backup", job("backup"), "outgoing", "none"],
    ["incoming", { kind: "incoming" }, undefined, "incoming"],
    ["broken", { kind: "incoming", broken: true }, "incoming", "broken"],
    ["as before without an answer", { kind: "noAnswer" }, "outgoing", "outgoing"],
    ["not known without any answer", { kind: "noAnswer" }, undefined, "unknown"],
    [
      "not known when refused",
      { kind: "refused", refusal: { kind: "noVm" } },
      "incoming",
      "unknown",
    ],
  ])("%s", (_name, answered, known, expected) => {
    expect(transferOf(answered, known)).toBe(expected);
  });

  it.each<[readonly Transfer[], Transfer, number]>([
    [[], "none", 1],
    [["outgoing"], "outgoing", 1],
    [["outgoing", "incoming", "incoming"], "outgoing", 3],
    [["outgoing", "incoming"], "none", 3],
    [["broken", "none", "unknown"], "unknown", 1],
  ])("%j, itself %s: n(source) is %i", (transfers, own, expected) => {
    expect(sourceCount(countTransfers(transfers), own)).toBe(expected);
  });

  it.each([
    [null, false],
    [0, true],
  ])(
    "at its destination, without a daemon there, with its call at %s: %s",
    (callAtMs, expected) => {
      expect(countsThere({ call: { madeAtMs: callAtMs } })).toBe(expected);
    },
  );
});

const counted = (migrations: number, askedAtMs = 0): DestinationCount => ({
  kind: "counted",
  migrations,
  askedAtMs,
});
const silent = (silentQueries: number): DestinationCount => ({ kind: "silent", silentQueries });
const BOTH = { incoming: 2, outgoing: 1 };

describe("the destination's count after a query", () => {
  it.each<[string, DestinationCount, AnsweredCount | null, DestinationCount]>([
    ["first answer", NEVER_COUNTED, BOTH, counted(3, 7)],
    ["no answer, never counted", NEVER_COUNTED, null, { kind: "unknown", silentQueries: 1 }],
    ["no answer after one", counted(3), null, silent(1)],
    ["no answer again", silent(1), null, silent(2)],
    ["incoming missing", counted(3), { incoming: null, outgoing: 1 }, silent(1)],
    ["outgoing missing", silent(4), { incoming: 1, outgoing: null }, silent(5)],
    ["an answer ends the silence", silent(9), BOTH, counted(3, 7)],
  ])("%s", (_name, before, answer, expected) => {
    expect(countAfterQuery(before, answer, 7)).toEqual(expected);
  });

  it("includes the migration itself at its call, where it is known", () => {
    expect(includingSelf(counted(2))).toEqual(counted(3));
    expect(includingSelf(silent(2))).toEqual(silent(2));
  });

  it.each<[string, DestinationCount, number | null, number | null, DestinationCount]>([
    ["asked before data flow: at least as at the call", counted(1, 50), 3, null, counted(3, 50)],
    ["asked before the first data", counted(1, 50), 3, 60, counted(3, 50)],
    ["asked since: as answered", counted(1, 60), 3, 60, counted(1, 60)],
    ["more than at the call", counted(5, 50), 3, null, counted(5, 50)],
    ["not known at the call", counted(1, 50), null, null, counted(1, 50)],
    ["silent", silent(1), 3, null, silent(1)],
  ])("%s", (_name, destination, destinationAtCall, dataSinceMs, expected) => {
    expect(destinationSince(destination, { destinationAtCall, dataSinceMs })).toEqual(expected);
  });
});
