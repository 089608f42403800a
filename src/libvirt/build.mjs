// Compiles native/ into build/Release/node_libvirt.node, at `npm ci` and by hand (`node build.mjs`).
// It uses npm's own node-gyp and the headers installed beside the running node, so nothing is
// downloaded. What is missing is said in one line; nothing is skipped.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = dirname(fileURLToPath(import.meta.url));

/** @param {string} message */
function fail(message) {
  process.stderr.write(`libvirt: ${message}\n`);
  process.exit(1);
}

/** @param {string} command @param {string[]} args */
function answers(command, args) {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

function checkTools() {
  const compiler = process.env["CXX"] ?? "g++";
  if (!answers(compiler, ["--version"])) {
    fail(`no C++ compiler (${compiler}); on Debian and Ubuntu: apt-get install build-essential`);
  }
  if (!answers("make", ["--version"])) {
    fail("make is missing; on Debian and Ubuntu: apt-get install build-essential");
  }
  if (!answers("python3", ["--version"])) {
    fail("python3 is missing, which node-gyp needs; apt-get install python3");
  }
  if (!answers("pkg-config", ["--version"])) {
    fail("pkg-config is missing; on Debian and Ubuntu: apt-get install pkg-config");
  }
  // 8.5 brought virDomainAbortJobFlags, the newest function in use.
  if (!answers("pkg-config", ["--atleast-version=8.5", "libvirt"])) {
    fail(
      "libvirt's headers, 8.5 or newer, are missing; on Debian and Ubuntu: apt-get install libvirt-dev",
    );
  }
}

/** The folder that holds include/node/node_api.h of the running node. */
function headers() {
  const beside = dirname(dirname(process.execPath));
  const real = dirname(dirname(realpathSync(process.execPath)));
  const found = [beside, real].find((prefix) =>
    existsSync(join(prefix, "include/node/node_api.h")),
  );
  if (found === undefined) {
    fail(
      `no include/node/node_api.h in ${real}; install Node's headers (libnode-dev, or Node's own archive)`,
    );
  }
  return found;
}

/** npm's own node-gyp: npm says where, or it is found beside npm. */
function nodeGyp() {
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
  if (found === undefined)
    fail("npm's node-gyp is not to be found; run this by `npm ci`, or install npm");
  return found;
}

checkTools();
const args = [nodeGyp(), "rebuild", "--jobs=max", `--nodedir=${headers()}`];
const built = spawnSync(process.execPath, args, { cwd: folder, stdio: "inherit" });
if (built.status !== 0) fail("compiling native/ failed; the compiler's messages are above");
