/**
 * `npm run chaos -- --minutes 30 --seed N`: sets the machine up and runs test/chaos/chaos.ts.
 */
import { fileURLToPath } from "node:url";
import { play } from "./lab/play.mjs";

await play(fileURLToPath(import.meta.url), "chaos/chaos.js");
