/**
 * The engine's four migration policies as it sends them in VM.migrate (convergenceSchedule, numbers
 * and booleans often as strings, last items with limit -1), over STOMP, on guests that do not
 * converge by themselves; and a schedule whose engine takes over the downtime.
 *
 * Source: ovirt-engine, 0000_config.sql, key MigrationPolicies.
 */
import { describe, expect, it } from "vitest";
import type { Guest, GuestOptions } from "../lab/api.ts";
import { until } from "../lab/until.ts";
import { expectRunsOn, heard, useDaemons } from "./pair.ts";

const PROGRESS_TIMEOUT_S = 3;
const pair = useDaemons({
  vars: { min_migration_bandwidth: 1, migration_progress_timeout: PROGRESS_TIMEOUT_S },
  client: "Java",
});

/** Rewritten completely in each pass, however much auto-converge throttles: 1 s at 16 MiB/s. */
const LARGE: GuestOptions = { workingSetMiB: 16, ratePagesPerSecond: 32768 };
const CAP_MIBPS = 16;
const DEADLINE = { deadlineMs: 30_000 };

type Action = { readonly name: string; readonly params: readonly unknown[] };
type Item = { readonly limit: number; readonly action: Action };
type Schedule = { readonly init: readonly Action[]; readonly stalling: readonly Item[] };

const setDowntime = (ms: number | string): Action => ({ name: "setDowntime", params: [ms] });
const postcopy: Action = { name: "postcopy", params: [] };
const abort: Action = { name: "abort", params: [] };
const at = (limit: number, action: Action): Item => ({ limit, action });

const UP_TO_500 = [
  at(1, setDowntime("150")),
  at(2, setDowntime("200")),
  at(3, setDowntime("300")),
  at(4, setDowntime(400)),
  at(6, setDowntime("500")),
];

/** For the other cases, in less time. */
const SOON_500 = [at(1, setDowntime("150")), at(2, setDowntime("500"))];

const MINIMAL_DOWNTIME: Schedule = {
  init: [setDowntime("100")],
  stalling: [...UP_TO_500, at(-1, abort)],
};
const SUSPEND_IF_NEEDED: Schedule = {
  init: [setDowntime("100")],
  stalling: [...SOON_500, at(-1, setDowntime("5000")), at(-1, abort)],
};
const POST_COPY: Schedule = {
  init: [setDowntime("100")],
  stalling: [at(1, setDowntime("150")), at(2, setDowntime("200")), at(-1, postcopy), at(-1, abort)],
};
const VERY_LARGE: Schedule = {
  init: [setDowntime("300")],
  stalling: [
    at(1, setDowntime("400")),
    at(2, setDowntime("500")),
    at(3, setDowntime("700")),
    at(4, setDowntime("1000")),
    at(6, setDowntime("1500")),
    at(-1, setDowntime("5000")),
    at(-1, abort),
  ],
};

/** VM.migrate with every key that the engine sends. */
async function migrateAsEngine(
  convergenceSchedule: Schedule,
  params: Readonly<Record<string, unknown>> = {},
  load: GuestOptions = LARGE,
): Promise<Guest> {
  const guest = await pair.lab.a.startGuest(load);
  const accepted = await pair.a.call("VM.migrate", {
    vmID: guest.uuid,
    params: {
      vmId: guest.uuid,
      mode: "remote",
      method: "online",
      src: "host-a",
      dst: "host-b:54321",
      dstqemu: pair.lab.b.migrationAddress,
      consoleAddress: pair.lab.b.controlAddress,
      tunneled: "false",
      abortOnError: "true",
      autoConverge: "true",
      compressed: "false",
      encrypted: "false",
      enableGuestEvents: true,
      maxBandwidth: CAP_MIBPS,
      convergenceSchedule,
      outgoingLimit: 2,
      incomingLimit: 2,
      ...params,
    },
  });
  expect(accepted).toBe(true);
  return guest;
}

/** Polls libvirt's maximum downtime until it has had each of these values, in order. */
async function expectHeld(guest: Guest, valuesMs: readonly number[]): Promise<void> {
  const read = () => pair.lab.a.virsh("migrate-getmaxdowntime", guest.uuid);
  for (const wantedMs of valuesMs) {
    let heldMs = 0;
    const isHeld = async (): Promise<boolean> => {
      heldMs = Number((await read()).trim());
      return heldMs === wantedMs;
    };
    await until(isHeld, 10_000, () => `libvirt holds ${wantedMs} ms, not ${heldMs} ms`);
  }
}

/** What the schedule did, in order: "setDowntime 150", "postcopy". */
function acted(guest: Guest): readonly string[] {
  return pair.a.process
    .log()
    .split("\n")
    .filter((line) => line.includes("convergence schedule acts") && line.includes(guest.uuid))
    .map((line) => JSON.parse(line) as { action: string; downtimeMs: number | null })
    .map(({ action, downtimeMs }) => `${action} ${downtimeMs ?? ""}`.trim());
}

