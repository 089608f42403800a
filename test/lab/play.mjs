/**
 * Sets the machine up (system packages, node modules, binding, build; nothing is done twice) and
 * then runs a program that was built from test/ into test/.build. Plain JavaScript without
 * dependencies, because it runs before `npm ci`.
 *
 * The setup runs in its own process under flock, so that two of them started at once on a fresh
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

function setUp(packages, project) {
  try {
    ensureSystemPackages(packages);
    ensureNodeModules();
    ensureNative();
    ensureBuild();
  } catch (error) {
    fail(`setup failed: ${error.message}`);
  }
  const built = spawnSync(process.execPath, [TSC, ...project], { cwd: CHECKOUT, stdio: "inherit" });
  if (built.status !== 0) fail("setup failed: the lab does not compile");
}

/**
 * `entry`: the file that was started; `built`: the program to run, relative to test/.build; `packages`:
 * system packages that it needs and the lab does not; `project`: how the compiler builds it; `before`: called when all is set up.
 */
export async function play(
  entry,
  built,
  { packages = [], project = ["-b", "test/lab"], before } = {},
) {
  const parentPid = process.ppid;
  const needed = whatRootIsNeededFor();
  if (needed !== undefined) fail(needed);
  if (process.argv[2] === SET_UP) return setUp(packages, project);
  const locked = [path.join(CHECKOUT, "package.json"), process.execPath, entry, SET_UP];
  const done = spawnSync("flock", locked, { stdio: "inherit" });
  if (done.error !== undefined) fail(`setup failed: ${done.error.message}`);
  if (done.status !== 0) process.exit(done.status ?? 1);
  // Our starter is gone: npm's shell dies of a SIGTERM without telling anyone.
  if (process.env.npm_lifecycle_event !== undefined && process.ppid !== parentPid)
    process.exit(143);
  before?.();
  await import(pathToFileURL(path.join(CHECKOUT, "test/.build", built)).href);
}
