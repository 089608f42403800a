/**
 * `npm run calibrate`: the same guests migrate for real and simulated, and time, bytes, passes and
 * downtime of both are printed side by side, with the error. Exit status: 0, 1 if a guest did not arrive.
 */
import { parseArgs } from "node:util";
import type { QemuVersion } from "../../src/hypervisor/simulated/qemu-profile.ts";
import type { HostRoot, LabOptions } from "../lab/api.ts";
import { print, withLab } from "../chaos/life.ts";
import { CASES } from "./cases.ts";
import { realGround, simulatedGround } from "./grounds.ts";
import { playCase } from "./play-case.ts";
import { type Pair, summaryOf, tableOf } from "./table.ts";

const VERSIONS: Readonly<Record<string, QemuVersion>> = { trixie: "10.0", forky: "11.1" };

const { suite } = parseArgs({ options: { suite: { type: "string" } } }).values;
const qemu = VERSIONS[suite ?? ""] ?? "7.2";
const named = process.env["LAB_ROOTS"];
const options: LabOptions =
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- calibrate.mjs writes it.
  named === undefined ? {} : { roots: JSON.parse(named) as (HostRoot | null)[] };

process.exitCode = await withLab(async (lab) => {
  const real = await realGround(lab);
  const pairs: Pair[] = [];
  try {
    for (const each of CASES) {
      const simulated = await playCase(await simulatedGround(qemu), each);
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
}, options);
