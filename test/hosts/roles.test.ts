/**
 * Roles and floods between two real hosts over TLS: the engine has control, the hosts are peers of
 * each other, and a migration completes while both daemons hold a thousand idle connections.
 */
import { randomUUID } from "node:crypto";
import { statSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import type { GuestOptions, Host } from "../lab/api.ts";
import { checkoutFolder } from "../lab/checkout.ts";
import { type DaemonOptions, writeConfig } from "../lab/daemon.ts";
import { authorityOf, pemOf } from "../lab/pki.ts";
import { openPort } from "../lab/stomp-line.ts";
import { bodyOf, exchange, post } from "../rpc/lines.ts";
import { until } from "../lab/until.ts";
import { expectRunsOn, migrateRunning, useTlsDaemons } from "./pair.ts";

const options: DaemonOptions = {
  vars: { min_migration_bandwidth: 1 },
  access: { control: ["CN=engine"], default_role: "peer" },
};
const pair = useTlsDaemons(options);

const CALM: GuestOptions = { workingSetMiB: 4, ratePagesPerSecond: 256 };
const PORT = 54_321;

interface Answer {
  readonly result?: unknown;
  readonly error?: { readonly code: number; readonly message: string };
}

const request = (method: string, params: object): string =>
  JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });

/** What the host's daemon answers to the owner of this certificate. */
async function askAs(name: string, host: Host, method: string, params: object): Promise<Answer> {
  const socket = await openPort(host, pemOf(authorityOf(host), name));
  return JSON.parse(bodyOf(await exchange(socket, post(request(method, params)))));
}

it("a host's certificate is enough for a whole migration, and for no other verb", async () => {
  const guest = await pair.lab.a.startGuest(CALM);
  const migrate = { vmID: guest.uuid, params: { dst: "host-b" } };

  for (const [method, params] of [
    ["VM.migrate", migrate],
    ["VM.migrateCancel", { vmID: guest.uuid }],
    ["VM.migrateChangeParams", { vmID: guest.uuid, downtime: 5 }],
    ["Host.getMigrations", {}],
    ["Host.getEvents", {}],
  ] as const) {
    expect(await askAs("host-b", pair.lab.a, method, params)).toMatchObject({
      error: { code: 1101, message: `Access denied: ${method} is not for role peer` },
    });
  }
  expect(pair.a.process.log()).toMatch(/"subject":"CN=host-b".*"method":"VM\.migrate"/);
  expect(await pair.a.call("Host.getMigrations")).toEqual([]);

  await pair.a.call("VM.migrate", migrate);
  expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
  await expectRunsOn(guest, pair.lab.b);
  expect(pair.b.process.log()).not.toMatch(/"subject":"CN=host-a".*"code":1101/);
});

it("a peer frees the reservation that it made, and no other", async () => {
  const vmID = randomUUID();
  const destroyAs = (name: string) => askAs(name, pair.lab.b, "VM.destroy", { vmID });

  expect(await destroyAs("host-a")).toMatchObject({ error: { code: 1 } });
  const reserved = await askAs("host-a", pair.lab.b, "VM.migrationCreate", { vmID });
  expect(reserved).toMatchObject({ result: { migrationPort: 0 } });
  expect(await destroyAs("host-b")).toMatchObject({ error: { code: 1101 } });
  expect(await destroyAs("host-a")).toMatchObject({ result: true });
  expect(await destroyAs("host-a")).toMatchObject({ error: { code: 1 } });

  const guest = await pair.lab.b.startGuest(CALM);
  const active = await askAs("host-a", pair.lab.b, "VM.destroy", { vmID: guest.uuid });
  expect(active).toMatchObject({ error: { code: 1 } });
  expect(await pair.lab.b.domains()).toMatchObject([{ uuid: guest.uuid, state: "running" }]);

  await askAs("host-a", pair.lab.b, "VM.migrationCreate", { vmID });
  expect(await askAs("engine", pair.lab.b, "VM.destroy", { vmID })).toMatchObject({ result: true });
});

