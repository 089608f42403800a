/**
 * The daemon killed right before and right after each kind of journal record. At every point: the
 * guest runs in exactly one place with its counter unbroken, its migration has a single end that
 * says where the guest is, and the restarted daemon handles the next migration.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Guest, Host } from "../lab/api.ts";
import {
  crashAt,
  startDaemon,
  type CrashPoint,
  type Daemon,
  type DaemonOptions,
} from "../lab/daemon.ts";
import { sharedLab } from "../lab/shared-lab.ts";
import { until } from "../lab/until.ts";

const lab = sharedLab();
const OPTIONS: DaemonOptions = { vars: { migration_listener_timeout: 3 }, crashes: true };
const SETTLED_MS = 30_000;
const WHEN = ["before", "after"] as const;

interface Way {
  readonly params: Record<string, unknown>;
  /** Called once data is flowing. */
  readonly steer?: (daemon: Daemon, vmId: string) => Promise<unknown>;
}

interface Point {
  readonly name: string;
  readonly record: string;
  readonly way: Way;
}

const ENDLESS = { downtime: 1, maxBandwidth: 1 } as const;
const rule = (name: string, what = ""): string => `"rule":"${name}","what":"${what}`;

const ARRIVES: Way = { params: { maxBandwidth: 16 } };
const CANCELLED: Way = {
  params: ENDLESS,
  steer: (daemon, vmID) => daemon.call("VM.migrateCancel", { vmID }),
};
const TIMES_OUT: Way = { params: { ...ENDLESS, migrationProgressTimeout: 1, stallingLimit: 1 } };
const CHANGED: Way = {
  params: ENDLESS,
  steer: (daemon, vmID) =>
    daemon.call("VM.migrateChangeParams", { vmID, maxBandwidth: 100, downtime: 900 }),
};
const POST_COPY: Way = {
  params: ENDLESS,
  steer: (daemon, vmID) =>
    daemon.call("VM.migrateChangeParams", { vmID, migrationTechnique: "post-copy" }),
};

const POINTS: readonly Point[] = [
  { name: "the migration itself", record: '"k":"migration","id"', way: ARRIVES },
  { name: "its slot", record: rule("phase", "preparing"), way: ARRIVES },
  { name: "the downtime found", record: rule("downtime", "found"), way: ARRIVES },
  { name: "the first downtime", record: rule("downtime", "first"), way: ARRIVES },
  { name: "the call", record: rule("start"), way: ARRIVES },
  { name: "the first data", record: rule("phase", "running"), way: ARRIVES },
  { name: "libvirt's record", record: rule("record"), way: ARRIVES },
  { name: "the call's return", record: rule("call"), way: ARRIVES },
  { name: "the outcome", record: rule("outcome", "completed"), way: ARRIVES },
  { name: "a cancel", record: rule("cancel"), way: CANCELLED },
  { name: "the abort taken", record: rule("stop", "libvirt took"), way: CANCELLED },
  { name: "the outcome of a cancel", record: rule("outcome", "cancelled"), way: CANCELLED },
  { name: "a stall event", record: rule("stalling"), way: TIMES_OUT },
  { name: "the decision to abort", record: rule("stop", "progressTimeout"), way: TIMES_OUT },
  { name: "the outcome of an abort", record: rule("outcome", "failed"), way: TIMES_OUT },
  { name: "a change", record: rule("change"), way: CHANGED },
  { name: "a cap", record: rule("bandwidth"), way: CHANGED },
  { name: "a downtime", record: rule("downtime", "900"), way: CHANGED },
  { name: "the wish for post-copy", record: rule("postcopy"), way: POST_COPY },
  { name: "post-copy", record: rule("phase", "postCopy"), way: POST_COPY },
];

/** A killed daemon no longer answers. */
const lost = (error: unknown): void => void error;

interface Ring {
  readonly next: number;
  readonly events: readonly {
    readonly method: string;
    readonly params: Readonly<Record<string, Record<string, unknown>>>;
  }[];
}

