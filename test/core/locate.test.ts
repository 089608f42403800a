/** What libvirt's answers say of where a guest is, and when the destination has to be asked too. */
import { describe, expect, it } from "vitest";
import type { AnsweredJob } from "../../src/core/host-count.ts";
import type { Location } from "../../src/core/input.ts";
import type { JobOperation, JobType } from "../../src/core/job-stats.ts";
import {
  type StateHere,
  isDoubtful,
  isHurried,
  isSurelyHere,
  locatedHere,
  mayHaveJob,
} from "../../src/core/locate.ts";
import { othersJob } from "../../src/core/job-stats.ts";
import type { RefusalKind } from "../../src/core/refusal.ts";
import { NOT_BEGUN } from "./fixtures.ts";

const job = (operation: JobOperation, type: JobType = "unbounded"): AnsweredJob => ({
  kind: "stats",
  stats: { ...NOT_BEGUN, operation, type },
});
const refused = (kind: RefusalKind): AnsweredJob => ({ kind: "refused", refusal: { kind } });

describe("this host shows", () => {
  it.each<[StateHere, AnsweredJob | null, Partial<Location>]>([
    ["running", job("migrationOut"), { source: "active", sourceJob: true, job: "migrationOut" }],
    ["saving", job("save"), { source: "active", sourceJob: true, job: "save" }],
    ["running", job("migrationOut", "none"), { source: "active", sourceJob: false }],
    ["running", job("backup"), { source: "active", sourceJob: false, job: "backup" }],
    ["running", { kind: "noAnswer" }, { source: "active", sourceJob: true }],
    ["running", refused("locked"), { source: "active", sourceJob: true }],
    ["running", refused("invalidState"), { source: "active", sourceJob: false }],
    // It has gone since its state was read.
    ["running", refused("noVm"), { source: "unknown", sourceJob: false }],
    ["switching", refused("noVm"), { source: "unknown", sourceJob: false }],
    ["switching", { kind: "incoming" }, { source: "notActive", sourceJob: false }],
    ["postCopy", job("migrationOut"), { source: "pausedCopy", sourceJob: true }],
    ["offMigrated", null, { source: "notActive", sourceJob: false, endedHere: "migrated" }],
    ["off", null, { source: "notActive", sourceJob: false }],
    ["notHere", null, { source: "notActive", sourceJob: false }],
    ["unknown", null, { source: "unknown", sourceJob: false }],
  ])("%s and the job %j", (state, answered, expected) => {
    const { runState, destination, ...located } = locatedHere(state, answered);
    expect(destination).toBe("notAsked");
    expect(runState).toBe(state === "notHere" || state === "unknown" ? undefined : state);
    const named = answered?.kind === "stats" && answered.stats.type !== "none";
    expect(located).toEqual(named ? { job: answered.stats.operation, ...expected } : expected);
  });

  it.each<[StateHere, boolean]>([
    ["running", true],
    ["postCopyFailed", true],
    ["offShutDown", false],
    ["notHere", false],
    ["unknown", false],
  ])("%s: its job can be asked for, %s", (state, expected) => {
    expect(mayHaveJob(state)).toBe(expected);
  });
});

it.each<[Location["source"], boolean, boolean, boolean]>([
  ["active", true, true, true],
  ["active", false, true, false],
  ["active", false, false, true],
  ["switching", true, true, true],
  ["switching", false, false, false],
  ["pausedCopy", true, false, false],
  ["notActive", false, false, false],
])(
  "%s, a job %s, in doubt %s: this host settles it, %s",
  (source, sourceJob, doubtful, expected) => {
    expect(isSurelyHere({ source, sourceJob, destination: "notAsked" }, doubtful)).toBe(expected);
  },
);

it.each([
  ["never began", {}, null, false],
  ["aborted", null, { kind: "aborted" }, false],
  ["failed", null, { kind: "operationFailed" }, true],
  ["succeeded", null, null, true],
] as const)("in doubt, one that %s", (_name, waitingEnd, refusal, expected) => {
  expect(isDoubtful(waitingEnd, refusal)).toBe(expected);
});

it.each([
  [{}, "active", true],
  [{}, "unknown", false],
  [null, "active", false],
] as const)("located again at once: %j, %s", (waitingEnd, source, expected) => {
  expect(isHurried(waitingEnd, source)).toBe(expected);
});

it.each([
  ["migrationOut", "unbounded", "remote", null],
  ["save", "unbounded", "file", null],
  ["save", "unbounded", "remote", "save"],
  ["migrationOut", "unbounded", "file", "migrationOut"],
  ["backup", "unbounded", "remote", "backup"],
  ["backup", "none", "remote", null],
] as const)(
  "a job %s of type %s is not a %s migration's: %s",
  (operation, type, mode, expected) => {
    expect(othersJob({ operation, type }, mode)).toBe(expected);
  },
);
