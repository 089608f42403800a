/**
 * What acts work with: the two hosts, the round's guests and where each is when the wave begins,
 * and access to everything that can be disturbed. Acts refer to a host as a guest's source or
 * destination, so that a plan means the same wherever the guests have ended up.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { CutKind, Guest, Host, LabHandle, LinkName } from "../lab/api.ts";
import type { Exclusive } from "./exclusive.ts";
import type { Ledger } from "./ledger.ts";
import type { Answer, Site } from "./site.ts";
import type { Timeline } from "./timeline.ts";

/** The host that a guest is on when the wave begins, or the other one. */
export type Side = "source" | "destination";
/** One of the two hosts. */
export type HostIndex = 0 | 1;

export interface Player {
  readonly label: string;
  readonly guest: Guest;
  readonly persistent: boolean;
  /** Where it is when the wave begins. */
  home: HostIndex;
  /** Whether it was suspended and not yet resumed. */
  suspended: boolean;
  /** Whether somebody other than the daemons may have moved it in this wave. */
  movedByOthers: boolean;
}

const LIBVIRTD_SIGNAL = 'kill -s "$1" "$(cat /run/libvirtd.pid)"';
const LIBVIRTD_RUNS = 'kill -0 "$(cat /run/libvirtd.pid)"';

export class Stage {
  readonly lab: LabHandle;
  readonly sites: readonly [Site, Site];
  readonly players: readonly Player[];
  readonly ledger: Ledger;
  readonly timeline: Timeline;
  readonly #exclusive: Exclusive;
  #disturbances = 0;
  #calmSinceMs = 0;

  constructor(
    parts: Pick<Stage, "lab" | "sites" | "players" | "ledger" | "timeline"> & {
      readonly exclusive: Exclusive;
    },
  ) {
    this.lab = parts.lab;
    this.sites = parts.sites;
    this.players = parts.players;
    this.ledger = parts.ledger;
    this.timeline = parts.timeline;
    this.#exclusive = parts.exclusive;
  }

  player(index: number): Player {
    const player = this.players[index];
    if (player === undefined) throw new RangeError(`no guest number ${index}`);
    return player;
  }

  site(player: Player, side: Side): Site {
    const here = player.home;
    return this.sites[side === "source" ? here : here === 0 ? 1 : 0];
  }

  /** Since when nothing is disturbed; null if something is. */
  get calmSinceMs(): number | null {
    return this.#disturbances > 0 ? null : this.#calmSinceMs;
  }

  /** Asks `site` to migrate the guest to the other host, and records the request. */
  async migrate(player: Player, site: Site, params: Record<string, unknown>): Promise<Answer> {
    const vmID = player.guest.uuid;
    const answer = await site.call("VM.migrate", { vmID, params });
    if (answer.kind === "lost") this.ledger.perhaps(site.name, vmID);
    if (answer.kind === "result") this.ledger.accepted(site.name, vmID);
    return answer;
  }

  cut(link: LinkName, kind: CutKind, forMs: number): Promise<void> {
    return this.#disturb(`${link} link`, async () => {
      await this.lab.cut(link, kind);
      await delay(forMs);
      await this.lab.restore(link);
    });
  }

  killDaemon(site: Site, downMs: number): Promise<void> {
    return this.#disturb(`kill ${site.name}`, () => site.killDaemon(downMs));
  }

  terminateDaemon(site: Site, downMs: number): Promise<void> {
    return this.#disturb(`stop ${site.name}`, () => site.terminateDaemon(downMs));
  }

  killLibvirtd(host: Host, downMs: number): Promise<void> {
    return this.#disturb(`libvirtd of ${host.name}`, async () => {
      await host.killLibvirtd();
      await delay(downMs);
      await host.startLibvirtd();
    });
  }

  pauseLibvirtd(host: Host, forMs: number): Promise<void> {
    return this.#disturb(`libvirtd of ${host.name}`, async () => {
      await host.exec("sh", ["-c", LIBVIRTD_SIGNAL, "kill", "STOP"]);
      await delay(forMs);
      await host.exec("sh", ["-c", LIBVIRTD_SIGNAL, "kill", "CONT"]);
    });
  }

  /** Resolves with false if it has no QEMU there. */
  pauseQemu({ guest }: Player, host: Host, forMs: number): Promise<boolean> {
    return this.#disturb(`QEMU of ${guest.name} on ${host.name}`, async () => {
      const pid = guest.qemuPid(host);
      if (pid === undefined) return false;
      const signal = (name: string) => host.tryExec("sh", ["-c", `kill -s ${name} ${pid}`]);
      if ((await signal("STOP")).status !== 0) return false;
      await delay(forMs);
      await signal("CONT");
      return true;
    });
  }

  /** Repairs what the acts left behind: restores links, starts libvirtds and daemons. */
  async heal(): Promise<void> {
    for (const link of ["control", "migration"] as const) {
      await this.#disturb(`${link} link`, () => this.lab.restore(link));
    }
    for (const site of this.sites) {
      await this.#disturb(`libvirtd of ${site.name}`, async () => {
        const runs = await site.host.tryExec("sh", ["-c", LIBVIRTD_RUNS]);
        if (runs.status !== 0) await site.host.startLibvirtd();
      });
      await site.ensureDaemon();
    }
  }

  async #disturb<T>(thing: string, work: () => Promise<T>): Promise<T> {
    this.#disturbances += 1;
    try {
      return await this.#exclusive.run(thing, work);
    } finally {
      this.#disturbances -= 1;
      this.#calmSinceMs = performance.now();
    }
  }
}

/** An answer in a few words, for the timeline. */
export function told(answer: Answer): string {
  switch (answer.kind) {
    case "result":
      return JSON.stringify(answer.value).slice(0, 200);
    case "refused":
      return `refused ${answer.code} ${answer.message}`.slice(0, 300);
    case "lost":
      return `lost: ${answer.why}`;
    case "down":
      return "no daemon";
  }
}
