/**
 * `npm run fuzz -- --inputs 1000000 --seed N`: the targets of test/fuzz with a large budget,
 * divided by their shares, each in its own process. Prints progress, the shrunk input of each
 * failure with the command that repeats it, and a table at the end; fails if anything failed.
 * `--target NAME` runs only that target, `--path P` only one input of it, `--jobs N` that many
 * targets at once. The default seed comes from the clock.
 */
import { fork, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

const ROOT = path.resolve(import.meta.dirname, "..");
const BUILT = new URL(".build/fuzz/test/fuzz/", import.meta.url);
const PROGRESS_EVERY_MS = 10_000;
/** Longer than a child's deadlines and shrinking take: beyond this its event loop is blocked. */
const SILENT_MS_MAX = 180_000;

const { values } = parseArgs({
  options: {
    inputs: { type: "string", default: "100000" },
    seed: { type: "string" },
    target: { type: "string" },
    path: { type: "string" },
    jobs: { type: "string", default: "1" },
  },
});
const seed = Number(values.seed ?? Date.now() % 1_000_000);
const inputs = Number(values.inputs);

function say(line) {
  process.stdout.write(`${line}\n`);
}

const mib = (bytes) => (bytes === undefined ? "" : (bytes / 1_048_576).toFixed(0));

function build() {
  const tsc = path.join(ROOT, "node_modules/typescript/bin/tsc");
  const done = spawnSync(process.execPath, [tsc, "-p", path.join(ROOT, "test/fuzz")], {
    stdio: "inherit",
  });
  if (done.status !== 0) process.exit(1);
}

/** Resolves with the target's outcome; crashes and hangs are failures too. */
function runChild({ name }, budget, folder) {
  const trace = path.join(folder, name);
  const options = ["--target", name, "--inputs", String(budget), "--seed", String(seed)];
  const one = values.path === undefined ? [] : ["--path", values.path];
  const child = fork(new URL("child.js", BUILT), [...options, ...one, "--trace", trace], {
    execArgv: ["--expose-gc"],
  });
  let done = 0;
  let outcome;
  let heardMs = Date.now();
  let saidMs = Date.now();
  const failed = (error, input) => {
    outcome ??= { inputs: done, failures: [{ seed, path: "", input, error }] };
  };
  const watch = setInterval(() => {
    if (Date.now() - heardMs < SILENT_MS_MAX) return;
    failed(`hung: silent for ${SILENT_MS_MAX} ms`, readFileSync(trace, "utf8"));
    child.kill("SIGKILL");
  }, 1000);
  child.on("message", (message) => {
    heardMs = Date.now();
    if (message.kind === "outcome") outcome = message;
    else if (message.kind === "crash") failed(message.error, message.batch);
    else {
      done = message.inputs;
      if (Date.now() - saidMs < PROGRESS_EVERY_MS) return;
      saidMs = Date.now();
      say(`${name}: ${done} of ${budget}`);
    }
  });
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      clearInterval(watch);
      if (outcome === undefined) failed(`ended: ${code ?? signal}`, readFileSync(trace, "utf8"));
      resolve(outcome);
    });
  });
}

function report(name, { failures }) {
  for (const failure of failures) {
    say(`\n${name} FAILED: ${failure.error}\ninput: ${failure.input}`);
    const one = failure.path === "" ? "" : ` --path ${failure.path}`;
    say(`repeat with: npm run fuzz -- --target ${name} --seed ${failure.seed}${one}\n`);
  }
}

function row(name, { inputs: count, seconds, failures, start, end }) {
  const rate = seconds === undefined ? "" : Math.round(count / seconds);
  const cells = [count, rate, failures.length, mib(start?.rssBytes), mib(end?.rssBytes)];
  return `${name.padEnd(18)}${cells.map((cell) => String(cell).padStart(12)).join("")}`;
}

async function main() {
  build();
  const { allTargets } = await import(new URL("targets/all.js", BUILT));
  const chosen = allTargets.filter(({ name }) => name === (values.target ?? name));
  const shares = chosen.reduce((sum, { share }) => sum + share, 0);
  if (shares === 0)
    throw new Error(`unknown target; known are ${allTargets.map(({ name }) => name).join(", ")}`);
  say(`seed ${seed}, ${inputs} inputs`);
  const folder = mkdtempSync(path.join(tmpdir(), "vdsm-fuzz-trace-"));
  const waiting = [...chosen];
  const rows = [];
  let [total, failed] = [0, 0];
  const work = async () => {
    for (let target = waiting.shift(); target !== undefined; target = waiting.shift()) {
      const outcome = await runChild(target, Math.ceil((inputs * target.share) / shares), folder);
      report(target.name, outcome);
      rows.push(row(target.name, outcome));
      say(rows.at(-1));
      total += outcome.inputs;
      failed += outcome.failures.length;
    }
  };
  await Promise.all(Array.from({ length: Number(values.jobs) }, work));
  rmSync(folder, { recursive: true, force: true });
  const names = ["inputs", "per second", "failures", "RSS MiB", "at end"];
  const heading = `${"target".padEnd(18)}${names.map((cell) => cell.padStart(12)).join("")}`;
  say(`\n${[heading, ...rows].join("\n")}`);
  say(`${total} inputs, seed ${seed}, ${failed} failures`);
  process.exit(failed === 0 ? 0 : 1);
}

await main();
