/**
 * Who may come in: reservations and incoming domains share the slots, a VM that is both counts once.
 * Issue M2, VM.migrationCreate.
 */
import { describe, expect, it } from "vitest";
import {
  type HostDomains,
  NO_RESERVATIONS,
  type Reservations,
  currentReservations,
  release,
  reserve,
  slotsInUse,
} from "../../src/core/reservations.ts";

const LAPSES_AFTER_MS = 30_000;

function host(incoming: readonly string[] = [], arrived: readonly string[] = []): HostDomains {
  return { incoming: new Set(incoming), arrived: new Set(arrived) };
}

function held(...entries: readonly (readonly [vmId: string, source: string, atMs: number])[]) {
  return new Map(
    entries.map(([vmId, source, reservedAtMs]) => [vmId, { vmId, source, reservedAtMs }]),
  );
}

const ask = (reservations: Reservations, vmId: string, source: string, domains: HostDomains) =>
  reserve(reservations, { vmId, source, incomingLimit: 2 }, domains, 1_000);

describe("a limit of two", () => {
  it.each([
    ["nothing there", NO_RESERVATIONS, host(), "reserved"],
    ["one reservation", held(["x", "s", 0]), host(), "reserved"],
    ["two reservations", held(["x", "s", 0], ["y", "s", 0]), host(), "full"],
    ["two incoming", NO_RESERVATIONS, host(["x", "y"]), "full"],
    ["one of each", held(["x", "s", 0]), host(["y"]), "full"],
    ["one VM that is both", held(["x", "s", 0]), host(["x"]), "reserved"],
    ["running VMs take no slot", NO_RESERVATIONS, host([], ["x", "y", "z"]), "reserved"],
    ["the VM runs here", NO_RESERVATIONS, host([], ["vm"]), "exists"],
    ["the VM is arriving already", NO_RESERVATIONS, host(["vm"]), "full"],
    [
      "its slot, the same source, all full",
      held(["vm", "s", 0], ["y", "s", 0]),
      host(),
      "reserved",
    ],
    ["its slot, another source", held(["vm", "other", 0]), host(), "full"],
  ])("%s", (_name, reservations, domains, expected) => {
    expect(ask(reservations, "vm", "s", domains).kind).toBe(expected);
  });

  it("a renewal counts from the renewal", () => {
    const result = ask(held(["vm", "s", 0]), "vm", "s", host());
    expect(result).toEqual({ kind: "reserved", reservations: held(["vm", "s", 1_000]) });
  });

  it("says how many slots are in use", () => {
    expect(ask(held(["x", "s", 0]), "vm", "s", host(["y", "z"]))).toEqual({
      kind: "full",
      slotsInUse: 3,
    });
  });
});

describe("what is left of reservations", () => {
  it.each([
    ["just before it lapses", held(["vm", "s", 0]), host(), LAPSES_AFTER_MS - 1, ["vm"]],
    ["when it lapses", held(["vm", "s", 0]), host(), LAPSES_AFTER_MS, []],
    ["the domain is incoming: it holds the slot itself", held(["vm", "s", 0]), host(["vm"]), 1, []],
    ["the domain has arrived", held(["vm", "s", 0]), host([], ["vm"]), 1, []],
    ["another domain is incoming", held(["vm", "s", 0]), host(["x"]), 1, ["vm"]],
  ])("%s", (_name, reservations, domains, nowMs, left) => {
    const current = currentReservations(reservations, domains, LAPSES_AFTER_MS, nowMs);
    expect([...current.keys()]).toEqual(left);
  });

  it("a released one is gone and the others stay", () => {
    expect([...release(held(["vm", "s", 0], ["x", "s", 0]), "vm").keys()]).toEqual(["x"]);
  });
});

it("a VM that is reserved and incoming takes one slot", () => {
  expect(slotsInUse(held(["x", "s", 0], ["y", "s", 0]), host(["y", "z"]))).toBe(3);
});
