/** The simulated adapter keeps the port's contract: in one process with its world, and over its socket. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { systemClock } from "../../src/clock.ts";
import type { HypervisorEvent } from "../../src/hypervisor/port.ts";
import { SimulatedHypervisor } from "../../src/hypervisor/simulated/hypervisor.ts";
import { LiveWorld, LocalLink } from "../../src/hypervisor/simulated/live-world.ts";
import { parseScenario, worldOf } from "../../src/hypervisor/simulated/scenario.ts";
import { WorldClient } from "../../src/hypervisor/simulated/world-client.ts";
import type { WorldLink } from "../../src/hypervisor/simulated/world-link.ts";
import { WorldServer } from "../../src/hypervisor/simulated/world-server.ts";
import { describeContract } from "./contract.ts";
import type { GuestKind, Stage } from "./stage.ts";

const CALL_TIMEOUT_MS = 300;
/** The simulated world's time goes by so much faster than ours. */
const SPEED = 5;
const fastMs = (): number => systemClock.monotonicMs() * SPEED;
const HOSTS = {
  hosts: ["a", "b"].map((side, at) => ({
    name: `host-${side}`,
    uuid: `11111111-0000-4000-8000-00000000000${at + 1}`,
  })),
};
/** Like the lab's guests. */
const SHAPES: Readonly<Record<GuestKind, object>> = {
  quiet: { filledMiB: 16 },
  endless: { sets: [{ MiB: 16, dirtyMiBps: 20 }] },
};

const reaches: Readonly<
  Record<string, (world: LiveWorld, socket: string) => (host: string) => WorldLink>
> = {
  "in the world's process": (world) => (host) => new LocalLink(world, host),
  "over its socket": (_world, socket) => (host) => new WorldClient(socket, host),
};

describe.each(Object.entries(reaches))("simulated, %s", (_where, reach) => {
  const events = { a: [] as HypervisorEvent[], b: [] as HypervisorEvent[] };
  const folder = mkdtempSync(path.join(tmpdir(), "contract-"));
  const world = new LiveWorld(worldOf(parseScenario(HOSTS), fastMs()), fastMs);
  const server = new WorldServer(world);
  const socket = path.join(folder, "world.sock");
  const linkTo = reach(world, socket);
  const [a, b] = ["host-a", "host-b"].map(
    (host) => new SimulatedHypervisor(linkTo(host), () => CALL_TIMEOUT_MS),
  );
  if (a === undefined || b === undefined) throw new Error("two hosts");

  beforeAll(async () => {
    await server.listen(socket);
    await a.start((event) => events.a.push(event));
    await b.start((event) => events.b.push(event));
  });
  afterAll(async () => {
    await Promise.all([a.stop(), b.stop()]);
    await server.close();
    world.close();
    rmSync(folder, { recursive: true });
  });

  describeContract(() => stageOf(world, { a, b }, folder), events);
});

let guests = 0;
let images = 0;

function stageOf(world: LiveWorld, { a, b }: Pick<Stage, "a" | "b">, folder: string): Stage {
  const make = (what: "start" | "define", shape: object, persistent: boolean): string => {
    guests += 1;
    const vmId = `22222222-0000-4000-8000-${String(guests).padStart(12, "0")}`;
    const guest = { vmId, name: `vm${guests}`, host: "host-a", memoryMiB: 48, persistent };
    const {
      guests: [parsed],
    } = parseScenario({ ...HOSTS, guests: [{ ...guest, ...shape }] });
    if (parsed === undefined) throw new Error("one guest");
    world.befall({ do: what, guest: parsed });
    return vmId;
  };
  const soon = <T>(value: T): Promise<T> => Promise.resolve(value);
  const at = (vmId: string): { host: string; vmId: string } => ({ host: "host-a", vmId });
  return {
    a,
    b,
    destinationUri: "qemu+tcp://host-b/system",
    lookUri: "qemu+tcp://host-b/system",
    migrateUri: undefined,
    startGuest: (kind, persistent = false) => soon(make("start", SHAPES[kind], persistent)),
    defineGuest: () => soon(make("define", SHAPES.quiet, true)),
    hang: (vmId) => {
      world.befall({ do: "stopQemu", ...at(vmId) });
      return soon(() => soon(world.befall({ do: "continueQemu", ...at(vmId) })));
    },
    suspend: (vmId) => soon(world.befall({ do: "suspend", ...at(vmId) })),
    destroy: (vmId) => soon(world.befall({ do: "destroy", ...at(vmId) })),
    cutMigrationLink: () => {
      const link = { between: ["host-a", "host-b"], network: "migration" } as const;
      world.befall({ do: "cut", ...link, between: ["host-a", "host-b"] });
      return soon(() => soon(world.befall({ do: "mend", ...link, between: ["host-a", "host-b"] })));
    },
    killHypervisor: (side) => {
      world.befall({ do: "libvirtDown", host: `host-${side}` });
      return soon(() => soon(world.befall({ do: "libvirtUp", host: `host-${side}` })));
    },
    image: () => {
      images += 1;
      const file = path.join(folder, `image-${images}`);
      return { path: file, seen: file };
    },
  };
}