it("every user of the host may read, and read only", async () => {
  const folder = pair.lab.a.outsidePath("/run/vdsm-migrationd");
  const modes = ["", "/rpc.sock", "/rpc-ro.sock"].map((name) =>
    (statSync(`${folder}${name}`).mode & 0o777).toString(8),
  );
  expect(modes).toEqual(["755", "600", "666"]);
  const ask = async (method: string): Promise<Answer> =>
    JSON.parse(
      bodyOf(await exchange({ path: `${folder}/rpc-ro.sock` }, post(request(method, {})))),
    );
  expect(await ask("Host.getMigrations")).toHaveProperty("result");
  expect(await ask("VM.migrate")).toMatchObject({ error: { code: 1101 } });
});

it("after SIGHUP the new rules hold, and the engine's connection stays", async () => {
  const reload = async (access: DaemonOptions["access"]): Promise<void> => {
    const times = (): number => pair.a.process.log().split('"reloaded the configuration"').length;
    const before = times();
    writeConfig(pair.lab.a, { ...options, ...(access !== undefined && { access }) });
    pair.a.process.signal("SIGHUP");
    await until(() => times() > before, 10_000, "the reload of the configuration");
  };
  const ping = async (): Promise<Answer> => await askAs("host-b", pair.lab.a, "Host.ping2", {});

  await reload({ read_only: ["CN=engine"], default_role: "none" });
  expect(await ping()).toMatchObject({ error: { code: 1101 } });
  expect(await pair.a.call("Host.getMigrations")).toBeInstanceOf(Array);
  const cancel = pair.a.call("VM.migrateCancel", { vmID: randomUUID() });
  await expect(cancel).rejects.toMatchObject({ code: 1101 });

  await reload(options.access);
  expect(await ping()).toMatchObject({ result: true });
  const again = pair.a.call("VM.migrateCancel", { vmID: randomUUID() });
  await expect(again).rejects.toMatchObject({ code: 1 });
});

/** A thousand per daemon: from its own host under many addresses, and from its peer under one. */
async function flood(): Promise<void> {
  const script = path.join(checkoutFolder(), "test/lab/flood.mjs");
  const { a, b } = pair.lab;
  const floods = await Promise.all(
    (
      [
        [a, a, 500, "loopback"],
        [b, b, 500, "loopback"],
        [a, b, 500, "own"],
        [b, a, 500, "own"],
      ] as const
    ).map(([from, to, count, address]) =>
      from.spawn(process.execPath, [script, to.controlAddress, `${PORT}`, `${count}`, address], {
        logName: `flood-${from.name}-${address}-${process.pid}`,
      }),
    ),
  );
  await Promise.all(
    floods.flatMap((each) => [each.waitForLog(/ready/), each.waitForLog(/resisted/)]),
  );
}

it("a thousand idle and slow connections at both ends do not disturb a migration", async () => {
  const guest = await pair.lab.a.startGuest({ filledMiB: 24 });
  // Slow enough to outlast the flood, which takes several seconds on a busy machine.
  await migrateRunning(pair.a, guest, { dst: "host-b", maxBandwidth: 2 });

  await flood();

  expect(await pair.a.migration(guest.uuid)).toMatchObject({ destination: "counted" });
  // Existing connections hold, and new ones are accepted.
  await pair.a.call("VM.migrateChangeParams", { vmID: guest.uuid, params: { maxBandwidth: 16 } });
  const python = await pair.a.alsoAs("Python");
  expect(await python.call("Host.getStats")).toMatchObject({ vmCount: 1 });
  expect(await askAs("host-a", pair.lab.b, "Host.ping2", {})).toMatchObject({ result: true });
  expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed", confirmed: true });
  await expectRunsOn(guest, pair.lab.b);
  python.hangUp();

  for (const daemon of [pair.a, pair.b]) {
    const complaints = daemon.process.log().match(/"too many connections, [^"]*"/g) ?? [];
    expect(complaints.length).toBeGreaterThan(0);
    expect(complaints.length).toBeLessThan(20);
  }
});
