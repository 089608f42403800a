/**
 * The daemon killed with SIGKILL and restarted: running migrations are restored with their clocks
 * and plans, the queue continues in order, what ended meanwhile has its outcome, and no event is
 * sent twice.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { bootId, systemClock } from "../../src/clock.ts";
import type { Guest } from "../lab/api.ts";
import {
  crashAt,
  Daemon,
  JOURNAL_FOLDER,
  launchDaemon,
  startDaemon,
  writeConfig,
  type DaemonOptions,
} from "../lab/daemon.ts";
import { sharedLab } from "../lab/shared-lab.ts";
import { until } from "../lab/until.ts";
import { ENDLESS, ENDLESS_PARAMS, expectRunsOn, migrateRunning, refusal } from "./pair.ts";

const lab = sharedLab();
const OPTIONS: DaemonOptions = { vars: { min_migration_bandwidth: 1 } };
const daemons = new Set<Daemon>();

async function start(host = lab.a, options = OPTIONS): Promise<Daemon> {
  const daemon = await startDaemon(host, options);
  daemons.add(daemon);
  return daemon;
}

/** A crash, and the restart by systemd. */
async function killAndRestart(
  daemon: Daemon,
  meanwhile: () => Promise<unknown> = () => Promise.resolve(),
  options = OPTIONS,
): Promise<Daemon> {
  daemon.hangUp();
  await daemon.process.kill();
  daemons.delete(daemon);
  await meanwhile();
  return start(daemon.host, { ...options, keepJournal: true });
}

afterEach(async () => {
  await Promise.all([...daemons].map((daemon) => daemon.stop()));
  daemons.clear();
  await lab.clear();
});

describe("a daemon that was killed", () => {
  it("takes a running migration over, with its clock, limits and cap", async () => {
    const [a] = [await start(), await start(lab.b)];
    const guest = await lab.a.startGuest(ENDLESS);
    await migrateRunning(a, guest, {
      dst: "host-b",
      ...ENDLESS_PARAMS,
      stallingLimit: 2,
      migrationProgressTimeout: 60,
    });
    await a.event("VM_migration_stalling", guest.uuid);
    const before = await a.migration(guest.uuid);

    const again = await killAndRestart(a);
    const after = await again.migrationIs(guest.uuid, (each) => each["phase"] === "running");
    expect(after["migrationId"]).toBe(before["migrationId"]);
    expect(after["parameters"]).toEqual(before["parameters"]);
    expect(after).toMatchObject({ downtimeOwner: "engine", downtime: 1, cap: before["cap"] });
    expect(Number(after["stalledFor"])).toBeGreaterThanOrEqual(Number(before["stalledFor"]));

    await again.call("VM.migrateChangeParams", {
      vmID: guest.uuid,
      params: { downtime: 2000, maxBandwidth: 200 },
    });
    const ended = await again.ended(guest.uuid);
    expect(ended).toMatchObject({ outcome: "completed", reason: "arrived", confirmed: true });
    await expectRunsOn(guest, lab.b);
  });

  it("ends one that was cancelled by somebody meanwhile as failed, unknown", async () => {
    const [a] = [await start(), await start(lab.b)];
    const guest = await lab.a.startGuest(ENDLESS);
    await migrateRunning(a, guest, { dst: "host-b", ...ENDLESS_PARAMS });
    const again = await killAndRestart(a, () => lab.a.virsh("domjobabort", guest.uuid));
    expect(await again.migration(guest.uuid)).toMatchObject({
      phase: "ended",
      outcome: { outcome: "failed", reason: "unknown", where: "source" },
    });
    await expectRunsOn(guest, lab.a);
  });

  it("goes on with the queue, in order", async () => {
    const options = { vars: { ...OPTIONS.vars, max_outgoing_migrations: 1 } };
    const [a] = [await start(lab.a, options), await start(lab.b)];
    const guests = [
      await lab.a.startGuest(ENDLESS),
      await lab.a.startGuest(),
      await lab.a.startGuest(),
    ];
    for (const guest of guests) {
      const params = { dst: "host-b", ...(guest === guests[0] ? ENDLESS_PARAMS : {}) };
      await a.call("VM.migrate", { vmID: guest.uuid, params });
    }
    await a.migrationIs(uuidOf(guests[0]), (each) => each["phase"] === "running");

    const again = await killAndRestart(a, undefined, options);
    expect(await phases(again, guests)).toEqual(["running", "queued", "queued"]);
    await again.call("VM.migrateCancel", { vmID: guests[0]?.uuid });
    for (const guest of guests.slice(1)) {
      expect(await again.ended(guest.uuid)).toMatchObject({ outcome: "completed" });
      await expectRunsOn(guest, lab.b);
    }
    const order = again.events.filter(({ name }) => name === "VM_migration_ended");
    expect(order.map(({ vmId }) => vmId)).toEqual(guests.map(({ uuid }) => uuid));
  });

  it("knows what arrived meanwhile, with its downtime, and tells it once", async () => {
    const [a] = [await start(), await start(lab.b)];
    const guest = await lab.a.startGuest({ filledMiB: 8 });
    await migrateRunning(a, guest, { dst: "host-b", maxBandwidth: 4 });
    const before = await a.call<Ring>("Host.getEvents", { since: 1 });
    const gone = async (): Promise<boolean> =>
      (await guest.residence()).every((host) => host.name === lab.b.name);
    const again = await killAndRestart(a, () => until(gone, 20_000, "it has arrived"));

    await again.migrationIs(guest.uuid, (each) => each["phase"] === "ended");
    const { epoch, next } = before;
    const missed = await again.call<Ring>("Host.getEvents", { since: next, epoch });
    expect(missed).toMatchObject({ epoch, gone: false });
    const ends = missed.events.filter(({ method }) => method.includes("VM_migration_ended"));
    expect(ends).toHaveLength(1);
    const end = ends[0]?.params[guest.uuid] as Record<string, unknown>;
    expect(end).toMatchObject({ outcome: "completed", reason: "arrived", confirmed: true });
    expect(end["downtime"]).toBeGreaterThan(0);
    const { decisions } = await again.call<{ decisions: { rule: string }[] }>(
      "VM.explainMigration",
      { vmID: guest.uuid },
    );
    expect(decisions.map(({ rule }) => rule)).toEqual(
      expect.arrayContaining(["accepted", "start", "restored", "location", "outcome"]),
    );
  });

  it("answers 99 until libvirt has been asked", async () => {
    const libvirtd = (await lab.a.exec("cat", ["/run/libvirtd.pid"])).trim();
    await lab.a.exec("kill", ["-STOP", libvirtd]);
    writeConfig(lab.a, OPTIONS);
    const daemonProcess = await launchDaemon(lab.a);
    const daemon = new Daemon(lab.a, daemonProcess);
    daemons.add(daemon);
    try {
      await daemonProcess.waitForLog(/listening on TCP/);
      await daemon.connect();
      for (const verb of ["Host.ping2", "Host.getStats"]) {
        await expect(daemon.call(verb)).rejects.toMatchObject(refusal(99, /restoring/));
      }
    } finally {
      await lab.a.exec("kill", ["-CONT", libvirtd]);
    }
    await daemonProcess.waitForLog(/"msg":"ready"/);
    expect(await daemon.call("Host.ping2")).toBe(true);
  });
});

