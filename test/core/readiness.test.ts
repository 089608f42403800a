/** Which VM may go, which waits and which never will, and which of two reasons is said. */
import { expect, it } from "vitest";
import { type JobNow, readinessOf, type VmNow } from "../../src/core/readiness.ts";
import { runStateRow, RUN_STATES } from "../../src/core/run-state.ts";

const NO_JOB: JobNow = { kind: "stats", stats: { type: "none", operation: "unknown" } };
const DUMP: JobNow = { kind: "stats", stats: { type: "bounded", operation: "dump" } };
const REFUSAL = { kind: "locked", code: 68, message: "cannot acquire state change lock" } as const;
const READY: VmNow = { runState: "running", job: NO_JOB, placementFault: null };

const later = (reason: string) => ({ kind: "later", reason });
const never = (message: string, isRequestAtFault = false) => ({
  kind: "never",
  message,
  isRequestAtFault,
});

it.each<[string, Partial<VmNow>, object]>([
  ["nothing is in its way", {}, { kind: "ready" }],
  ["suspended", { runState: "suspended" }, { kind: "ready" }],
  [
    "it is off, whatever its job",
    { runState: "offShutDown", job: DUMP },
    never("the VM is no longer running"),
  ],
  ["another party's job", { job: DUMP }, later("the VM has a libvirt job: dump")],
  [
    "a job, which may be why its state forbids it",
    { job: DUMP, runState: "dumping" },
    later("the VM has a libvirt job: dump"),
  ],
  ["it is arriving", { job: { kind: "incoming" } }, later("the VM is arriving on this host")],
  ["libvirt is silent", { job: { kind: "noAnswer" } }, later("libvirt does not answer")],
  ["libvirt refuses", { job: { kind: "refused", refusal: REFUSAL } }, later(REFUSAL.message)],
  ["the request does not fit", { placementFault: "2 of 1" }, never("2 of 1", true)],
  [
    "the request does not fit, but first its job",
    { placementFault: "2 of 1", job: DUMP },
    later("the VM has a libvirt job: dump"),
  ],
])("%s", (_name, vm, expected) => {
  expect(readinessOf({ ...READY, ...vm })).toEqual(expected);
});

it.each(RUN_STATES)("in state %s it goes only if the table of states says so", (runState) => {
  const isReady = readinessOf({ ...READY, runState }).kind === "ready";
  expect(isReady).toBe(runStateRow(runState).mayNotMigrate === null);
});
