/**
 * One lab host, accessed by its coordinates alone, so any process can attach to a host that another
 * process brought up. Owns what happens inside it (commands, libvirtd, guests); the network between
 * the hosts belongs to lab.ts.
 */
import { writeFileSync } from "node:fs";
import path from "node:path";
import type {
  DomainEntry,
  ExecOptions,
  ExecResult,
  Guest,
  GuestOptions,
  Host,
  HostCoordinates,
  HostRoot,
  LabProcess,
  SpawnOptions,
} from "./api.ts";
import { makeGuest } from "./guest.ts";
import { execInside, spawnInside } from "./inside.ts";

/** The host's own folders; host-init.sh mounts them. */
const OWN_PATHS = [
  "/run/",
  "/etc/libvirt/",
  "/etc/pki/",
  "/etc/vdsm-migrationd/",
  "/var/lib/libvirt/",
  "/var/log/libvirt/",
  "/var/cache/libvirt/",
  "/var/lib/vdsm-migrationd/",
];
const LOG_FOLDER = "/var/log/libvirt";
/** A large guest fills its memory before it counts. */
const FIRST_COUNT_DEADLINE_MS = 60_000;

/** Signals the process named in libvirtd's pid file and returns once it is gone. */
const END_PROCESS = `
pid=$(cat /run/libvirtd.pid 2>/dev/null) || exit 0
kill -s "$1" "$pid" 2>/dev/null || exit 0
while kill -0 "$pid" 2>/dev/null; do sleep 0.02; done`;

/**
 * Destroys and undefines all domains. A stopped QEMU would not react to libvirt's SIGTERM for 15 s,
 * so it is resumed first.
 */
const REMOVE_GUESTS = `
for file in /run/libvirt/qemu/*.pid; do
  [ ! -e "$file" ] || kill -s CONT "$(cat "$file")" 2>/dev/null
done
kill -0 "$(cat /run/libvirtd.pid 2>/dev/null)" 2>/dev/null || libvirtd -d -l || exit 1
for uuid in $(virsh --quiet list --uuid); do virsh --quiet destroy "$uuid"; done
for uuid in $(virsh --quiet list --all --persistent --uuid); do virsh --quiet undefine "$uuid"; done
left=$(virsh --quiet list --all --uuid) && [ -z "$left" ]`;

/** The host with these coordinates; `peers` returns all hosts of the lab, including this one. */
export function attachHost(at: HostCoordinates, peers: () => readonly Host[]): Host {
  return new LabHost(at, peers);
}

/** Parses `virsh list --all` and two `list --name --uuid`, separated by blank lines. */
function parseDomains(listing: string, uuids: string, persistent: string): DomainEntry[] {
  const states = new Map<string, string>();
  for (const line of listing.split("\n")) {
    const match = /^\s*(?:-|\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (match !== null) states.set(match[1] ?? "", match[2] ?? "");
  }
  const lasting = new Set(persistent.split(/\s+/));
  return uuids
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([uuid = "", name = ""]) => {
      const state = states.get(name);
      return state === undefined ? [] : [{ name, uuid, state, persistent: lasting.has(uuid) }];
    });
}

class LabHost implements Host {
  readonly name: string;
  readonly initPid: number;
  readonly folder: string;
  readonly hostUuid: string;
  readonly controlAddress: string;
  readonly migrationAddress: string;
  readonly tls: boolean;
  readonly root: HostRoot | null;
  readonly nodePath: string;
  readonly libvirtUri: string;
  readonly #peers: () => readonly Host[];

  constructor(at: HostCoordinates, peers: () => readonly Host[]) {
    this.name = at.name;
    this.initPid = at.initPid;
    this.folder = at.folder;
    this.hostUuid = at.hostUuid;
    this.controlAddress = at.controlAddress;
    this.migrationAddress = at.migrationAddress;
    this.tls = at.tls;
    this.root = at.root;
    this.nodePath = at.nodePath;
    this.libvirtUri = `qemu+unix:///system?socket=${at.folder}/run/libvirt/libvirt-sock`;
    this.#peers = peers;
  }

  outsidePath(inside: string): string {
    if (!OWN_PATHS.some((own) => inside.startsWith(own))) {
      throw new RangeError(`${inside} is the same file on all hosts and outside`);
    }
    return path.join(this.folder, inside);
  }

  tryExec(
    command: string,
    args: readonly string[] = [],
    options: ExecOptions = {},
  ): Promise<ExecResult> {
    return execInside(this.initPid, command, args, options);
  }

  async exec(
    command: string,
    args: readonly string[] = [],
    options: ExecOptions = {},
  ): Promise<string> {
    const result = await this.tryExec(command, args, options);
    if (result.status === 0) return result.stdout;
    const what = `${command} ${args.join(" ")}`;
    throw new Error(`${this.name}: ${what}: status ${result.status}: ${result.stderr.trim()}`);
  }

  spawn(
    command: string,
    args: readonly string[] = [],
    options: SpawnOptions = {},
  ): Promise<LabProcess> {
    const logName = options.logName ?? `${path.basename(command)}.log`;
    const logPath = this.outsidePath(path.join(LOG_FOLDER, logName));
    return spawnInside(this.initPid, command, args, logPath, options);
  }

  virsh(...args: string[]): Promise<string> {
    return this.exec("virsh", ["--quiet", ...args]);
  }

  async domains(): Promise<readonly DomainEntry[]> {
    // One virsh process for all three, so that they are unlikely to see different moments.
    const mark = "echo ====";
    const lists = ["list --all", "list --all --uuid --name", "list --all --persistent --uuid"];
    const [listing = "", uuids = "", persistent = ""] = (
      await this.virsh(lists.join(`; ${mark}; `))
    ).split("====");
    return parseDomains(listing, uuids, persistent);
  }

  async #handOver(command: "define" | "create", options: GuestOptions): Promise<Guest> {
    const guest = makeGuest(this.#peers(), options);
    const file = `/run/${guest.name}.xml`;
    writeFileSync(this.outsidePath(file), guest.xml);
    await this.virsh(command, file);
    return guest;
  }

  async defineGuest(options: GuestOptions = {}): Promise<Guest> {
    return this.#handOver("define", options);
  }

  async startGuest(options: GuestOptions = {}): Promise<Guest> {
    if (options.persistent === true) {
      const guest = await this.defineGuest(options);
      await this.virsh("start", guest.uuid);
      await guest.counterAdvances({ by: 1, on: this, deadlineMs: FIRST_COUNT_DEADLINE_MS });
      return guest;
    }
    const guest = await this.#handOver("create", options);
    await guest.counterAdvances({ by: 1, on: this, deadlineMs: FIRST_COUNT_DEADLINE_MS });
    return guest;
  }

  async removeGuests(): Promise<void> {
    await this.exec("sh", ["-c", REMOVE_GUESTS]);
  }

  async startLibvirtd(): Promise<void> {
    // -d returns once libvirtd is serving; -l makes it listen on TCP, with or without TLS.
    await this.exec("libvirtd", ["-d", "-l"]);
    // On a host's first start QEMU is probed for about 0.7 s; do it here, not with the first guest.
    await this.virsh("domcapabilities", "--virttype", "qemu");
  }

  async killLibvirtd(): Promise<void> {
    await this.exec("sh", ["-c", END_PROCESS, "end", "KILL"], { deadlineMs: 10_000 });
  }

  async stopLibvirtd(): Promise<void> {
    await this.exec("sh", ["-c", END_PROCESS, "end", "TERM"], { deadlineMs: 30_000 });
  }
}
