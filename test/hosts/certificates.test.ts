/**
 * This host's certificate has expired: the daemon refuses to listen; without a listener a migration
 * fails at once, and both hosts log whose certificate it is and why it was rejected. A renewed
 * certificate is used after SIGHUP.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { Daemon, launchDaemon, startDaemon, writeConfig } from "../lab/daemon.ts";
import { Lab } from "../lab/lab.ts";
import { authorityOf } from "../lab/pki.ts";
import { Pki } from "../tls/authority.ts";
import { expectRunsOn } from "./pair.ts";

const CONFIG_PATH = "/run/vdsm-migrationd/vdsm.json";
const REFUSED_HERE =
  /host-b:54321 does not accept this host's certificate: TLS alert certificate expired \(CN=host-a, issued by CN=lab authority, valid from \S+ to \S+\)/;

let lab: Lab;
let b: Daemon;

beforeAll(async () => {
  lab = await Lab.up({ tls: true });
  b = await startDaemon(lab.b, { client: "Python" });
});

afterAll(async () => {
  await b.stop();
  await lab.down();
});

/** The lab's authority, able to issue certificates with any dates. */
function authority(): Pki {
  const folder = path.join(authorityOf(lab.a), "dates");
  mkdirSync(folder);
  const of = new Pki(folder);
  for (const file of ["ca.pem", "ca.key"]) {
    copyFileSync(path.join(authorityOf(lab.a), file), of.path(file));
  }
  return of;
}

it("an expired certificate is said to be so on both sides, and a renewed one is taken", async () => {
  const of = authority();
  const certify = (dates: { fromDays?: number; toDays?: number }): void => {
    of.leaf("host-a", "ca", dates);
    const put = (file: string, at: string): void =>
      copyFileSync(of.path(file), lab.a.outsidePath(`/etc/pki/vdsm/${at}`));
    put("host-a.pem", "certs/vdsmcert.pem");
    put("host-a.key", "keys/vdsmkey.pem");
  };
  certify({ fromDays: -9, toDays: -2 });
  writeConfig(lab.a);
  const listening = await launchDaemon(lab.a);
  expect(await listening.exited).toEqual({ code: 78, signal: null });
  expect(listening.log()).toMatch(
    /^vdsm-migrationd: ssl\.cert: "\S+\/vdsmcert\.pem" \(CN=host-a\) expired on \S+Z \(valid from \S+Z\)\n$/,
  );

  const file = lab.a.outsidePath(CONFIG_PATH);
  const config = JSON.parse(readFileSync(file, "utf8"));
  config.addresses.management_ip = "";
  writeFileSync(file, JSON.stringify(config));
  const a = new Daemon(lab.a, await launchDaemon(lab.a));
  await a.process.waitForLog(/"msg":"ready"/);
  await a.connect();
  const guest = await lab.a.startGuest({ filledMiB: 4 });
  const migrate = () => a.call("VM.migrate", { vmID: guest.uuid, params: { dst: "host-b" } });
  await migrate();
  expect(await a.ended(guest.uuid)).toMatchObject({
    reason: "noDestination",
    code: 10,
    where: "source",
    message: expect.stringMatching(REFUSED_HERE),
  });
  await b.process.waitForLog(
    /"reason":"its certificate was rejected: certificate has expired","subject":"CN=host-a"/,
  );

  certify({});
  a.process.signal("SIGHUP");
  await a.process.waitForLog(/reloaded the certificate for calls to other hosts/);
  await migrate();
  await b.event("VM_status", guest.uuid, (fields) => fields["status"] === "Up");
  await expectRunsOn(guest, lab.b);
  await a.stop();
});
