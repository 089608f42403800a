/**
 * A scenario file: the hosts and guests of a simulated world, and what befalls them when. JSON; sizes in
 * MiB, rates in MiB/s, times in seconds from the world's start.
 */
import * as v from "valibot";
import { MIB_BYTES } from "../../core/units.ts";
import { guestSchema, guestSpec } from "./guest-schema.ts";
import { befall, mishapSchema } from "./mishaps.ts";
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
  for (const guest of scenario.guests) {
    world.boot(guest.host, guestSpec(guest), { persistent: guest.persistent, running: true });
  }
  for (const { atSeconds, what } of scenario.events) {
    world.in(atSeconds * 1000, () => befall(world, what));
  }
  return world;
}

function isDistinct(values: readonly string[]): boolean {
  return new Set(values).size === values.length;
}
