/**
 * Runs around every host test file (vitest's setupFiles): stops what the previous file left running
 * on the shared lab, and fails a file that leaves something itself. vitest runs `afterAll` hooks in
 * reverse order, so the one here, registered first, runs after those of the file, and it runs even
 * if a hook or a test of the file failed.
 */
import { afterAll, beforeAll } from "vitest";
import { sharedLab } from "./shared-lab.ts";
import { stopLeftovers } from "./leftovers.ts";
import { stopRelays } from "./stomp-line.ts";

beforeAll(async () => {
  // The file is not to blame: its predecessor's worker was killed before it could clean up.
  await stopLeftovers(sharedLab());
});

afterAll(async () => {
  await stopRelays();
  const stopped = await stopLeftovers(sharedLab());
  if (stopped.length > 0) throw new Error(`this test file left running: ${stopped.join("; ")}`);
});