const ringSince = (daemon: Daemon, since: number): Promise<Ring> =>
  daemon.call<Ring>("Host.getEvents", { since });

/** The guest migrates back and forth between two daemons; its source is killed and restarted. */
describe("a daemon killed at a place of its journal", () => {
  let guest: Guest;
  const daemons = new Map<Host, Daemon>();

  const daemonOf = (host: Host): Daemon => {
    const daemon = daemons.get(host);
    if (daemon === undefined) throw new Error(`${host.name} has no daemon`);
    return daemon;
  };

  async function start(host: Host, more: DaemonOptions = {}): Promise<Daemon> {
    const daemon = await startDaemon(host, { ...OPTIONS, ...more });
    daemons.set(host, daemon);
    return daemon;
  }

  beforeAll(async () => {
    await Promise.all(lab.hosts.map((host) => start(host)));
    guest = await lab.a.startGuest({ workingSetMiB: 1, ratePagesPerSecond: 256 });
  });
  afterAll(async () => {
    await Promise.all([...daemons.values()].map((daemon) => daemon.stop()));
    await lab.clear();
  });

  /** Migrates until the daemon dies at the crash point; returns the restarted one. */
  async function dieAt(here: Host, point: CrashPoint, { params, steer }: Way): Promise<Daemon> {
    const doomed = daemonOf(here);
    const vmID = guest.uuid;
    const dst = (here === lab.a ? lab.b : lab.a).name;
    const before = doomed.events.length;
    crashAt(here, point);
    const asked = doomed.call("VM.migrate", { vmID, params: { dst, ...params } });
    const steered = asked.then(async () => {
      if (steer === undefined) return;
      // Before data flow the next daemon waits for seconds whether libvirt's job appears.
      const isMoving = (): boolean =>
        doomed.events
          .slice(before)
          .some(
            ({ name, fields }) => name === "VM_migration_status" && Number(fields["progress"]) > 0,
          );
      await until(isMoving, SETTLED_MS, "data flow");
      await steer(doomed, vmID);
    });
    steered.catch(lost);
    await doomed.process.exited;
    return start(here, { keepJournal: true });
  }

  async function liveHere(daemon: Daemon): Promise<readonly unknown[]> {
    const all = await daemon.call<Record<string, unknown>[]>("Host.getMigrations");
    return all.filter((each) => each["phase"] !== "ended");
  }

  /** Raises the limits of a migration that would not converge, until none is left. */
  async function settle(daemon: Daemon): Promise<void> {
    await until(
      async () => {
        const live = await liveHere(daemon);
        if (live.length === 0) return true;
        const free = { maxBandwidth: 500, downtime: 2000 };
        await daemon.call("VM.migrateChangeParams", { vmID: guest.uuid, ...free }).catch(lost);
        return undefined;
      },
      SETTLED_MS,
      "every migration has ended",
    );
  }

  const cases = POINTS.flatMap((point) => WHEN.map((when) => ({ ...point, when })));

  it.each(cases)("$when $name", async ({ name, record, when, way }) => {
    const [here = lab.a] = await guest.residence();
    const { next } = await ringSince(daemonOf(here), 1);
    const again = await dieAt(here, { record, when }, way);
    await settle(again);

    const residence = await guest.residence();
    expect(residence).toHaveLength(1);
    const at = residence[0] ?? here;
    await guest.counterAdvances({ on: at, by: 1 });
    guest.assertUnbroken();
    const { events } = await ringSince(again, next);
    const ends = events
      .filter(({ method }) => method === `|virt|VM_migration_ended|${guest.uuid}`)
      .map(({ params }) => params[guest.uuid] ?? {});
    const neverAccepted = name === "the migration itself" && when === "before";
    expect(ends).toHaveLength(neverAccepted ? 0 : 1);
    const where = at === here ? "source" : "destination";
    if (!neverAccepted) {
      expect(ends[0]).toMatchObject({ where });
      expect(await again.call("VM.explainMigration", { vmID: guest.uuid })).toMatchObject({
        complete: true,
        journal: "ok",
        outcome: ends[0]?.["outcome"],
      });
    }
  });
});