describe("a journal that cannot be gone on with", () => {
  it("is of a newer format: its migration is watched as somebody else's, and can be taken over", async () => {
    const [a] = [await start(), await start(lab.b)];
    const guest = await lab.a.startGuest(ENDLESS);
    await migrateRunning(a, guest, { dst: "host-b", ...ENDLESS_PARAMS });
    const vmID = guest.uuid;
    const newer = (text: string): string =>
      text.replaceAll(/"format":\d+,"readableSince":\d+/g, '"format":99,"readableSince":99');
    const again = await killAndRestart(a, () => Promise.resolve(rewriteJournal(newer)));

    expect(await again.migration(vmID)).toMatchObject({ phase: "foreign" });
    expect(await again.call("Host.getStats")).toMatchObject({ outgoingVmMigrations: 1 });
    const cancel = again.call("VM.migrateCancel", { vmID });
    await expect(cancel).rejects.toMatchObject(refusal(47, /somebody else/));
    await again.call("VM.migrateChangeParams", { vmID, downtime: 2000, maxBandwidth: 200 });
    expect(await again.ended(vmID)).toMatchObject({ outcome: "completed", where: "destination" });
    await expectRunsOn(guest, lab.b);
  });
});

describe("a journal that belongs to this host", () => {
  async function running(): Promise<{ readonly a: Daemon; readonly guest: Guest }> {
    const [a] = [await start(), await start(lab.b)];
    const guest = await lab.a.startGuest(ENDLESS);
    const limits = { ...ENDLESS_PARAMS, migrationProgressTimeout: 60 };
    await migrateRunning(a, guest, { dst: "host-b", ...limits });
    return { a, guest };
  }

  it("under the name that the host had before: its migration goes on", async () => {
    const { a, guest } = await running();
    const { migrationId, parameters } = await a.migration(guest.uuid);
    const renamed = (text: string): string => text.replaceAll('"name":"host-a"', '"name":"before"');
    const again = await killAndRestart(a, () => Promise.resolve(rewriteJournal(renamed)));
    const after = await again.migrationIs(guest.uuid, (each) => each["phase"] === "running");
    expect(after).toMatchObject({ migrationId, parameters, dst: "host-b" });
  });

  it.each(["before", "after"] as const)(
    "in the first format, and the next daemon dies %s it writes it anew: its migration goes on",
    async (when) => {
      const { a, guest } = await running();
      const again = await killAndRestart(a, async () => {
        const kept = firstFormat(guest);
        rewriteJournal(() => kept);
        crashAt(lab.a, { record: '"format":', when });
        const upgraded = await launchDaemon(lab.a, { crashes: true });
        await upgraded.exited;
      });
      const after = await again.migrationIs(guest.uuid, (each) => each["phase"] === "running");
      expect(after).toMatchObject({
        migrationId: "migration-2",
        dst: "host-b",
        downtimeOwner: "engine",
      });
      await again.call("VM.migrateChangeParams", {
        vmID: guest.uuid,
        params: { downtime: 2000, maxBandwidth: 200 },
      });
      expect(await again.ended(guest.uuid)).toMatchObject({
        outcome: "completed",
        confirmed: true,
      });
      await expectRunsOn(guest, lab.b);
    },
  );

  it("with a migration of which a field is missing: it is watched by the configured limits", async () => {
    const [a] = [await start(), await start(lab.b)];
    const guests = [await lab.a.startGuest(ENDLESS), await lab.a.startGuest(ENDLESS)];
    const [spoilt, sound] = guests.map(uuidOf);
    for (const guest of guests) {
      await migrateRunning(a, guest, {
        dst: "host-b",
        ...ENDLESS_PARAMS,
        migrationProgressTimeout: 60,
      });
    }
    const before = await a.migration(spoilt ?? "");
    const without = (text: string): string =>
      text
        .split("\n")
        .map((line) =>
          line.includes('"state":{') && line.includes(spoilt ?? "") ? noTimeout(line) : line,
        )
        .join("\n");
    const again = await killAndRestart(a, () => Promise.resolve(rewriteJournal(without)));
    expect(again.process.log()).toMatch(
      /"why":"limits\.progressTimeoutMs is missing".*"msg":"a migration in the journal cannot be used"/,
    );
    expect(await again.migration(spoilt ?? "")).toMatchObject({
      migrationId: before["migrationId"],
      parameters: { migrationProgressTimeout: 240 },
    });
    expect(await again.migration(sound ?? "")).toMatchObject({
      dst: "host-b",
      parameters: { migrationProgressTimeout: 60 },
    });
    const free = { downtime: 2000, maxBandwidth: 200 };
    for (const guest of guests) {
      await again.call("VM.migrateChangeParams", { vmID: guest.uuid, ...free });
      expect(await again.ended(guest.uuid)).toMatchObject({ outcome: "completed" });
      await expectRunsOn(guest, lab.b);
    }
  });
});

