/**
 * `npm run soak -- --minutes 60`: sets the machine up and runs test/chaos/soak.ts.
 */
import { fileURLToPath } from "node:url";
import { play } from "./lab/play.mjs";

await play(fileURLToPath(import.meta.url), "chaos/soak.js");
