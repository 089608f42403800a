/** Small simulated worlds for tests: two hosts, guests by number, and a record of what was told when. */
import type { JobStats } from "../../../src/core/job-stats.ts";
import type { Refusal } from "../../../src/core/refusal.ts";
import type { HypervisorEvent, JobView, MigrateCall } from "../../../src/hypervisor/port.ts";
import { HostCalls } from "../../../src/hypervisor/simulated/host-calls.ts";
import type { Mishap } from "../../../src/hypervisor/simulated/mishaps.ts";
import { befall } from "../../../src/hypervisor/simulated/mishaps.ts";
import { parseScenario, worldOf } from "../../../src/hypervisor/simulated/scenario.ts";
import type { Outcome } from "../../../src/hypervisor/simulated/surroundings.ts";
import type { World } from "../../../src/hypervisor/simulated/world.ts";

export function vmId(n: number): string {
  return `22222222-0000-4000-8000-${String(n).padStart(12, "0")}`;
}

export const MIGRATE: MigrateCall = {
  destinationUri: "qemu+tcp://host-b/system",
  bandwidthMiBps: 16,
  postcopyBandwidthMiBps: 0,
  postcopy: false,
  compressed: false,
  autoConverge: false,
  abortOnError: false,
  encrypted: false,
  tunneled: false,
  persistent: true,
  destinationHosts: [],
};

export interface Told {
  readonly atMs: number;
  readonly host: string;
  /** Example: `passBegan 2`, `resumed by migration`. */
  readonly what: string;
}

function textOf(event: HypervisorEvent): string {
  if (event.kind === "passBegan") return `passBegan ${event.pass}`;
  if (event.kind !== "guest") return event.kind;
  if (event.change === "started") return event.incoming ? "started incoming" : "started";
  if (event.change === "resumed") return event.byMigration ? "resumed by migration" : "resumed";
  return event.change === "stopped" ? `stopped ${event.how}` : event.change;
}

export interface TwoHosts {
  readonly world: World;
  readonly a: HostCalls;
  readonly b: HostCalls;
  readonly told: Told[];
  /** What calls have come to so far, in order. */
  readonly ended: { readonly atMs: number; readonly outcome: Outcome<null> }[];
  migrate(vm?: number, call?: Partial<MigrateCall>): void;
  /** **Fails**: an Error if there is no answer yet. */
  view(vm?: number, side?: "a" | "b"): JobView | Outcome<JobView>["kind"];
  befall(mishap: Mishap): void;
}

interface Options {
  readonly qemu?: "7.2" | "10.0" | "11.1";
  readonly linkMiBps?: number;
}

/** host-a with these guests, and host-b. Each guest has 64 MiB unless it says otherwise. */
export function twoHosts(guests: readonly object[] = [{}], options: Options = {}): TwoHosts {
  const host = (name: string, n: number): object => ({
    name,
    uuid: `11111111-0000-4000-8000-00000000000${n}`,
    ...options,
  });
  const scenario = parseScenario({
    hosts: [host("host-a", 1), host("host-b", 2)],
    guests: guests.map((guest, at) => ({
      vmId: vmId(at + 1),
      name: `vm${at + 1}`,
      host: "host-a",
      memoryMiB: 64,
      ...guest,
    })),
  });
  const world = worldOf(scenario, 0);
  const calls = world.hosts.map((each) => new HostCalls(world, each));
  const [a, b] = calls;
  if (a === undefined || b === undefined) throw new Error("two hosts");
  const told: Told[] = [];
  for (const each of world.hosts) {
    each.listen((event) => {
      told.push({ atMs: world.nowMs, host: each.spec.name, what: textOf(event) });
    });
  }
  const ended: TwoHosts["ended"] = [];
  return {
    world,
    a,
    b,
    told,
    ended,
    migrate: (vm = 1, call = {}) => {
      a.migrate(vmId(vm), { ...MIGRATE, ...call }, (outcome) =>
        ended.push({ atMs: world.nowMs, outcome }),
      );
    },
    view: (vm = 1, side = "a") => {
      const answers: Outcome<JobView>[] = [];
      (side === "a" ? a : b).jobView(vmId(vm), (outcome) => answers.push(outcome));
      const [answer] = answers;
      if (answer === undefined) throw new Error(`VM ${vm} does not answer`);
      return answer.kind === "ok" ? answer.value : answer.kind;
    },
    befall: (mishap) => befall(world, mishap),
  };
}

export const OK: Outcome<null> = { kind: "ok", value: null };
/** Never converges at 16 MiB/s. */
export const BUSY = { filledMiB: 8, sets: [{ MiB: 32, dirtyMiBps: 40 }] };
export const QUIET = { filledMiB: 40 };

export function statsOf(hosts: TwoHosts, vm = 1): JobStats {
  const view = hosts.view(vm);
  if (typeof view === "string" || view.kind !== "stats") throw new Error(JSON.stringify(view));
  return view.stats;
}

export function refusalOf(outcome: Outcome<unknown> | undefined): Refusal["kind"] | undefined {
  return outcome?.kind === "refused" ? outcome.refusal.kind : undefined;
}

/** What an abort of VM 1 on host-a has come to so far. */
export function abort(hosts: TwoHosts): Outcome<null>[] {
  const answers: Outcome<null>[] = [];
  hosts.a.abortJob(vmId(1), (outcome) => answers.push(outcome));
  return answers;
}

export function steer(hosts: TwoHosts, what: "startPostCopy" | "pausePostCopy"): Outcome<null>[] {
  const answers: Outcome<null>[] = [];
  hosts.a[what](vmId(1), (outcome) => answers.push(outcome));
  return answers;
}

/** A migration in post-copy with most of its memory here. */
export function inPostCopy(call: Partial<MigrateCall> = {}, guest: object = BUSY): TwoHosts {
  const hosts = twoHosts([guest]);
  hosts.migrate(1, { postcopy: true, postcopyBandwidthMiBps: 4, ...call });
  hosts.world.advance(2000);
  if (steer(hosts, "startPostCopy")[0]?.kind !== "ok") throw new Error("no post-copy");
  hosts.world.advance(2500);
  return hosts;
}

export function stateOn(hosts: TwoHosts, host: string): string | undefined {
  return hosts.world.host(host).domains.get(vmId(1))?.state;
}
