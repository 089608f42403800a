/** `npm run docs`: writes the reference, wholly, into src/docs/reference. */
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { referenceFiles } from "./reference.ts";

/** It runs from dist/docs, at the top of a checkout as in src. */
const folder = join(import.meta.dirname, "../../src/docs/reference");

mkdirSync(folder, { recursive: true });
for (const name of readdirSync(folder)) rmSync(join(folder, name));
for (const [name, text] of referenceFiles()) writeFileSync(join(folder, name), text);
