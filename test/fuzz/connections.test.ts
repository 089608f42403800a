/** The targets behind real sockets; fixed seed and small budget (`npm run fuzz` runs more). */

import { describe, expect, it } from "vitest";
import { runTarget } from "./run.ts";
import { connectionTargets, partOf } from "./targets/all.ts";

const SEED = 1;
/** Across all targets, including those of the other file. */
const INPUTS = 8000;

describe("no crash, no hang, no socket left open, the next valid request is answered", () => {
  it.each(connectionTargets.map((target) => [target.name, target] as const))(
    "%s",
    { timeout: 60_000 },
    async (_name, target) => {
      const budget = { inputs: partOf(INPUTS, target), seed: SEED };
      const { inputs, failures } = await runTarget(target, budget);
      expect(failures).toEqual([]);
      expect(inputs).toBeGreaterThanOrEqual(budget.inputs);
    },
  );
});
