/**
 * `npm run calibrate`: sets the machine up and runs test/calibrate/calibrate.ts, which is compiled
 * together with the daemon's sources.
 */
import { fileURLToPath } from "node:url";
import { play } from "./lab/play.mjs";

const BUILT = "calibrate/test/calibrate/calibrate.js";

await play(fileURLToPath(import.meta.url), BUILT, [], ["-p", "test/calibrate"]);
