/**
 * The main two-host cases with everything over TLS: stock clients speak STOMP with mutual TLS to
 * the daemons (the engine's to host-a, vdsm-client's to host-b), the daemons to each other, libvirt
 * to libvirt and, where the migration asks for it, QEMU to QEMU. The authority is made at run time.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import type { Guest, GuestOptions, Host } from "../lab/api.ts";
import type { Daemon, DaemonEvent } from "../lab/daemon.ts";
import { authorityOf, certifyHost, enginePem, makeAuthority, type Pem } from "../lab/pki.ts";
import { openPort } from "../lab/stomp-line.ts";
import { until } from "../lab/until.ts";
import { java } from "../stomp/stock-clients.ts";
import {
  ENDLESS,
  ENDLESS_PARAMS,
  expectRunsOn,
  heard,
  migrateRunning,
  RESTLESS,
  RESTLESS_CAP_MIBPS,
  useTlsDaemons,
  vmStats,
} from "./pair.ts";

const pair = useTlsDaemons({ vars: { min_migration_bandwidth: 1, migration_downtime: 100 } });

const CALM: GuestOptions = { workingSetMiB: 4, ratePagesPerSecond: 256 };

async function startMigration(from: Daemon, to: Host, load: GuestOptions, params: object) {
  const guest = await from.host.startGuest(load);
  await from.call("VM.migrate", { vmID: guest.uuid, params: { dst: to.name, ...params } });
  return guest;
}

const startRestless = (params: object = {}): Promise<Guest> =>
  startMigration(pair.a, pair.lab.b, RESTLESS, {
    maxBandwidth: RESTLESS_CAP_MIBPS,
    stallingLimit: 1,
    migrationProgressTimeout: 20,
    ...params,
  });

/** The engine casts them to Integer. */
function expectWholeNumbers(events: readonly DaemonEvent[]): void {
  const numbers = events
    .flatMap((event) => Object.values(event.fields))
    .filter((value) => typeof value === "number");
  expect(numbers.length).toBeGreaterThan(0);
  expect(numbers.filter((value) => !Number.isSafeInteger(value))).toEqual([]);
}

/** The credentials QEMU on host-a uses for this migration; empty if the data is not encrypted. */
async function credentialsOf(guest: Guest): Promise<string> {
  const query = JSON.stringify({ execute: "query-migrate-parameters" });
  const answer = await pair.lab.a.virsh("qemu-monitor-command", guest.uuid, query);
  return /"tls-creds":"([^"]*)"/.exec(answer)?.[1] ?? "";
}

it("no host listens for anything but TLS", async () => {
  for (const host of pair.lab.hosts) {
    const sockets = await host.exec("ss", ["-Htln"]);
    const ports = [...sockets.matchAll(/:(\d+)\s+\S+\s*$/gm)].map((match) => Number(match[1]));
    expect(new Set(ports)).toEqual(new Set([16514, 54321]));
  }
});

describe("a guest that converges", () => {
  it.each([
    { load: CALM, params: {}, how: "transient" },
    {
      load: { ...CALM, persistent: true },
      params: { encrypted: true },
      how: "persistent, its data encrypted",
    },
  ])("arrives, and both stock clients hear it: $how", async ({ load, params }) => {
    const guest = await startMigration(pair.a, pair.lab.b, load, params);

    const ended = await pair.a.ended(guest.uuid);

    expect(ended).toMatchObject({
      outcome: "completed",
      reason: "arrived",
      where: "destination",
      confirmed: true,
    });
    await expectRunsOn(guest, pair.lab.b);
    expect(await pair.lab.b.domains()).toMatchObject([{ persistent: load.persistent === true }]);
    await pair.b.event("VM_status", guest.uuid, ({ status }) => status === "Up");
    const all = heard(pair.a, guest.uuid);
    expect(all[0]).toMatchObject({ name: "VM_status", fields: { status: "Migration Source" } });
    expect(all.slice(-3)).toMatchObject([
      {
        name: "VM_migration_status",
        fields: { progress: 100, postcopy: false, downtime: ended["downtime"] },
      },
      { name: "VM_status", fields: { status: "Down", exitCode: 0, exitReason: 4 } },
      { name: "VM_migration_ended", fields: ended },
    ]);
    expectWholeNumbers(all);
    expect(await vmStats(pair.a, guest.uuid)).toMatchObject({ status: "Down", exitReason: 4 });
    expect(await vmStats(pair.b, guest.uuid)).toMatchObject({ status: "Up" });
  });
});

