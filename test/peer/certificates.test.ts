/** What VM.migrateCheck says of both hosts' certificates, from a look at a destination over real TLS. */

import { createServer } from "node:tls";
import { expect, it } from "vitest";
import { certificatesFinding } from "../../src/peer/certificates.ts";
import { makeCertificate, makeCertificates, useFolder } from "../rpc/lines.ts";
import { daemonLike, listen, peerAt } from "./destination.ts";

const STATS = {
  incomingVmMigrations: 1,
  outgoingVmMigrations: 0,
  incomingSlotsInUse: 1,
  max_incoming_migrations: 2,
  version: "1.2.3",
};

const { client, files } = useFolder((dir) => {
  makeCertificates(dir);
  makeCertificate(dir, "long", { days: 90 });
  makeCertificate(dir, "expired", { days: -1 });
});

async function lookFrom(own: string, theirs: string) {
  const { port } = await listen(createServer(client(theirs), daemonLike({ result: STATS })));
  const look = await peerAt(port, client(own)).look();
  return { look, finding: certificatesFinding(look, files(own), Date.now()) };
}

it.each<[string, string, string, boolean, RegExp]>([
  ["both are good", "long", "host", true, /\(CN=host\) is good until .*this host's is good until/],
  ["this host's ends soon", "engine", "long", true, /this host's is good until.*expires on/],
  ["this host's has expired", "expired", "host", false, /expired on/],
  ["this host's is of another authority", "stranger", "host", false, /does not chain/],
  ["the destination's has expired", "long", "expired", false, /not accepted here.*expired/],
])("%s", async (_name, own, theirs, ok, detail) => {
  const { finding } = await lookFrom(own, theirs);
  expect(finding).toEqual({ ok, detail: expect.stringMatching(detail) });
});

it("a look has what the destination says of itself", async () => {
  const { look } = await lookFrom("long", "host");
  expect(look).toMatchObject({
    kind: "answers",
    migrations: 1,
    slotsInUse: 1,
    slots: 2,
    version: "1.2.3",
  });
});

it("without TLS none are needed", async () => {
  const { look } = await lookFrom("long", "host");
  expect(certificatesFinding(look, null, 0)).toMatchObject({ ok: true });
});
