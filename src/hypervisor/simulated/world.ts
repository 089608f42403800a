/**
 * The simulated world: hosts, the links between them, guests and what moves. It knows no clock: whoever
 * owns it says how far its time has come, and everything that was due by then happens, in order.
 */
import type { HypervisorEvent } from "../port.ts";
import { Domain } from "./domain.ts";
import { Guest, type GuestSpec } from "./guest.ts";
import { Host, type HostSpec } from "./host.ts";
import { fairRates } from "./links.ts";
import { Migration } from "./migration.ts";
import type { QemuProfile } from "./qemu-profile.ts";
import type { Network, Surroundings } from "./surroundings.ts";
import { type Timer, Timers } from "./timers.ts";

/** libvirt gives a peer up that has been silent for so long (5 s x 5, and the last probe). */
const KEEPALIVE_MS = 30_000;

export interface BootOptions {
  /** It has a definition that stays when it is off. */
  readonly persistent: boolean;
  readonly running: boolean;
}

export class World implements Surroundings {
  readonly #timers: Timers;
  readonly #hosts = new Map<string, Host>();
  readonly #migrations = new Set<Migration>();
  readonly #cuts = new Set<string>();

  constructor(hosts: readonly HostSpec[], nowMs: number) {
    this.#timers = new Timers(nowMs);
    for (const spec of hosts) this.#hosts.set(spec.name, new Host(spec));
  }

  get nowMs(): number {
    return this.#timers.nowMs;
  }

  /** When something happens next by itself; Infinity: nothing does. */
  get nextMs(): number {
    return this.#timers.nextMs;
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  /** Everything happens that is due by then. The time never goes back. */
  advance(toMs: number): void {
    this.#timers.advance(toMs);
  }

  in(delayMs: number, run: () => void): Timer {
    return this.#timers.in(delayMs, run);
  }

  /** **Fails**: an Error if there is no such host. */
  host(name: string): Host {
    const host = this.#hosts.get(name);
    if (host === undefined) throw new Error(`the simulated world has no host "${name}"`);
    return host;
  }

  /** The host that a name or an address in a URI stands for. */
  hostAt(address: string): Host | undefined {
    return (
      this.#hosts.get(address) ?? this.hosts.find(({ spec }) => spec.addresses.includes(address))
    );
  }

  profile(host: string): QemuProfile {
    return this.host(host).spec.profile;
  }

  tell(host: string, event: HypervisorEvent): void {
    this.host(host).tell(event);
  }

  /** A guest that runs there, or the definition of one. */
  boot(host: string, spec: GuestSpec, { persistent, running }: BootOptions): Domain {
    const guest = new Guest(spec, this.nowMs);
    const domain = new Domain(host, guest, running ? "running" : "off", persistent || !running);
    guest.run(this.nowMs, running);
    this.place(domain);
    if (running)
      this.tell(host, { kind: "guest", vmId: spec.vmId, change: "started", incoming: false });
    return domain;
  }

  place(domain: Domain): void {
    const { domains } = this.host(domain.host);
    // A definition without a guest stays what it is: permanent.
    if (domains.get(domain.vmId)?.persistent === true) domain.persistent = true;
    domains.set(domain.vmId, domain);
  }

  remove(domain: Domain): void {
    const { domains } = this.host(domain.host);
    if (domains.get(domain.vmId) === domain) domains.delete(domain.vmId);
  }

  begin(migration: Migration): void {
    this.#migrations.add(migration);
  }

  /** That has not ended, on its source or its destination. */
  migrationOf(domain: Domain): Migration | undefined {
    for (const migration of this.#migrations) {
      if (migration.phase === "ended") continue;
      if (migration.source === domain || migration.destination === domain) return migration;
    }
    return undefined;
  }

  /** That have not ended and come from this host or go to it. */
  migrationsAt(host: string): readonly Migration[] {
    return [...this.#migrations].filter(
      ({ phase, source, to }) => phase !== "ended" && (source.host === host || to === host),
    );
  }

  linkUp(from: string, to: string, network: Network): boolean {
    return !this.#cuts.has(cutKey(from, to, network));
  }

  /** Packets between the two are swallowed, both ways. Keepalive notices where it is the control network. */
  cut(one: string, other: string, network: Network): void {
    this.#cuts.add(cutKey(one, other, network));
    if (network === "migration") this.flowsChanged();
    else this.in(KEEPALIVE_MS, () => this.#keepalive(one, other));
  }

  mend(one: string, other: string, network: Network): void {
    this.#cuts.delete(cutKey(one, other, network));
    this.flowsChanged();
  }

  flowsChanged(): void {
    const flowing: Migration[] = [];
    for (const migration of this.#migrations) {
      if (migration.phase === "ended") this.#migrations.delete(migration);
      else if (migration.flow === null) migration.rate(0);
      else flowing.push(migration);
    }
    const flows = flowing.flatMap(({ flow }) => (flow === null ? [] : [flow]));
    const rates = fairRates(flows, (host) => this.host(host).spec.linkBytesPerSecond);
    for (const [at, migration] of flowing.entries()) migration.rate(rates[at] ?? 0);
  }

  #keepalive(one: string, other: string): void {
    if (this.linkUp(one, other, "control")) return;
    for (const migration of this.migrationsAt(one)) {
      if (migration.source.host === other || migration.to === other) migration.lostContact();
    }
  }
}

function cutKey(one: string, other: string, network: Network): string {
  return [network, ...[one, other].toSorted()].join(" ");
}
