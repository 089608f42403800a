/** The name check towards destinations: what a certificate must hold, and that it is off by default. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:tls";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { createLog } from "../../src/logger.ts";
import { PeerClient } from "../../src/peer/peer-client.ts";
import { loadPeerTls } from "../../src/peer/peer-tls.ts";
import { makeCertificate, makeCertificates } from "../rpc/lines.ts";

let dir = "";
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "peer-name-"));
  makeCertificates(dir);
  makeCertificate(dir, "by-address");
  makeCertificate(dir, "by-name", { alternatives: "DNS:localhost" });
  makeCertificate(dir, "other", { alternatives: "DNS:host-b,IP:10.0.0.2" });
  makeCertificate(dir, "localhost", { alternatives: "DNS:host-b" });
  makeCertificate(dir, "wild", { alternatives: "DNS:*,DNS:*.localhost" });
});
afterAll(() => rmSync(dir, { recursive: true }));

const servers: Server[] = [];
const clients: PeerClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) server.close();
});

/** A destination that says CONNECTED, and answers true to any question. */
async function destination(certificate: string): Promise<number> {
  const pem = (file: string) => readFileSync(join(dir, file));
  const server = createServer(
    {
      ca: pem("ca.pem"),
      cert: pem(`${certificate}.pem`),
      key: pem(`${certificate}.key`),
      requestCert: true,
    },
    (socket) => {
      socket.on("error", () => undefined);
      socket.write("CONNECTED\nversion:1.2\n\n\0");
      socket.on("data", (data: Buffer) => {
        const id = /"id":"([^"]+)"/.exec(data.toString())?.[1];
        if (id === undefined) return;
        const body = JSON.stringify({ jsonrpc: "2.0", id, result: true });
        socket.write(`MESSAGE\ndestination:d\ncontent-length:${body.length}\n\n${body}\0`);
      });
    },
  );
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const address = server.address();
  return typeof address === "object" ? (address?.port ?? 0) : 0;
}

async function ask(host: string, port: number, verifyName?: boolean) {
  const ssl = {
    ca: join(dir, "ca.pem"),
    cert: join(dir, "host.pem"),
    key: join(dir, "host.key"),
    ...(verifyName !== undefined && { verify_peer_name: verifyName }),
  };
  const log = createLog({ level: "error", stream: { write: () => undefined } });
  const tls = (await loadPeerTls(parseConfig({ ssl }).ssl, log)) ?? null;
  const client = new PeerClient(
    tls,
    () => performance.now(),
    () => 10_000,
  );
  clients.push(client);
  return await client.ask({ host, port }, "Host.ping2", {}, 10_000);
}

describe("ssl.verify_peer_name", () => {
  it.each<[string, string, string, boolean]>([
    ["the address among its alternatives", "by-address", "127.0.0.1", true],
    ["the name among its alternatives", "by-name", "localhost", true],
    ["only the name, where dst is the address", "by-name", "127.0.0.1", false],
    ["only the address, where dst is the name", "by-address", "localhost", false],
    ["another host's", "other", "127.0.0.1", false],
    [
      "the name only as its subject, which other alternatives overrule",
      "localhost",
      "localhost",
      false,
    ],
    ["a star for every name", "wild", "localhost", false],
  ])("takes a destination with %s: %s at %s, %s", async (_what, certificate, host, passes) => {
    const port = await destination(certificate);
    const checked = await ask(host, port, true);
    if (passes) expect(checked).toEqual({ kind: "result", result: true });
    else
      expect(checked).toMatchObject({ kind: "silent", message: expect.stringMatching(/altnames/) });
    expect(await ask(host, port, false)).toEqual({ kind: "result", result: true });
    expect(await ask(host, port)).toEqual({ kind: "result", result: true });
  });

  it("or not, a destination of another authority is never spoken to", async () => {
    const port = await destination("stranger");
    for (const verifyName of [true, false]) {
      expect(await ask("127.0.0.1", port, verifyName)).toMatchObject({ kind: "silent" });
    }
  });
});
