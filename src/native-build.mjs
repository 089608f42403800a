// How a native package of this repository is compiled: with npm's own node-gyp and the headers
// installed beside the running node, so nothing is downloaded. What is missing is said in one line;
// nothing is skipped. It knows no package: each has a build.mjs that says what else it needs.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";

/** @param {string} name @param {string} message @returns {never} */
export function fail(name, message) {
  process.stderr.write(`${name}: ${message}\n`);
  process.exit(1);
}

/** @param {string} command @param {string[]} args */
export function answers(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

/** @param {string} name */
function checkTools(name) {
  const compiler = process.env["CXX"] ?? "g++";
  if (!answers(compiler, ["--version"])) {
    fail(
      name,
      `no C++ compiler (${compiler}); on Debian and Ubuntu: apt-get install build-essential`,
    );
  }
  if (!answers("make", ["--version"])) {
    fail(name, "make is missing; on Debian and Ubuntu: apt-get install build-essential");
  }
  if (!answers("python3", ["--version"])) {
    fail(name, "python3 is missing, which node-gyp needs; apt-get install python3");
  }
}

/** The folder that holds include/node/node_api.h of the running node. @param {string} name */
function headers(name) {
  const beside = dirname(dirname(process.execPath));
  const real = dirname(dirname(realpathSync(process.execPath)));
  const found = [beside, real].find((prefix) =>
    existsSync(join(prefix, "include/node/node_api.h")),
  );
  return (
    found ??
    fail(
      name,
      `no include/node/node_api.h in ${real}; install Node's headers (libnode-dev, or Node's own archive)`,
    )
  );
}

/** npm's own node-gyp: npm says where, or it is found beside npm. @param {string} name */
function nodeGyp(name) {
  const candidates = [process.env["npm_config_node_gyp"]];
  const npm = process.env["npm_execpath"];
  if (npm !== undefined)
    candidates.push(join(dirname(npm), "../node_modules/node-gyp/bin/node-gyp.js"));
  try {
    const root = execFileSync("npm", ["root", "--global"], { encoding: "utf8" }).trim();
    candidates.push(join(root, "npm/node_modules/node-gyp/bin/node-gyp.js"));
  } catch {
    // Without npm on the path the two above must do.
  }
  const found = candidates.find((path) => path !== undefined && existsSync(path));
  return found ?? fail(name, "npm's node-gyp is not to be found; run `npm ci`, or install npm");
}

/** Compiles the package in the folder, by its binding.gyp. @param {string} name @param {string} folder */
export function build(name, folder) {
  checkTools(name);
  const args = [nodeGyp(name), "rebuild", "--jobs=max", `--nodedir=${headers(name)}`];
  const built = spawnSync(process.execPath, args, { cwd: folder, stdio: "inherit" });
  if (built.status !== 0) fail(name, "compiling native/ failed; the compiler's messages are above");
}
