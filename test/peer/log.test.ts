/** What is said of a destination that does not answer: once, and of halving only where something goes. */
import { createServer } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { systemClock } from "../../src/clock.ts";
import { createLog } from "../../src/logger.ts";
import { PeerClient } from "../../src/peer/peer-client.ts";
import { Peer } from "../../src/peer/peer.ts";

/** A port where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

it("is said once, and once more when a migration is halved for it", async () => {
  const said: unknown[] = [];
  const log = createLog({
    level: "info",
    stream: { write: (line) => void said.push(JSON.parse(line).msg) },
  });
  const nowMs = (): number => systemClock.monotonicMs();
  const client = new PeerClient(null, nowMs, () => 1_000);
  onTestFinished(() => client.close());
  const address = { host: "127.0.0.1", port: await closedPort() };
  const peer = new Peer(address, client, log, { deadlineMs: () => 1_000, nowMs });

  await peer.askCounts(false);
  await peer.askCounts(false);
  expect(said).toEqual(["destination does not answer"]);

  await peer.askCounts(true);
  await peer.askCounts(true);
  await peer.askCounts(false);
  expect(said).toEqual([
    "destination does not answer",
    "destination does not answer, halving the bandwidth of migrations to it",
  ]);
  expect(peer.counts()).toEqual({ kind: "unknown", silentQueries: 5 });
});
