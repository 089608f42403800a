/** libvirt's adapter keeps the port's contract, on two real hosts. */
import { afterAll, afterEach, beforeAll } from "vitest";
import { systemClock } from "../../../src/clock.ts";
import type { HypervisorEvent } from "../../../src/hypervisor/port.ts";
import { LibvirtHypervisor } from "../../../src/hypervisor/libvirt/hypervisor.ts";
import { createLog } from "../../../src/logger.ts";
import { open } from "libvirt";
import type { Guest, GuestOptions } from "../../lab/api.ts";
import { sharedLab } from "../../lab/shared-lab.ts";
import { describeContract } from "../contract.ts";
import type { GuestKind } from "../stage.ts";

const CALL_TIMEOUT_MS = 3_000;
const SHAPES: Readonly<Record<GuestKind, GuestOptions>> = {
  quiet: { filledMiB: 16 },
  endless: { workingSetMiB: 16, ratePagesPerSecond: 5120 },
};

const lab = sharedLab();
const log = createLog({ level: "error" });
const events = { a: [] as HypervisorEvent[], b: [] as HypervisorEvent[] };
const [a, b] = [lab.a, lab.b].map(
  ({ libvirtUri: uri }) =>
    new LibvirtHypervisor({ uri, callTimeoutMs: () => CALL_TIMEOUT_MS }, systemClock, log),
);
if (a === undefined || b === undefined) throw new Error("two hosts");
const guests = new Map<string, Guest>();
let images = 0;

function guestOf(vmId: string): Guest {
  const guest = guests.get(vmId);
  if (guest === undefined) throw new Error(`no guest ${vmId}`);
  return guest;
}

beforeAll(async () => {
  await a.start((event) => events.a.push(event));
  await b.start((event) => events.b.push(event));
});
afterEach(() => lab.clear());
afterAll(() => Promise.all([a.stop(), b.stop()]));

describeContract(
  () => ({
    a,
    b,
    destinationUri: "qemu+tcp://host-b/system",
    lookUri: lab.b.libvirtUri,
    migrateUri: `tcp://${lab.b.migrationAddress}`,
    startGuest: async (kind, persistent = false) => {
      const guest = await lab.a.startGuest({ ...SHAPES[kind], persistent });
      guests.set(guest.uuid, guest);
      return guest.uuid;
    },
    defineGuest: async () => (await lab.a.defineGuest()).uuid,
    hang: async (vmId) => {
      await guestOf(vmId).stopQemu(lab.a);
      // A call to QEMU that gets no answer holds the domain's job lock; others then wait for it.
      const holder = await open(lab.a.libvirtUri);
      const holding = (await holder.lookupByUuid(vmId)).suspend().catch(() => undefined);
      return async () => {
        await guestOf(vmId).contQemu(lab.a);
        await holding;
        await holder.close();
      };
    },
    suspend: async (vmId) => {
      await lab.a.virsh("suspend", vmId);
    },
    destroy: async (vmId) => {
      await lab.a.virsh("destroy", vmId);
    },
    cutMigrationLink: async () => {
      await lab.cut("migration", "down");
      return () => lab.restore("migration");
    },
    killHypervisor: async (side) => {
      await lab[side].killLibvirtd();
      return () => lab[side].startLibvirtd();
    },
    image: () => {
      images += 1;
      const file = `/var/lib/libvirt/contract-${images}`;
      return { path: file, seen: lab.a.outsidePath(file) };
    },
  }),
  events,
);
