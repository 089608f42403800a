/**
 * A short chaos run on two real hosts with a fixed plan: guests migrate back and forth while the
 * things they depend on fail and recover. `npm run chaos` plays any number of other plans.
 */
import { rmSync } from "node:fs";
import { expect, it } from "vitest";
import { actsFrom } from "../chaos/options.ts";
import { runChaos } from "../chaos/run.ts";
import { sharedLab } from "../lab/shared-lab.ts";

const DEADLINE_MS = 300_000;
const IMAGES_FOLDER = "/var/lib/vdsm-migrationd/images";

it(
  "guests go back and forth through whatever comes, and nothing is lost, told twice or left",
  async () => {
    const lines: string[] = [];
    const options = {
      seed: 4,
      firstRound: 1,
      rounds: 3,
      minutes: 4,
      maxGuests: 2,
      maxWaves: 1,
      acts: actsFrom("all"),
    };

    const lab = sharedLab();
    // Earlier test files may have left images; here any image counts as a leak.
    for (const host of lab.hosts) {
      rmSync(host.outsidePath(IMAGES_FOLDER), { recursive: true, force: true });
    }

    const summary = await runChaos(lab, options, (line) => lines.push(line));

    expect(summary.violations, lines.join("\n")).toEqual([]);
    expect(summary.rounds).toBe(options.rounds);
    expect(summary.migrations).toBeGreaterThanOrEqual(options.rounds);
  },
  DEADLINE_MS,
);
