/**
 * The demo's story: two VMs that dirty memory too fast, one pair of hosts, one engine. Every number
 * on the screen comes from the daemon or from libvirt; the story only waits for them and explains
 * them. The loads are chosen so that the shares decide: `orders-db` never converges at 8 MiB/s;
 * `web` does at 8 but not at half of that.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Guest, GuestOptions, Host } from "../lab/api.ts";
import type { Daemon } from "../lab/daemon.ts";
import type { Screen } from "./screen.ts";
import { summaryLines, type Arrival } from "./summary.ts";
import type { Watch } from "./watch.ts";

const MAX_MIBPS = 8;
const SHARE_MIBPS = MAX_MIBPS / 2;
const STALLING_LIMIT_SECONDS = 4;
const PROGRESS_TIMEOUT_SECONDS = 60;
const RESCUE_DOWNTIME_MS = 2000;
const DOWNTIME_MS = 200;
const ARRIVAL_PATIENCE_MS = 20_000;
/** Time to read while the bars keep moving. */
const READING_MS = 5000;

/** 16 MiB/s across 6 MiB: each pass finds all 6 MiB dirty again. */
const ORDERS_DB: GuestOptions = {
  name: "orders-db",
  workingSetMiB: 6,
  ratePagesPerSecond: 4096,
  filledMiB: 32,
};
/** 6.5 MiB/s across 12 MiB: at 8 MiB/s each pass is a fifth smaller than the previous one. */
const WEB: GuestOptions = { name: "web", workingSetMiB: 12, ratePagesPerSecond: 1664 };

export const DAEMON_VARS = {
  migration_max_bandwidth: MAX_MIBPS,
  min_migration_bandwidth: 2,
  migration_downtime: DOWNTIME_MS,
} as const;

export interface Cast {
  readonly source: Daemon;
  readonly destination: Daemon;
  readonly screen: Screen;
  readonly watch: Watch;
}

export async function tellStory(cast: Cast): Promise<void> {
  const { source, screen } = cast;
  screen.print("starting two VMs on host-a: orders-db and web");
  const [ordersDb, web] = await Promise.all([
    source.host.startGuest(ORDERS_DB),
    source.host.startGuest(WEB),
  ]);
  await startToMigrate(cast, ordersDb);
  await stall(cast, ordersDb);
  await join(cast, ordersDb, web);
  await answer(cast, ordersDb);
  await fullShareBack(cast, web);
  await totals(cast, [ordersDb, web]);
}

function heading(screen: Screen, text: string): void {
  screen.print("");
  screen.print(text, "heading", "   ");
}

async function migrate({ watch, destination }: Cast, guest: Guest): Promise<void> {
  await watch.call("VM.migrate", guest, {
    dst: destination.host.name,
    stallingLimit: STALLING_LIMIT_SECONDS,
    migrationProgressTimeout: PROGRESS_TIMEOUT_SECONDS,
  });
}

async function startToMigrate(cast: Cast, ordersDb: Guest): Promise<void> {
  const { screen, watch } = cast;
  heading(screen, "1  A busy VM migrates from host-a to host-b");
  screen.print(
    `orders-db writes 16 MiB/s across 6 MiB of its memory; migrations may use ${MAX_MIBPS} ` +
      "MiB/s. Pass 1 sends all memory, each later pass what was dirtied during the previous one: " +
      "'remaining' falls within a pass and jumps up when the next begins. Once the rest fits into " +
      "the downtime, the VM is paused, the rest is sent, and the VM runs on host-b.",
  );
  await migrate(cast, ordersDb);
  await watch.until(ordersDb, "its third pass", (view) => view.pass >= 3);
}

async function stall({ screen, watch }: Cast, ordersDb: Guest): Promise<void> {
  heading(screen, "2  It stalls");
  screen.print(
    "The passes stop getting smaller: memory is dirtied as fast as it is sent ('dirty' counts a " +
      `page once per pass). The daemon tells the engine every ${STALLING_LIMIT_SECONDS} s ` +
      `(stallingLimit). Without an answer in ${PROGRESS_TIMEOUT_SECONDS} s ` +
      "(migrationProgressTimeout) it aborts the migration, and the VM stays on host-a.",
  );
  await watch.stall(ordersDb);
  await delay(READING_MS);
}

