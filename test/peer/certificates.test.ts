/** What VM.migrateCheck says of both hosts' certificates, from a look at a destination over real TLS. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { createLog } from "../../src/logger.ts";
import { certificatesFinding } from "../../src/peer/certificates.ts";
import { Peer } from "../../src/peer/peer.ts";
import { PeerClient } from "../../src/peer/peer-client.ts";
import { makeCertificate, makeCertificates } from "../rpc/lines.ts";

const DEADLINE_MS = 10_000;
const STATS = {
  incomingVmMigrations: 1,
  outgoingVmMigrations: 0,
  incomingSlotsInUse: 1,
  max_incoming_migrations: 2,
  version: "1.2.3",
};

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "peer-certificates-"));
  makeCertificates(dir);
  makeCertificate(dir, "long", { days: 90 });
  makeCertificate(dir, "expired", { days: -1 });
});
afterAll(() => rmSync(dir, { recursive: true }));

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

const pem = (file: string): Buffer => readFileSync(join(dir, file));

function answer(socket: TLSSocket): void {
  closing.push(() => socket.destroy());
  socket.on("error", () => undefined);
  socket.on("data", (data: Buffer) => {
    const text = data.toString();
    if (text.includes("CONNECT\n")) socket.write("CONNECTED\nversion:1.2\n\n\0");
    const id = /"id":"([^"]+)"/.exec(text)?.[1];
    if (id === undefined) return;
    const body = JSON.stringify({ jsonrpc: "2.0", id, result: STATS });
    socket.write(`MESSAGE\ndestination:d\ncontent-length:${body.length}\n\n${body}\0`);
  });
}

async function listening(server: Server): Promise<number> {
  closing.push(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  return (server.address() as AddressInfo).port;
}

async function lookFrom(own: string, theirs: string) {
  const named = (name: string) => ({
    ca: pem("ca.pem"),
    cert: pem(`${name}.pem`),
    key: pem(`${name}.key`),
  });
  const port = await listening(createServer(named(theirs), answer));
  const nowMs = (): number => performance.now();
  const client = new PeerClient(named(own), nowMs, () => DEADLINE_MS);
  closing.push(() => client.close());
  const log = createLog({ level: "error", stream: { write: () => undefined } });
  const times = { deadlineMs: () => DEADLINE_MS, nowMs };
  const look = await new Peer({ host: "127.0.0.1", port }, client, log, times).look();
  const files = {
    ca: join(dir, "ca.pem"),
    cert: join(dir, `${own}.pem`),
    key: join(dir, `${own}.key`),
  };
  return { look, finding: certificatesFinding(look, files, Date.now()) };
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
