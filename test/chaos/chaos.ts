/**
 * `npm run chaos`: reads the command line and runs. test/chaos.mjs sets the machine up and then
 * imports this file. Exit status: 0, 1 after a violation, 2 for wrong usage.
 */
import { print, withLab } from "./life.ts";
import { CHAOS_USAGE, readChaosOptions } from "./options.ts";
import { runChaos, summaryLines, type ChaosOptions } from "./run.ts";

function optionsOrExit(): ChaosOptions {
  try {
    return readChaosOptions(process.argv.slice(2));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${why}\n${CHAOS_USAGE}\n`);
    process.exit(2);
  }
}

const options = optionsOrExit();
const status = await withLab(async (lab) => {
  const summary = await runChaos(lab, options, print);
  for (const line of summaryLines(summary)) print(line);
  return summary.violations.length === 0 ? 0 : 1;
});
process.exit(status);
