/**
 * `npm run matrix`: the main cases of the host tests (matrix/cases.json: existing tests and their
 * titles in the table), with the two hosts on each Debian, and from each Debian to newer ones.
 * Daemon, binding, Node, libvirt and QEMU are those of the host's Debian. Run by hand, about two
 * minutes per pair; prints two tables and exits with 1 if a case failed. Arguments select pairs,
 * such as `npm run matrix -- bookworm-trixie`; default: all.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import {
  CHECKOUT,
  ensureBuild,
  ensureNative,
  ensureNodeModules,
  ensureSystemPackages,
  whatRootIsNeededFor,
} from "./lab/setup.mjs";
import { debian, machineDebian } from "./matrix/roots.mjs";

const CASES = JSON.parse(readFileSync(path.join(CHECKOUT, "test/matrix/cases.json"), "utf8"));
const SIGNAL_STATUS = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 };
let playing = null;

function say(line) {
  process.stdout.write(`${line}\n`);
}

/** Each with itself, each to the next newer, and the oldest to the newest. */
function allPairs([oldest, middle, newest]) {
  return [
    [oldest, oldest],
    [middle, middle],
    [newest, newest],
    [oldest, middle],
    [middle, newest],
    [oldest, newest],
  ].map(([from, to]) => ({ from, to, name: `${from.suite}-${to.suite}` }));
}

function vitestArguments(report) {
  const escaped = CASES.map(({ test }) => test.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  return [
    path.join(CHECKOUT, "node_modules/vitest/vitest.mjs"),
    "run",
    "--config=test/vitest.config.ts",
    "--project=hosts",
    `--testNamePattern=(${escaped.join("|")})$`,
    "--reporter=json",
    `--outputFile=${report}`,
    ...new Set(CASES.map(({ file }) => file)),
  ];
}

/** Runs all cases with host-a and host-b on these Debians; returns each case's result by name. */
async function play({ from, to }, folder) {
  const report = path.join(folder, "report.json");
  rmSync(report, { force: true });
  const env = { ...process.env, LAB_ROOTS: JSON.stringify([from.root, to.root]) };
  playing = spawn(process.execPath, vitestArguments(report), {
    cwd: CHECKOUT,
    env,
    stdio: ["ignore", "ignore", "inherit"],
  });
  await once(playing, "exit");
  playing = null;
  const { testResults } = JSON.parse(readFileSync(report, "utf8"));
  return new Map(
    testResults.flatMap((file) => file.assertionResults.map((result) => [result.title, result])),
  );
}

function shown(result) {
  if (result?.status === "passed") return `${(result.duration / 1000).toFixed(1)} s`;
  return result?.status === "failed" ? "failed" : "not run";
}

function row(cells) {
  return `| ${cells.join(" | ")} |`;
}

function table(head, rows) {
  return [row(head), row(head.map(() => "---")), ...rows.map(row)].join("\n");
}

async function main() {
  const needed = whatRootIsNeededFor();
  if (needed !== undefined) throw new Error(needed);
  ensureSystemPackages();
  ensureNodeModules();
  ensureNative();
  ensureBuild();
  const debians = [machineDebian(), debian("trixie"), debian("forky")];
  const wanted = process.argv.slice(2);
  const known = allPairs(debians);
  const pairs = known.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
  if (pairs.length === 0) throw new Error(`pairs: ${known.map(({ name }) => name).join(" ")}`);

  const folder = mkdtempSync(path.join(tmpdir(), "vdsm-matrix-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  const played = [];
  for (const pair of pairs) {
    const results = await play(pair, folder);
    played.push(results);
    for (const { title, test } of CASES) {
      const result = results.get(test);
      say(`${pair.name}: ${title}: ${shown(result)}`);
      for (const why of result?.failureMessages ?? []) say(why);
    }
  }
  const versions = debians.map((each) => [each.suite, each.libvirt, each.qemu, each.node]);
  say(`\n${table(["Debian", "libvirt", "QEMU", "Node"], versions)}\n`);
  const head = ["case", ...pairs.map(({ from, to }) => `${from.suite} to ${to.suite}`)];
  const rows = CASES.map(({ title, test }) => [
    title,
    ...played.map((results) => shown(results.get(test))),
  ]);
  say(table(head, rows));
  const passed = CASES.every(({ test }) =>
    played.every((results) => results.get(test)?.status === "passed"),
  );
  process.exit(passed ? 0 : 1);
}

/** The hosts and their mounts end with vitest. */
function endBy(signal) {
  const status = SIGNAL_STATUS[signal];
  if (playing === null) process.exit(status);
  playing.once("exit", () => process.exit(status));
  playing.kill(signal);
}

for (const signal of Object.keys(SIGNAL_STATUS)) process.once(signal, endBy);

try {
  await main();
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
