/** A scenario file is checked before a world is made of it, and the document's own example is one. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { parseScenario, worldOf } from "../../../src/hypervisor/simulated/scenario.ts";
import { vmId } from "./worlds.ts";

const HOST = { name: "host-a", uuid: "11111111-0000-4000-8000-000000000001" };
const OTHER = { name: "host-b", uuid: "11111111-0000-4000-8000-000000000002" };
const GUEST = { vmId: vmId(1), name: "vm1", host: "host-a", memoryMiB: 64 };

describe("a scenario", () => {
  it.each([
    ["no hosts", { hosts: [] }, /^hosts: /],
    ["nothing", null, /the scenario: /],
    ["two of one name", { hosts: [HOST, { ...OTHER, name: "host-a" }] }, /two hosts have one name/],
    [
      "two of one uuid",
      { hosts: [HOST, { ...OTHER, uuid: HOST.uuid }] },
      /two hosts have one uuid/,
    ],
    ["an unknown QEMU", { hosts: [{ ...HOST, qemu: "1.0" }] }, /^hosts\.0\.qemu: /],
    ["a link of nothing", { hosts: [{ ...HOST, linkMiBps: 0 }] }, /^hosts\.0\.linkMiBps: /],
    ["an unknown key", { hosts: [{ ...HOST, links: 1 }] }, /^hosts\.0\.links: /],
    ["a guest nowhere", { hosts: [HOST], guests: [{ ...GUEST, host: "x" }] }, /not there/],
    ["a guest twice", { hosts: [HOST], guests: [GUEST, GUEST] }, /twice on one host/],
    [
      "more than memory",
      { hosts: [HOST], guests: [{ ...GUEST, filledMiB: 60, sets: [{ MiB: 5, dirtyMiBps: 1 }] }] },
      /^guests\.0: .* exceed its memory/,
    ],
    [
      "an unknown event",
      { hosts: [HOST], events: [{ atSeconds: 1, what: { do: "explode" } }] },
      /^events\.0\.what\.do: /,
    ],
  ])("with %s is refused", (_what, scenario, message) => {
    expect(() => parseScenario(scenario)).toThrow(message);
  });

  it("as src/docs/simulated.md has it makes a world, and its events come about", () => {
    const docs = path.resolve(import.meta.dirname, "../../../src/docs/simulated.md");
    const [, example = ""] =
      /```json\n(\{\n {2}"hosts"[\s\S]*?)```/.exec(readFileSync(docs, "utf8")) ?? [];
    const world = worldOf(parseScenario(JSON.parse(example)), 0);
    expect(world.host("host-a").active.map((domain) => domain.guest.spec.name)).toEqual(["db"]);
    expect(world.linkUp("host-a", "host-b", "migration")).toBe(true);
    world.advance(60_000);
    expect(world.linkUp("host-a", "host-b", "migration")).toBe(false);
  });
});