describe("a guest that does not converge", () => {
  it("arrives when the engine answers with post-copy, its data encrypted", async () => {
    const guest = await startRestless({ encrypted: true });
    await pair.a.event(
      "VM_migration_stalling",
      guest.uuid,
      ({ reason }) => reason === "notConverging",
    );
    expect(await credentialsOf(guest)).not.toBe("");

    const params = { migrationTechnique: "post-copy" };
    await pair.a.call("VM.migrateChangeParams", { vmID: guest.uuid, params });

    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
    expect(heard(pair.a, guest.uuid).map(({ fields }) => fields["pauseCode"])).toContain(
      "POSTCOPY",
    );
    await expectRunsOn(guest, pair.lab.b);
  });

  it("is cancelled by another client than the one that began it", async () => {
    const guest = await pair.lab.a.startGuest(ENDLESS);
    await migrateRunning(pair.a, guest, { dst: "host-b", ...ENDLESS_PARAMS });
    expect(await credentialsOf(guest)).toBe("");
    const python = await pair.a.alsoAs("Python");

    expect(await python.call("VM.migrateCancel", { vmID: guest.uuid })).toBe(true);

    const told = { outcome: "cancelled", where: "source" };
    expect(await python.ended(guest.uuid)).toMatchObject(told);
    expect(await pair.a.ended(guest.uuid)).toMatchObject(told);
    await expectRunsOn(guest, pair.lab.a);
    python.hangUp();
  });
});

describe("the daemon's door", () => {
  /** The daemon's greeting for a client with these certificates; empty if it refuses the client. */
  async function greeting(pem: Partial<Pem>): Promise<{ text: string; certificate: string }> {
    const socket = await openPort(pair.lab.a, pem);
    const certificate =
      socket instanceof TLSSocket ? socket.getPeerCertificate().fingerprint256 : "none";
    const text = await new Promise<string>((resolve) => {
      socket.once("data", (chunk: Buffer) => resolve(chunk.toString()));
      socket.on("error", () => resolve(""));
      socket.once("close", () => resolve(""));
      socket.write(java().hello());
    });
    socket.destroy();
    return { text, certificate };
  }

  const own = (): Pem => enginePem(authorityOf(pair.lab.a));

  it("is shut to a client without certificate, and to one of another authority", async () => {
    const { ca } = own();
    const elsewhere = path.join(authorityOf(pair.lab.a), "elsewhere");
    mkdirSync(elsewhere);
    makeAuthority(elsewhere);

    expect((await greeting(own())).text).toMatch(/^CONNECTED\n/);
    expect((await greeting({ ca })).text).toBe("");
    expect((await greeting({ ...enginePem(elsewhere), ca })).text).toBe("");

    const refused = (): number =>
      pair.a.process.log().match(/"TLS handshake refused"/g)?.length ?? 0;
    await until(
      () => refused() === 2,
      10_000,
      () => `two handshakes refused in the log, not ${refused()}`,
    );
  });

  it("shows a new certificate after SIGHUP, and nobody loses the connection or the guest", async () => {
    const authority = authorityOf(pair.lab.a);
    const reread = async (message: string): Promise<void> => {
      const times = (): number => pair.a.process.log().split(message).length;
      const before = times();
      pair.a.process.signal("SIGHUP");
      await until(
        () => times() > before,
        10_000,
        () => message,
      );
    };
    const guest = await startRestless();
    await pair.a.migrationIs(guest.uuid, (each) => each["phase"] === "running");
    const before = await greeting(own());

    certifyHost(authority, pair.lab.a);
    await reread("reloaded the TLS certificates");

    const after = await greeting(own());
    expect(after.text).toMatch(/^CONNECTED\n/);
    expect(after.certificate).not.toBe(before.certificate);
    // This client does not reconnect: the connection is still the original one.
    expect(await pair.a.call("Host.getStats")).toMatchObject({ outgoingVmMigrations: 1 });

    writeFileSync(pair.lab.a.outsidePath("/etc/pki/vdsm/keys/vdsmkey.pem"), "no key");
    await reread("TLS certificates not reloaded; keeping the old ones");
    expect((await greeting(own())).certificate).toBe(after.certificate);

    certifyHost(authority, pair.lab.a);
    await reread("reloaded the TLS certificates");
    const migration = await pair.a.migration(guest.uuid);
    expect(migration).toMatchObject({ phase: "running", destination: "counted" });
    await pair.a.call("VM.migrateChangeParams", { vmID: guest.uuid, params: { downtime: 5000 } });
    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
    await expectRunsOn(guest, pair.lab.b);
  });
});