const noTimeout = (line: string): string =>
  line.replaceAll(/"limits":\{"progressTimeoutMs":\d+,/g, '"limits":{');

/**
 * The journal of a migration on these hosts in the first format, as one of this guest's: begun just now,
 * else libvirt's job would be taken for a later one.
 */
function firstFormat(guest: Guest): string {
  const kept = path.join(
    import.meta.dirname,
    "../journal/formats/1/real-hosts/journal-00000001.jsonl",
  );
  const [header = "", ...lines] = readFileSync(kept, "utf8").split("\n");
  const own = lines.filter((line) => line.includes('"id":"migration-2"'));
  return [header.replace("boot-1", bootId()), ...own, ""]
    .join("\n")
    .replaceAll("22222222-0000-4000-8000-000000000000", guest.uuid)
    .replaceAll('"progressTimeoutMs":60000', '"progressTimeoutMs":86400000')
    .replaceAll(/"callAtMs":[0-9.]+/g, `"callAtMs":${systemClock.monotonicMs()}`)
    .replaceAll(/"processedBytes":[0-9]+/g, '"processedBytes":0');
}

interface Ring {
  readonly epoch: string;
  readonly next: number;
  readonly gone: boolean;
  readonly events: readonly {
    readonly method: string;
    readonly params: Readonly<Record<string, unknown>>;
  }[];
}

function uuidOf(guest: Guest | undefined): string {
  if (guest === undefined) throw new Error("no such guest");
  return guest.uuid;
}

async function phases(daemon: Daemon, guests: readonly Guest[]): Promise<readonly unknown[]> {
  const all = await Promise.all(guests.map((guest) => daemon.migration(guest.uuid)));
  return all.map((each) => each["phase"]);
}

/** Changes every segment of host-a's journal. */
function rewriteJournal(change: (text: string) => string): void {
  const folder = lab.a.outsidePath(JOURNAL_FOLDER);
  for (const name of readdirSync(folder).filter((each) => each.startsWith("journal-"))) {
    const file = path.join(folder, name);
    writeFileSync(file, change(readFileSync(file, "utf8")));
  }
}
