/**
 * What befalls hosts, links and guests of the simulated world: what people and faults do on real ones.
 * A scenario plans them, and whoever owns the world can bring them about at any time.
 */
import * as v from "valibot";
import { MIB_BYTES } from "../../core/units.ts";
import type { StoppedHow } from "../port.ts";
import type { Domain } from "./domain.ts";
import { PAGE_BYTES } from "./guest-memory.ts";
import { guestSchema, guestSpec } from "./guest-schema.ts";
import { Migration } from "./migration.ts";
import { OtherJob } from "./other-job.ts";
import { ABORTED, refusal } from "./refusals.ts";
import { Save } from "./save.ts";
import type { World } from "./world.ts";

const name = v.pipe(v.string(), v.minLength(1));
const notNegative = v.pipe(v.number(), v.finite(), v.minValue(0));
const ofVm = { host: name, vmId: name };

export const mishapSchema = v.variant("do", [
  /** A guest is started, or only defined. */
  v.strictObject({ do: v.picklist(["start", "define"]), guest: guestSchema }),
  v.strictObject({ do: v.picklist(["libvirtDown", "libvirtUp"]), host: name }),
  v.strictObject({ do: v.picklist(["eventsLost", "eventsBack"]), host: name }),
  v.strictObject({
    do: v.picklist(["cut", "mend"]),
    between: v.tuple([name, name]),
    network: v.picklist(["control", "migration"]),
  }),
  /** QEMU is stopped, or goes on. */
  v.strictObject({ do: v.picklist(["stopQemu", "continueQemu"]), ...ofVm }),
  v.strictObject({
    do: v.picklist(["suspend", "resume", "shutDown", "destroy", "killQemu"]),
    ...ofVm,
  }),
  v.strictObject({ do: v.picklist(["beginBackup", "endBackup"]), ...ofVm }),
  /** It writes otherwise: the same sets, other rates. */
  v.strictObject({ do: v.literal("load"), ...ofVm, dirtyMiBps: v.array(notNegative) }),
  /** The next guest that is to come is refused. */
  v.strictObject({ do: v.literal("refuseStart"), host: name, afterMs: notNegative }),
  /** Somebody else's migration. */
  v.strictObject({
    do: v.literal("migrate"),
    ...ofVm,
    to: name,
    bandwidthMiBps: notNegative,
    postcopy: v.optional(v.boolean(), false),
  }),
  v.strictObject({ do: v.literal("abort"), ...ofVm }),
]);

export type Mishap = v.InferOutput<typeof mishapSchema>;

const STOPPED = { shutDown: "shutDown", destroy: "destroyed", killQemu: "crashed" } as const;
const OFF = { shutDown: "offShutDown", destroyed: "offDestroyed", crashed: "offCrashed" } as const;

/** **Fails**: an Error if there is no such host, VM or state to act on. */
export function befall(world: World, mishap: Mishap): void {
  switch (mishap.do) {
    case "libvirtDown":
      libvirtDown(world, mishap.host);
      return;
    case "libvirtUp":
      world.host(mishap.host).comeUp();
      return;
    case "eventsLost":
    case "eventsBack":
      world.host(mishap.host).deaf = mishap.do === "eventsLost";
      return;
    case "cut":
      world.cut(...mishap.between, mishap.network);
      return;
    case "mend":
      world.mend(...mishap.between, mishap.network);
      return;
    case "start":
    case "define":
      world.boot(mishap.guest.host, guestSpec(mishap.guest), {
        persistent: mishap.guest.persistent,
        running: mishap.do === "start",
      });
      return;
    case "refuseStart":
      world.host(mishap.host).startRefusals.push({
        refusal: refusal("operationFailed", "this start was to fail"),
        afterMs: mishap.afterMs,
      });
      return;
    case "load":
    case "migrate":
    case "abort":
    case "stopQemu":
    case "continueQemu":
    case "suspend":
    case "resume":
    case "shutDown":
    case "destroy":
    case "killQemu":
    case "beginBackup":
    case "endBackup":
      befallGuest(world, mishap, domainOf(world, mishap.host, mishap.vmId));
  }
}

type GuestMishap = Extract<Mishap, { vmId: string }>;