async function join(cast: Cast, ordersDb: Guest, web: Guest): Promise<void> {
  const { source, screen, watch } = cast;
  heading(screen, "3  A second migration joins");
  screen.print(
    `Both hosts now have two migrations, so each gets ${MAX_MIBPS} / 2 = ${SHARE_MIBPS} MiB/s. ` +
      "The daemon changes the caps in libvirt while the migrations run.",
  );
  const before = await libvirtCapMiBps(source.host, ordersDb);
  await migrate(cast, web);
  for (const guest of [ordersDb, web]) {
    await watch.until(
      guest,
      `a cap of ${SHARE_MIBPS} MiB/s`,
      (view) => view.phase === "running" && view.capAppliedMiBps === SHARE_MIBPS,
    );
  }
  tellCap(screen, ordersDb, before, await libvirtCapMiBps(source.host, ordersDb));
  tellCap(screen, web, null, await libvirtCapMiBps(source.host, web));
  const { reason } = await watch.stall(web);
  screen.print(
    reason === "throttled"
      ? "Reason 'throttled': web does not converge, but it uses its full share, so more " +
          "bandwidth may be all it needs. The engine lets it wait."
      : "At half the bandwidth web does not converge either. The engine lets it wait.",
  );
  await delay(READING_MS);
}

async function answer({ screen, watch }: Cast, ordersDb: Guest): Promise<void> {
  heading(screen, "4  The engine answers");
  screen.print(
    "orders-db did not converge even with all the bandwidth. The engine allows a downtime of up " +
      `to ${RESCUE_DOWNTIME_MS} ms instead of ${DOWNTIME_MS}: its 6 MiB fit into that.`,
  );
  await watch.call("VM.migrateChangeParams", ordersDb, { downtime: RESCUE_DOWNTIME_MS });
  if ((await watch.arrival(ordersDb, ARRIVAL_PATIENCE_MS)) === null) {
    throw new Error("orders-db did not arrive with more downtime");
  }
}

async function fullShareBack({ source, screen, watch }: Cast, web: Guest): Promise<void> {
  screen.print(
    `web is alone now and gets the full ${MAX_MIBPS} MiB/s. It writes 6.5 MiB/s, so each pass is ` +
      "smaller than the previous one, until the rest fits into the downtime.",
  );
  await watch.until(web, "its full share", (view) => view.capAppliedMiBps === MAX_MIBPS);
  tellCap(screen, web, SHARE_MIBPS, await libvirtCapMiBps(source.host, web));
  if ((await watch.arrival(web, ARRIVAL_PATIENCE_MS)) !== null) return;
  screen.print(
    "This machine is too busy for that to happen soon, so the engine asks for post-copy.",
  );
  await watch.call("VM.migrateChangeParams", web, { migrationTechnique: "post-copy" });
  if ((await watch.arrival(web, ARRIVAL_PATIENCE_MS)) === null) {
    throw new Error("web did not arrive by post-copy");
  }
}

/** What libvirt itself reports, without asking the daemon. */
async function libvirtCapMiBps(host: Host, guest: Guest): Promise<number> {
  return Number((await host.virsh("migrate-getspeed", guest.uuid)).trim());
}

function tellCap(screen: Screen, guest: Guest, before: number | null, now: number): void {
  const change = before === null ? `${now}` : `from ${before} to ${now}`;
  screen.print(
    `     ${guest.name}: cap ${change} MiB/s (virsh migrate-getspeed says ${now})`,
    "good",
    "       ",
  );
}

async function totals(cast: Cast, guests: readonly Guest[]): Promise<void> {
  const { screen, watch, destination } = cast;
  const arrivals: Arrival[] = [];
  const counts: string[] = [];
  for (const guest of guests) {
    const fields = (await watch.arrival(guest, 0)) ?? {};
    const { value } = await guest.counterAdvances({ on: destination.host });
    counts.push(`${guest.name} to ${value}`);
    guest.assertUnbroken();
    const hosts = await guest.residence();
    if (hosts.length !== 1 || hosts[0]?.name !== destination.host.name) {
      throw new Error(`${guest.name} is on ${hosts.map((host) => host.name).join(" and ")}`);
    }
    arrivals.push({ guest, hostName: destination.host.name, fields });
  }
  heading(screen, "5  Both have arrived");
  for (const line of summaryLines(arrivals, screen.columns)) screen.print(line);
  screen.print("");
  screen.print(
    "Both run on host-b and nowhere else. Each prints a count ten times a second " +
      `(${counts.join(", ")}): no count is missing or repeated, and no write to memory was lost.`,
  );
}
