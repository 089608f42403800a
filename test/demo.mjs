/**
 * `npm run demo`: sets the machine up and runs test/demo in the terminal.
 */
import { fileURLToPath } from "node:url";
import { play } from "./lab/play.mjs";

await play(fileURLToPath(import.meta.url), "demo/demo.js");
