/**
 * The contract of the hypervisor's port (src/hypervisor/port.ts), as tests that every adapter passes:
 * libvirt's on two real hosts, and the simulated one in this process and over its socket.
 */
import { describe } from "vitest";
import type { HypervisorEvent } from "../../src/hypervisor/port.ts";
import { callsInFlight, lostConnections } from "./calls.ts";
import { idleVms, nothingToDo, theirHost } from "./idle-vms.ts";
import { itsEnds, itsLimits, whatItShows } from "./migrations.ts";
import { postCopies } from "./post-copy.ts";
import type { Stage } from "./stage.ts";
import { leftovers, saves } from "./what-stays.ts";

/** `stage`: valid once the tests run. `events`: of each side since the file began. */
export function describeContract(
  stage: () => Stage,
  events: Readonly<Record<"a" | "b", HypervisorEvent[]>>,
): void {
  describe("VMs that have no job", () => {
    idleVms(stage);
    nothingToDo(stage);
    theirHost(stage);
  });
  describe("a migration", () => {
    whatItShows(stage, events);
    itsLimits(stage);
    itsEnds(stage);
  });
  describe("post-copy", () => postCopies(stage));
  describe("a save", () => saves(stage));
  describe("what is left behind", () => leftovers(stage));
  describe("calls in flight", () => callsInFlight(stage));
  describe("without a hypervisor", () => lostConnections(stage, events));
}
