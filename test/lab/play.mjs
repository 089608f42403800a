/**
 * Sets the machine up (system packages, node modules, binding, build; nothing of it is done twice)
 * and then plays what has been built from test/ into test/.build. Plain JavaScript without
 * dependencies, since it runs before `npm ci`.
 *
 * The set-up is a process of its own under flock, so that two of them started at once on a fresh
 * machine do not install over each other.
 */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { pathToFileURL } from "node:url";
import {
  CHECKOUT,
  ensureBuild,
  ensureNative,
  ensureNodeModules,
  ensureSystemPackages,
  whatRootIsNeededFor,
} from "./setup.mjs";

const SET_UP = "--set-up";
const TSC = path.join(CHECKOUT, "node_modules/typescript/bin/tsc");

function fail(line) {
  process.stderr.write(`${line}\n`);
  process.exit(1);
}

function setUp() {
  try {
    ensureSystemPackages();
    ensureNodeModules();
    ensureNative();
    ensureBuild();
  } catch (error) {
    fail(`set-up failed: ${error.message}`);
  }
  const built = spawnSync(process.execPath, [TSC, "-b", "test/lab"], {
    cwd: CHECKOUT,
    stdio: "inherit",
  });
  if (built.status !== 0) fail("set-up failed: the lab does not compile");
}

/** `entry`: the file that was started; `built`: below test/.build, what it is to play. */
export async function play(entry, built) {
  const parentPid = process.ppid;
  const needed = whatRootIsNeededFor();
  if (needed !== undefined) fail(needed);
  if (process.argv[2] === SET_UP) return setUp();
  const locked = [path.join(CHECKOUT, "package.json"), process.execPath, entry, SET_UP];
  const done = spawnSync("flock", locked, { stdio: "inherit" });
  if (done.error !== undefined) fail(`set-up failed: ${done.error.message}`);
  if (done.status !== 0) process.exit(done.status ?? 1);
  // Whoever started this has gone meanwhile: npm's shell dies of a SIGTERM and tells nobody.
  if (process.env.npm_lifecycle_event !== undefined && process.ppid !== parentPid)
    process.exit(143);
  await import(pathToFileURL(path.join(CHECKOUT, "test/.build", built)).href);
}
