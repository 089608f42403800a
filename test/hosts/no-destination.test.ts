/**
 * Destinations that cannot take the guest: an error that waiting cannot fix is reported at once, in
 * words; one that it may fix is waited for, reported by an event, and holds no slot meanwhile.
 */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LabProcess } from "../lab/api.ts";
import { heard, expectRunsOn, useDaemons } from "./pair.ts";

const HTTP_PORT = 8080;
const HTTP_SERVER = `require("node:http").createServer((_, reply) => reply.end()).listen(${HTTP_PORT}, () => console.log("up"))`;
/** Only the names in /etc/hosts exist: a lab without a network has no resolver. */
const FILES_ONLY = `
echo 'hosts: files' > /run/nsswitch.conf && mount --bind /run/nsswitch.conf /etc/nsswitch.conf`;

const pair = useDaemons({
  vars: { max_outgoing_migrations: 1, max_incoming_migrations: 1, migration_retry_timeout: 1 },
});
let http: LabProcess | undefined;
beforeAll(async () => {
  await pair.lab.a.exec("sh", ["-c", FILES_ONLY]);
  http = await pair.lab.b.spawn(process.execPath, ["-e", HTTP_SERVER], { logName: "http.log" });
  await http.waitForLog(/up/);
});
afterAll(async () => {
  await http?.kill();
  await pair.lab.a.exec("umount", ["/etc/nsswitch.conf"]);
});

const migrate = (vmID: string, dst: string): Promise<unknown> =>
  pair.a.call("VM.migrate", { vmID, params: { dst } });

const failed = (message: RegExp): Record<string, unknown> => ({
  outcome: "failed",
  reason: "noDestination",
  code: 10,
  where: "source",
  message: expect.stringMatching(message),
});

it("a name that does not exist, and what is no daemon, are told at once", async () => {
  const guest = await pair.lab.a.startGuest();
  await migrate(guest.uuid, "no-such-host");
  expect(await pair.a.ended(guest.uuid)).toMatchObject(failed(/name no-such-host does not exist/));
  await migrate(guest.uuid, `host-b:${HTTP_PORT}`);
  const second = await pair.a.event("VM_migration_ended", guest.uuid, ({ message }) =>
    /HTTP/.test(String(message)),
  );
  expect(second.fields).toMatchObject(
    failed(/host-b:8080 is not a migration daemon: it is an HTTP server/),
  );
  expect(heard(pair.a, guest.uuid).filter(({ name }) => name === "VM_migration_deferred")).toEqual(
    [],
  );
  await expectRunsOn(guest, pair.lab.a);
});

describe("a destination without a slot", () => {
  it("is waited for, said in status and event, and gets the guest when it has one", async () => {
    const expected = randomUUID();
    await pair.b.call("VM.migrationCreate", { vmID: expected, params: {} });
    const guest = await pair.lab.a.startGuest();
    await migrate(guest.uuid, "host-b");
    await pair.a.migrationIs(guest.uuid, (each) => Number(each["deferrals"]) >= 2);

    const told = heard(pair.a, guest.uuid).filter(({ name }) => name === "VM_migration_deferred");
    expect(told.map(({ fields }) => fields)).toMatchObject([
      {
        reason: expect.stringMatching(/limit exceeded/),
        deferrals: 1,
        retryIn: expect.any(Number),
      },
    ]);
    expect(await pair.a.call("VM.getStats", { vmID: guest.uuid })).toMatchObject([
      { status: "Migration Source" },
    ]);

    await pair.b.call("VM.destroy", { vmID: expected });
    expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed" });
    await expectRunsOn(guest, pair.lab.b);
  });
});
