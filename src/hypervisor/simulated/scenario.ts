/**
 * A scenario file: the hosts and guests of a simulated world, and what befalls them when. JSON; sizes in
 * MiB, rates in MiB/s, times in seconds from the world's start.
 */
import * as v from "valibot";
import { MIB_BYTES } from "../../core/units.ts";
import type { GuestSpec } from "./guest.ts";
import { PAGE_BYTES } from "./guest-memory.ts";
import { befall, mishapSchema, pageSetFrom, pageSetSchema } from "./mishaps.ts";
import { qemuProfiles } from "./qemu-profile.ts";
import { World } from "./world.ts";

const name = v.pipe(v.string(), v.minLength(1));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const notNegative = v.pipe(v.number(), v.finite(), v.minValue(0));
const uuid = v.pipe(v.string(), v.uuid());

const hostSchema = v.strictObject({
  name,
  uuid,
  /** By which others reach it, as they stand in URIs; its name always does. */
  addresses: v.optional(v.array(name), []),
  qemu: v.optional(v.picklist(["7.2", "10.0", "11.1"]), "7.2"),
  linkMiBps: v.optional(positive, 1000),
  diskMiBps: v.optional(positive, 200),
});

const guestSchema = v.strictObject({
  vmId: uuid,
  name,
  host: name,
  memoryMiB: positive,
  /** Of its memory, what holds something and lies still; the rest, but for the sets, is zero. */
  filledMiB: v.optional(notNegative, 0),
  sets: v.optional(v.array(pageSetSchema), []),
  persistent: v.optional(v.boolean(), true),
  vcpus: v.optional(v.pipe(positive, v.integer()), 1),
  numaNodes: v.optional(v.pipe(notNegative, v.integer()), 0),
  graphics: v.optional(v.array(v.picklist(["spice", "vnc", "other"])), []),
  /** Of its CPUs' time, what it needs to write as fast as it does. */
  busyShare: v.optional(v.pipe(positive, v.maxValue(1)), 1),
});

const scenarioSchema = v.pipe(
  v.strictObject({
    hosts: v.pipe(v.array(hostSchema), v.minLength(1)),
    guests: v.optional(v.array(guestSchema), []),
    events: v.optional(v.array(v.strictObject({ atSeconds: notNegative, what: mishapSchema })), []),
  }),
  v.check(({ hosts }) => isDistinct(hosts.map((each) => each.name)), "two hosts have one name"),
  v.check(({ hosts }) => isDistinct(hosts.map((each) => each.uuid)), "two hosts have one uuid"),
  v.check(
    ({ guests }) => isDistinct(guests.map(({ vmId, host }) => `${vmId} ${host}`)),
    "a guest is twice on one host",
  ),
  v.check(
    ({ guests }) =>
      guests.every(({ memoryMiB, filledMiB, sets }) => {
        const used = sets.reduce((sum, { MiB }) => sum + MiB, filledMiB);
        return used <= memoryMiB;
      }),
    "a guest's sets and what is filled exceed its memory",
  ),
  v.check(({ hosts, guests }) => {
    const names = new Set(hosts.map((each) => each.name));
    return guests.every(({ host }) => names.has(host));
  }, "a guest is on a host that is not there"),
);

export type Scenario = v.InferOutput<typeof scenarioSchema>;

/** **Fails**: an Error that says where in the scenario what is wrong. */
export function parseScenario(json: unknown): Scenario {
  const parsed = v.safeParse(scenarioSchema, json);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new Error(`${v.getDotPath(issue) ?? "the scenario"}: ${issue.message}`);
}

/** The world as the scenario has it at its start, with what will befall it. */
export function worldOf(scenario: Scenario, nowMs: number): World {
  const world = new World(
    scenario.hosts.map((host) => ({
      name: host.name,
      uuid: host.uuid,
      addresses: host.addresses,
      profile: qemuProfiles[host.qemu],
      linkBytesPerSecond: host.linkMiBps * MIB_BYTES,
      diskBytesPerSecond: host.diskMiBps * MIB_BYTES,
    })),
    nowMs,
  );
  for (const guest of scenario.guests) world.boot(guest.host, guestSpec(guest), guest.persistent);
  for (const { atSeconds, what } of scenario.events) {
    world.in(atSeconds * 1000, () => befall(world, what));
  }
  return world;
}

export function guestSpec(guest: Scenario["guests"][number]): GuestSpec {
  const pagesOf = (MiB: number): number => Math.round((MiB * MIB_BYTES) / PAGE_BYTES);
  const sets = guest.sets.map(pageSetFrom);
  const used = sets.reduce((sum, { pages }) => sum + pages, pagesOf(guest.filledMiB));
  const pages = pagesOf(guest.memoryMiB);
  return {
    vmId: guest.vmId,
    name: guest.name,
    memory: { pages, zeroPages: Math.max(0, pages - used), sets },
    vcpus: guest.vcpus,
    numaNodes: guest.numaNodes,
    graphics: guest.graphics,
    disks: [],
    hostDevices: [],
    busyShare: guest.busyShare,
  };
}

function isDistinct(values: readonly string[]): boolean {
  return new Set(values).size === values.length;
}