const setTo = (...valuesMs: readonly number[]): string[] =>
  valuesMs.map((ms) => `setDowntime ${ms}`);

/**
 * The cap does not apply to QEMU's final transfer: over a migration link of 8 MiB/s, a guest of
 * 16 MiB is paused for about 2 s before it arrives.
 */
async function onSlowLink<T>(act: () => Promise<T>): Promise<T> {
  const root = ["dev", "mig-b", "root"];
  const bucket = "tbf rate 64mbit burst 256kb latency 100ms".split(" ");
  await pair.lab.a.exec("tc", ["qdisc", "add", ...root, ...bucket]);
  try {
    return await act();
  } finally {
    await pair.lab.a.exec("tc", ["qdisc", "del", ...root]);
  }
}

async function expectCompleted(guest: Guest): Promise<void> {
  const ended = await pair.a.ended(guest.uuid, DEADLINE);
  expect(ended).toMatchObject({ outcome: "completed", confirmed: true });
  await expectRunsOn(guest, pair.lab.b);
}

describe("the engine's policy", () => {
  it("Minimal downtime raises downtime step by step, then gives up, long after the host's own limit", async () => {
    const guest = await migrateAsEngine(MINIMAL_DOWNTIME);

    await expectHeld(guest, [100, 150, 200, 300, 400, 500]);

    const ended = await pair.a.ended(guest.uuid, DEADLINE);
    expect(ended).toMatchObject({
      outcome: "failed",
      reason: "scheduleAbort",
      where: "source",
      confirmed: true,
    });
    expect(Number(ended["duration"])).toBeGreaterThan(1.5 * PROGRESS_TIMEOUT_S * 1000);
    expect(acted(guest)).toEqual([...setTo(150, 200, 300, 400, 500), "abort"]);
    await expectRunsOn(guest, pair.lab.a);
  });

  it("Suspend workload if needed arrives by its last downtime of 5 s, and is not aborted in it", async () => {
    const guest = await migrateAsEngine(SUSPEND_IF_NEEDED, { outgoingLimit: 1, incomingLimit: 1 });
    await expectHeld(guest, [100, 150, 500]);

    const ended = await onSlowLink(() => pair.a.ended(guest.uuid, DEADLINE));

    expect(ended).toMatchObject({ outcome: "completed", reason: "arrived", confirmed: true });
    expect(Number(ended["downtime"])).toBeGreaterThan(1000);
    await expectRunsOn(guest, pair.lab.b);

    expect(acted(guest)).toEqual(setTo(150, 500, 5000));
    expect(await pair.a.migration(guest.uuid)).toMatchObject({
      downtimeOwner: "schedule",
      downtime: 5000,
    });
  });

  it("Post-copy arrives by post-copy", async () => {
    const guest = await migrateAsEngine(POST_COPY);

    await expectCompleted(guest);

    expect(acted(guest)).toEqual([...setTo(150, 200), "postcopy"]);
    const paused = heard(pair.a, guest.uuid).filter(
      ({ fields }) => fields["pauseCode"] === "POSTCOPY",
    );
    expect(paused).toHaveLength(1);
  });

  it("Very large VMs arrives over parallel connections, without post-copy", async () => {
    const guest = await migrateAsEngine(
      VERY_LARGE,
      { parallel: 2, zerocopy: true, outgoingLimit: 1, incomingLimit: 1 },
      { ...LARGE, workingSetMiB: 28 },
    );
    await pair.a.migrationIs(guest.uuid, (each) => each["phase"] === "running");
    expect(await pair.a.migration(guest.uuid)).toMatchObject({
      parameters: { parallel: 2 },
      postcopyPossible: false,
    });

    await expectCompleted(guest);

    const whole = setTo(400, 500, 700, 1000, 1500, 5000);
    const done = acted(guest);
    expect(done.length).toBeGreaterThanOrEqual(3);
    expect(done).toEqual(whole.slice(0, done.length));
  });
});

describe("a schedule", () => {
  it("leaves downtime to an engine that has changed it, and keeps its abort", async () => {
    const guest = await migrateAsEngine({
      init: [setDowntime("100")],
      stalling: [...SOON_500, at(-1, abort)],
    });
    await expectHeld(guest, [100, 150]);

    await pair.a.call("VM.migrateChangeParams", { vmID: guest.uuid, params: { downtime: 120 } });

    await expectHeld(guest, [120]);
    const ended = await pair.a.ended(guest.uuid, DEADLINE);
    expect(ended).toMatchObject({ outcome: "failed", reason: "scheduleAbort", where: "source" });
    expect(acted(guest)).toEqual([...setTo(150), "abort"]);
    expect(await pair.a.migration(guest.uuid)).toMatchObject({
      downtimeOwner: "engine",
      downtime: 120,
    });
  });
});
