/**
 * Installs what a bare Debian or Ubuntu machine with only Node lacks for the lab: system packages,
 * node modules with the compiled native packages, the build. Plain JavaScript without dependencies,
 * because it runs before `npm ci`. Each step prints one line, or nothing if it is already done;
 * once all are done no network is needed. The machine's own libvirtd, if the packages start one, is
 * never used: the lab's hosts have their own sockets and folders.
 *
 * `node test/lab/setup.mjs` runs all three steps.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

export const CHECKOUT = path.resolve(import.meta.dirname, "../..");

/**
 * libvirt-daemon-system creates the user libvirt-qemu, which libvirtd requires; the last four are
 * for the native packages and the guest's kernel.
 */
const SYSTEM_PACKAGES = [
  "libvirt-daemon-system",
  "libvirt-daemon-driver-qemu",
  "libvirt-clients",
  "qemu-system-x86",
  "iproute2",
  "util-linux",
  "openssl",
  "libvirt-dev",
  "pkg-config",
  "build-essential",
  "python3",
];

/** The packages with C++ code, by their folders' names in src. */
const NATIVE_PACKAGES = ["libvirt", "posix"];

function say(line) {
  process.stdout.write(`${line}\n`);
}

function modifiedMs(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Runs a step; its output is shown only if it fails. */
function run(command, args, env = {}) {
  const done = spawnSync(command, args, {
    cwd: CHECKOUT,
    env: { ...process.env, ...env },
    encoding: "utf8",
    maxBuffer: 256 * 1024 * 1024,
  });
  if (done.status === 0) return;
  const why = done.error?.message ?? `status ${done.status ?? done.signal}`;
  throw new Error(`${command} ${args.join(" ")}: ${why}\n${done.stdout}${done.stderr}`);
}

function isInstalled(name) {
  const query = spawnSync("dpkg-query", ["-W", "-f=${db:Status-Status}", name], {
    encoding: "utf8",
  });
  return query.status === 0 && query.stdout === "installed";
}

export function isRoot() {
  return process.getuid?.() === 0;
}

/** What root is needed for, in one line; undefined if nothing is missing. */
export function whatRootIsNeededFor() {
  if (isRoot()) return undefined;
  const missing = SYSTEM_PACKAGES.filter((name) => !isInstalled(name));
  const packages = missing.length === 0 ? "" : `, and to install ${missing.join(" ")}`;
  return `root is needed for the two hosts (network namespaces and libvirtd)${packages}`;
}

/** `more`: packages that only the caller needs. */
export function ensureSystemPackages(more = []) {
  const missing = [...SYSTEM_PACKAGES, ...more].filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  if (!isRoot()) throw new Error(whatRootIsNeededFor());
  say(`installing ${missing.join(" ")}`);
  const lock = ["-o", "DPkg::Lock::Timeout=120"];
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  run("apt-get", ["update", "-q", ...lock], env);
  run("apt-get", ["install", "-q", "-y", "--no-install-recommends", ...lock, ...missing], env);
}

function newestMs(folder) {
  const files = existsSync(folder) ? readdirSync(folder, { withFileTypes: true }) : [];
  return Math.max(
    0,
    ...files.filter((f) => f.isFile()).map((f) => modifiedMs(path.join(folder, f.name))),
  );
}

function builtMs(source) {
  const folder = path.join(source, "build/Release");
  if (!existsSync(folder)) return 0;
  const built = readdirSync(folder).filter((file) => file.endsWith(".node"));
  return Math.max(0, ...built.map((file) => modifiedMs(path.join(folder, file))));
}

/** The modules of the lock file; installing them compiles the native packages. */
export function ensureNodeModules() {
  const lockMs = modifiedMs(path.join(CHECKOUT, "package-lock.json"));
  if (modifiedMs(path.join(CHECKOUT, "node_modules/.package-lock.json")) < lockMs) {
    say("installing node modules and compiling the native packages (npm ci)");
    run("npm", ["ci"]);
  }
}

/** The native packages, compiled from the current sources. */
export function ensureNative() {
  for (const name of NATIVE_PACKAGES) {
    const source = path.join(CHECKOUT, "src", name);
    const sourceMs = Math.max(
      newestMs(path.join(source, "native")),
      modifiedMs(path.join(source, "binding.gyp")),
    );
    if (builtMs(source) > sourceMs) continue;
    say(`compiling src/${name}`);
    run("npm", ["run", "install", "--workspace", name]);
  }
}

/** tsc itself knows what is up to date. */
export function ensureBuild() {
  run(process.execPath, [path.join(CHECKOUT, "node_modules/typescript/bin/tsc"), "-b", "src"]);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  ensureSystemPackages();
  ensureNodeModules();
  ensureNative();
  ensureBuild();
}
