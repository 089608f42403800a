/**
 * `npm run calibrate`: sets the machine up and runs test/calibrate/calibrate.ts, which is compiled
 * together with the daemon's sources. `--suite trixie` or `--suite forky`: both hosts on that Debian,
 * with its QEMU.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { play } from "./lab/play.mjs";
import { debian } from "./matrix/roots.mjs";

const BUILT = "calibrate/test/calibrate/calibrate.js";
const { suite } = parseArgs({
  options: { suite: { type: "string" }, "set-up": { type: "boolean" } },
}).values;

await play(fileURLToPath(import.meta.url), BUILT, {
  project: ["-p", "test/calibrate"],
  before: () => {
    if (suite === undefined) return;
    const { root } = debian(suite);
    process.env.LAB_ROOTS = JSON.stringify([root, root]);
  },
});
