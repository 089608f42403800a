/**
 * `npm run bench`: sets the machine up and runs test/bench/bench.ts.
 */
import { fileURLToPath } from "node:url";
import { play } from "./lab/play.mjs";

/** What is measured against. */
const PACKAGES = ["python3-libvirt"];

await play(fileURLToPath(import.meta.url), "bench/bench.js", { packages: PACKAGES });