function befallGuest(world: World, mishap: GuestMishap, domain: Domain): void {
  const { guest } = domain;
  switch (mishap.do) {
    case "stopQemu":
    case "continueQemu":
      hold(world, domain, mishap.do === "stopQemu");
      return;
    case "suspend":
    case "resume":
      suspend(world, domain, mishap.do === "suspend");
      return;
    case "shutDown":
    case "destroy":
    case "killQemu":
      stop(world, domain, STOPPED[mishap.do]);
      return;
    case "beginBackup":
      if (domain.job !== null) throw new Error(`${domain.vmId} has a job`);
      domain.job = new OtherJob("backup", world.nowMs);
      return;
    case "endBackup":
      if (domain.job instanceof OtherJob) domain.job = null;
      return;
    case "load":
      guest.load(
        world.nowMs,
        guest.log.sets.map((set, at) => ({
          ...set,
          writesPerSecond: ((mishap.dirtyMiBps[at] ?? 0) * MIB_BYTES) / PAGE_BYTES,
        })),
      );
      world.migrationOf(domain)?.changed();
      return;
    case "abort":
      if (domain.job instanceof Migration) domain.job.abort(() => undefined);
      return;
    case "migrate":
      migrate(world, domain, mishap);
  }
}

function domainOf(world: World, host: string, vmId: string): Domain {
  const domain = world.host(host).domains.get(vmId);
  if (domain === undefined) throw new Error(`host "${host}" has no VM ${vmId}`);
  return domain;
}

/** It is killed. Pre-copy does not outlive it, on either side; post-copy does. */
function libvirtDown(world: World, name: string): void {
  world.host(name).goDown();
  for (const migration of world.migrationsAt(name)) {
    if (migration.source.host !== name) {
      migration.lostContact();
      continue;
    }
    migration.forgottenHere();
    migration.fail(ABORTED);
  }
}

function hold(world: World, domain: Domain, stopped: boolean): void {
  domain.guest.run(world.nowMs, !stopped && domain.state === "running");
  domain.hold = stopped ? "qemuStopped" : null;
  world.migrationOf(domain)?.changed();
}

function suspend(world: World, domain: Domain, suspended: boolean): void {
  const { state } = domain;
  if (suspended ? state !== "running" : state !== "suspended" && state !== "switching") {
    throw new Error(`${domain.vmId} is ${state}`);
  }
  // libvirt takes one in mid-migration for the migration's own.
  const paused = domain.job instanceof Migration ? "switching" : "suspended";
  domain.state = suspended ? paused : "running";
  domain.guest.run(world.nowMs, !suspended);
  const { vmId } = domain;
  if (suspended) world.tell(domain.host, { kind: "guest", vmId, change: "suspended" });
  else world.tell(domain.host, { kind: "guest", vmId, change: "resumed", byMigration: false });
  world.migrationOf(domain)?.changed();
}

/** Its QEMU ends: a definition stays, with the reason. */
function stop(world: World, domain: Domain, how: "shutDown" | "destroyed" | "crashed"): void {
  const migration = world.migrationOf(domain);
  if (!domain.isActive) throw new Error(`${domain.vmId} is ${domain.state}`);
  domain.guest.run(world.nowMs, false);
  if (migration?.source === domain) migration.sourceGone();
  else migration?.destinationGone();
  if (domain.job instanceof Save) domain.job.gone();
  domain.job = null;
  domain.incoming = "no";
  domain.hold = null;
  domain.state = OFF[how];
  if (!domain.persistent) world.remove(domain);
  const told: StoppedHow = how;
  world.tell(domain.host, { kind: "guest", vmId: domain.vmId, change: "stopped", how: told });
}

function migrate(world: World, domain: Domain, mishap: Extract<Mishap, { do: "migrate" }>): void {
  if (domain.job !== null) throw new Error(`${domain.vmId} has a job`);
  const call = {
    destinationUri: `simulated://${mishap.to}`,
    bandwidthMiBps: mishap.bandwidthMiBps,
    postcopyBandwidthMiBps: 0,
    postcopy: mishap.postcopy,
    compressed: false,
    autoConverge: false,
    abortOnError: false,
    encrypted: false,
    tunneled: false,
    persistent: domain.persistent,
    destinationHosts: [],
  };
  world.begin(new Migration(world, domain, world.host(mishap.to).spec.name, call, () => undefined));
}
