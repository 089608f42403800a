/**
 * The lab: hosts on one machine, brought up and torn down as a whole.
 *
 * Each host is one process tree (process 1 is host-init.sh) in unnamed network, mount, hostname and
 * process namespaces, so no process, mount or interface can outlive it. When the process that
 * called `Lab.up` ends, for whatever reason, the kernel kills process 1 and with it the tree. The
 * folder is removed by the reaper: a shell that holds one end of a pipe and cleans up when the
 * other end closes. It kills only the process IDs it was given, never by name.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { CutKind, Host, LabCoordinates, LabHandle, LabOptions, LinkName } from "./api.ts";
import { guestImage } from "./guest-image.ts";
import { checkoutFolder } from "./checkout.ts";
import { attachHost } from "./host.ts";
import { type HostPlan, planHost, writeHostFolder } from "./host-config.ts";
import { cutLink, layLinks, restoreLink } from "./network.ts";
import { AUTHORITY_FOLDER, makeAuthority } from "./pki.ts";

const MAX_HOSTS = 8;
const INIT_DEADLINE_MS = 10_000;

/** Reads process IDs until the pipe closes, then kills them and removes the folder. */
const REAPER = `
pids=
while read -r pid; do pids="$pids $pid"; done
[ -z "$pids" ] || kill -KILL $pids 2>/dev/null
rounds=0
while [ -n "$pids" ] && kill -0 $pids 2>/dev/null && [ $rounds -lt 200 ]; do
  sleep 0.02
  rounds=$((rounds + 1))
done
rm -rf "$1"`;

const NAMESPACES = ["--net", "--mount", "--uts", "--pid", "--fork", "--kill-child=KILL"];

function hostInitScript(): string {
  return path.join(checkoutFolder(), "test/lab/host-init.sh");
}

/** Starts a host's process 1 and resolves with its ID once its mounts are done. */
async function startInit(plan: HostPlan): Promise<number> {
  const { root } = plan;
  const inRoot = root === null ? [] : [root.folder, checkoutFolder(), root.builds];
  const init = ["sh", hostInitScript(), plan.folder, plan.name, ...inRoot];
  const child = spawn("setpriv", ["--pdeathsig", "KILL", "unshare", ...NAMESPACES, "--", ...init], {
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  return new Promise((resolve, reject) => {
    let output = "";
    const fail = (why: string): void => reject(new Error(`${plan.name} ${why}: ${output}`));
    const timer = setTimeout(() => fail("was not ready in time"), INIT_DEADLINE_MS);
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      const ready = /^ready (\d+)$/m.exec(output);
      if (ready === null) return;
      clearTimeout(timer);
      // Neither the pipes nor the child should keep the test process alive.
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
      resolve(Number(ready[1]));
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.once("error", reject);
    child.once("exit", () => {
      clearTimeout(timer);
      fail("did not start");
    });
  });
}

/** Attaches to a lab that this or another process brought up. */
export function attachLab(coordinates: LabCoordinates): LabHandle {
  return new AttachedLab(coordinates);
}

class AttachedLab implements LabHandle {
  readonly coordinates: LabCoordinates;
  readonly hosts: readonly Host[];

  constructor(coordinates: LabCoordinates) {
    this.coordinates = coordinates;
    this.hosts = coordinates.hosts.map((host) => attachHost(host, () => this.hosts));
  }

  #host(index: number): Host {
    const host = this.hosts[index];
    if (host === undefined) throw new RangeError(`the lab has only ${this.hosts.length} hosts`);
    return host;
  }

  get a(): Host {
    return this.#host(0);
  }

  get b(): Host {
    return this.#host(1);
  }

  cut(link: LinkName, kind: CutKind): Promise<void> {
    return cutLink(this.hosts, link, kind);
  }

  restore(link: LinkName): Promise<void> {
    return restoreLink(this.hosts, link);
  }

  async clear(): Promise<void> {
    await this.restore("control");
    await this.restore("migration");
    await Promise.all(this.hosts.map((host) => host.removeGuests()));
  }
}

/** A private lab; whoever brings it up must take it down. */
export class Lab extends AttachedLab {
  readonly #reaper: ChildProcess;
  #down: Promise<void> | undefined;

  private constructor(coordinates: LabCoordinates, reaper: ChildProcess) {
    super(coordinates);
    this.#reaper = reaper;
  }

  /** Brings up the hosts, each running libvirtd. Needs root; leaves nothing behind if it fails. */
  static async up(options: LabOptions = {}): Promise<Lab> {
    const count = options.hosts ?? 2;
    if (count < 1 || count > MAX_HOSTS) throw new RangeError(`hosts must be 1 to ${MAX_HOSTS}`);
    if (process.getuid?.() !== 0) throw new Error("the lab needs root: namespaces and libvirtd");
    const kernel = guestImage();
    const folder = mkdtempSync(path.join(tmpdir(), "vdsm-lab-"));
    chmodSync(folder, 0o755);
    const reaper = spawn("sh", ["-c", REAPER, "lab-reaper", folder], {
      stdio: ["pipe", "ignore", "ignore"],
      detached: true,
    });
    reaper.stdin?.on("error", () => undefined);
    reaper.unref();
    try {
      const plans = Array.from({ length: count }, (_, index) => planHost(folder, index, options));
      if (options.tls === true) makeAuthority(path.join(folder, AUTHORITY_FOLDER));
      const hosts = await Promise.all(
        plans.map(async (plan) => {
          writeHostFolder(plan, plans, kernel, options);
          const initPid = await startInit(plan);
          reaper.stdin?.write(`${initPid}\n`);
          return { ...plan, initPid };
        }),
      );
      const lab = new Lab({ folder, hosts }, reaper);
      await layLinks(lab.hosts);
      await Promise.all(lab.hosts.map((host) => host.startLibvirtd()));
      return lab;
    } catch (error) {
      await reap(reaper);
      throw error;
    }
  }

  /** Ends every process of the lab and removes its folder; a second call waits for the first. */
  down(): Promise<void> {
    this.#down ??= reap(this.#reaper);
    return this.#down;
  }
}

async function reap(reaper: ChildProcess): Promise<void> {
  if (reaper.exitCode !== null) return;
  const gone = once(reaper, "exit");
  reaper.ref();
  reaper.stdin?.end();
  await gone;
}
