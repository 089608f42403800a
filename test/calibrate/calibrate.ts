/**
 * `npm run calibrate`: the same guests migrate for real and simulated, and time, bytes, passes and
 * downtime of both are printed side by side, with the error. Exit status: 0, 1 if a guest did not arrive.
 */
import { print, withLab } from "../chaos/life.ts";
import { CASES } from "./cases.ts";
import { realGround, simulatedGround } from "./grounds.ts";
import { playCase } from "./play-case.ts";
import { type Pair, summaryOf, tableOf } from "./table.ts";

process.exitCode = await withLab(async (lab) => {
  const real = realGround(lab);
  const pairs: Pair[] = [];
  try {
    for (const each of CASES) {
      const simulated = await playCase(simulatedGround("7.2"), each);
      const outcomes = await playCase(real, each);
      for (const [at, outcome] of outcomes.entries()) {
        const twin = simulated[at];
        if (twin === undefined) throw new Error(`${each.title}: no simulated guest ${at}`);
        pairs.push({ title: each.title, real: outcome, simulated: twin });
      }
      print(`${each.title}: played`);
      await lab.clear();
    }
  } finally {
    await real.stop();
  }
  for (const line of [...tableOf(pairs), "", ...summaryOf(pairs)]) print(line);
  return 0;
});
