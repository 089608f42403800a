/**
 * Runs one target in its own process for `npm run fuzz`: its arguments say what to run, and it
 * reports progress and the outcome to its parent. An uncaught error would end the daemon, so it
 * ends this process, with the inputs that caused it.
 */

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { runTarget } from "./run.ts";
import { allTargets } from "./targets/all.ts";

const { values } = parseArgs({
  options: {
    target: { type: "string", default: "" },
    inputs: { type: "string", default: "0" },
    seed: { type: "string", default: "0" },
    path: { type: "string" },
    trace: { type: "string" },
  },
});

function say(message: object): void {
  process.send?.(message);
}

let lastBatch: (() => string) | undefined;

for (const kind of ["uncaughtException", "unhandledRejection"] as const) {
  process.on(kind, (error: unknown) => {
    const stack = error instanceof Error ? error.stack : String(error);
    say({ kind: "crash", error: `${kind}: ${stack}`, batch: lastBatch?.() ?? "" });
    process.disconnect?.();
    setImmediate(() => process.exit(1));
  });
}

const target = allTargets.find(({ name }) => name === values.target);
if (target === undefined) throw new Error(`unknown target ${values.target}`);
const { path, trace } = values;
const outcome = await runTarget(target, {
  inputs: Number(values.inputs),
  seed: Number(values.seed),
  ...(path !== undefined && { path }),
  onBatch: (text) => {
    lastBatch = text;
    if (trace !== undefined) writeFileSync(trace, text());
  },
  onProgress: (inputs) => say({ kind: "progress", inputs }),
});
say({ kind: "outcome", ...outcome });
process.disconnect?.();
