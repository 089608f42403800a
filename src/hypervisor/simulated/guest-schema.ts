/** A guest as a scenario file has it: sizes in MiB, rates in MiB/s. */
import * as v from "valibot";
import { MIB_BYTES } from "../../core/units.ts";
import type { GuestSpec } from "./guest.ts";
import { PAGE_BYTES, type PageSet } from "./guest-memory.ts";

const name = v.pipe(v.string(), v.minLength(1));
const positive = v.pipe(v.number(), v.finite(), v.gtValue(0));
const notNegative = v.pipe(v.number(), v.finite(), v.minValue(0));
const uuid = v.pipe(v.string(), v.uuid());

const pageSetSchema = v.strictObject({
  MiB: positive,
  dirtyMiBps: notNegative,
  order: v.optional(v.picklist(["sweep", "random"]), "sweep"),
  /** What xbzrle sends of a changed page. */
  deltaBytes: v.optional(notNegative, 64),
});

function pageSetFrom(set: v.InferOutput<typeof pageSetSchema>): PageSet {
  return {
    pages: Math.round((set.MiB * MIB_BYTES) / PAGE_BYTES),
    writesPerSecond: (set.dirtyMiBps * MIB_BYTES) / PAGE_BYTES,
    order: set.order,
    deltaBytes: set.deltaBytes,
  };
}

export const guestSchema = v.pipe(
  v.strictObject({
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
  }),
  v.check(({ memoryMiB, filledMiB, sets }) => {
    const used = sets.reduce((sum, { MiB }) => sum + MiB, filledMiB);
    return used <= memoryMiB;
  }, "a guest's sets and what is filled exceed its memory"),
);

export function guestSpec(guest: v.InferOutput<typeof guestSchema>): GuestSpec {
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
