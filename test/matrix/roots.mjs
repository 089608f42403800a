/**
 * The Debians of the matrix: the machine itself, and root file systems of newer releases, made once
 * and kept outside the tree ($VDSM_MATRIX_ROOTS, or vdsm-migrationd/roots in the user's cache),
 * with the native packages compiled in each. All mounts are in namespaces that end with their
 * process.
 */
import { spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { CHECKOUT } from "../lab/setup.mjs";

const MIRROR = "http://deb.debian.org/debian";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";
const NODE_IN_ROOT = "/usr/bin/node";
/** Ends with its parent process, along with every mount and process inside. */
const CONFINED = "setpriv --pdeathsig KILL unshare --mount --pid --fork --kill-child=KILL".split(
  " ",
);

function say(line) {
  process.stdout.write(`${line}\n`);
}

function cacheFolder() {
  const cache = process.env.XDG_CACHE_HOME ?? path.join(homedir(), ".cache");
  return process.env.VDSM_MATRIX_ROOTS ?? path.join(cache, "vdsm-migrationd/roots");
}

/** The mirror from which this machine installs Debian packages. */
function mirror() {
  const folder = "/etc/apt/sources.list.d";
  const files = existsSync(folder)
    ? readdirSync(folder).map((name) => path.join(folder, name))
    : [];
  for (const file of ["/etc/apt/sources.list", ...files].filter((each) => existsSync(each))) {
    const found = /\b(https?:\/\/\S+\/debian)\/?\s/.exec(readFileSync(file, "utf8"));
    if (found !== null) return found[1];
  }
  return MIRROR;
}

/** Runs a script of this folder confined; its output goes to the log, which an error names. */
function runConfined(script, args, log) {
  const fd = openSync(log, "w");
  const [command, ...rest] = [...CONFINED, "sh", path.join(import.meta.dirname, script), ...args];
  const { status, signal, error } = spawnSync(command, rest, { stdio: ["ignore", fd, fd] });
  if (status !== 0) throw new Error(`${script}: ${error?.message ?? status ?? signal}, see ${log}`);
}

function ensureDebootstrap() {
  if (existsSync("/usr/sbin/debootstrap")) return;
  say("installing debootstrap");
  const options = { stdio: ["ignore", "ignore", "inherit"] };
  spawnSync("apt-get", ["update", "-q"], options);
  const { status } = spawnSync("apt-get", ["install", "-q", "-y", "debootstrap"], options);
  if (status !== 0) throw new Error("debootstrap cannot be installed");
}

function ensureRoot(suite) {
  const cache = cacheFolder();
  const folder = path.join(cache, suite);
  if (existsSync(folder)) return folder;
  ensureDebootstrap();
  say(`making the root of ${suite} in ${folder} (one to three minutes)`);
  const partial = `${folder}.partial`;
  mkdirSync(cache, { recursive: true });
  rmSync(partial, { recursive: true, force: true });
  runConfined("make-root.sh", [suite, partial, mirror(), KEYRING], `${folder}.log`);
  renameSync(partial, folder);
  return folder;
}

function modifiedMs(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** The modification time of the newest native source or build recipe. */
function nativeSourcesMs() {
  const source = path.join(CHECKOUT, "src");
  const packages = readdirSync(source).filter((name) =>
    existsSync(path.join(source, name, "binding.gyp")),
  );
  const files = packages.flatMap((name) => {
    const native = path.join(source, name, "native");
    const sources = readdirSync(native).map((file) => path.join(native, file));
    return [path.join(source, name, "binding.gyp"), ...sources];
  });
  return Math.max(...files.map(modifiedMs));
}

/** npm's folder, for its node-gyp, which Debian's nodejs does not include. */
function npmFolder() {
  const { stdout } = spawnSync("npm", ["root", "--global"], { encoding: "utf8" });
  return path.join(stdout.trim(), "npm");
}

function ensureBuilds(suite, folder) {
  const builds = path.join(CHECKOUT, "test/.build/matrix", suite);
  if (modifiedMs(builds) > Math.max(nativeSourcesMs(), modifiedMs(folder))) return builds;
  say(`compiling the native packages in ${suite}`);
  mkdirSync(path.dirname(builds), { recursive: true });
  runConfined("build-native.sh", [folder, CHECKOUT, npmFolder(), builds], `${builds}.log`);
  return builds;
}

function versionOf(inside, command) {
  const [program, ...args] = [...inside, command, "--version"];
  const { stdout } = spawnSync(program, args, { encoding: "utf8" });
  return /\d+\.\d+\.\d+/.exec(stdout)?.[0] ?? "?";
}

function described(suite, root) {
  const inside = root === null ? [] : ["chroot", root.folder];
  return {
    suite,
    root,
    libvirt: versionOf(inside, "libvirtd"),
    qemu: versionOf(inside, "qemu-system-x86_64"),
    node: versionOf(inside, root === null ? process.execPath : NODE_IN_ROOT),
  };
}

/** The machine's own Debian: no separate root. */
export function machineDebian() {
  const release = readFileSync("/etc/os-release", "utf8");
  return described(/^VERSION_CODENAME=(\S+)$/m.exec(release)?.[1] ?? "this machine", null);
}

/** A newer Debian; made if it does not exist. */
export function debian(suite) {
  const folder = ensureRoot(suite);
  const builds = ensureBuilds(suite, folder);
  return described(suite, { folder, builds, nodePath: NODE_IN_ROOT });
}
