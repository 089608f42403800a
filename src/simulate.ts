/**
 * A simulated world as a process of its own, which daemons of several hosts share: it goes on when one of
 * them stops or is killed, as QEMU and libvirt do.
 *
 *   node dist/simulate.js --scenario FILE --socket PATH
 *
 * Says "ready" when daemons can connect (`hypervisor.world_socket`). Ends on SIGTERM or SIGINT.
 */
import { parseArgs } from "node:util";
import { systemClock } from "./clock.ts";
import { messageOf } from "./errors.ts";
import { exitStatus } from "./command-line.ts";
import { liveWorldOf } from "./hypervisor/simulated/scenario-file.ts";
import { WorldServer } from "./hypervisor/simulated/world-server.ts";
import { fail } from "./process-errors.ts";

const USAGE = "usage: simulate --scenario FILE --socket PATH";

async function simulate(scenario: string, socket: string): Promise<void> {
  const world = liveWorldOf(scenario, systemClock);
  const server = new WorldServer(world);
  await server.listen(socket);
  const stop = (): void => {
    world.close();
    void server.close().finally(() => process.exit(0));
  };
  process.once("SIGTERM", stop).once("SIGINT", stop);
  process.stdout.write("ready\n");
}

try {
  const { scenario, socket } = parseArgs({
    options: { scenario: { type: "string" }, socket: { type: "string" } },
  }).values;
  if (scenario === undefined || socket === undefined) fail(exitStatus.usage, USAGE);
  else await simulate(scenario, socket);
} catch (error) {
  fail(exitStatus.failed, messageOf(error));
}
