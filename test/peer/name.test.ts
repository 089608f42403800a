/** The name check towards destinations: what a certificate must hold, and that it is off by default. */

import { createServer } from "node:tls";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { createLog } from "../../src/logger.ts";
import { loadPeerTls } from "../../src/peer/peer-tls.ts";
import { makeCertificate, makeCertificates, useFolder } from "../rpc/lines.ts";
import { clientWith, daemonLike, listen } from "./destination.ts";

const { client, files } = useFolder((dir) => {
  makeCertificates(dir);
  makeCertificate(dir, "by-address");
  makeCertificate(dir, "by-name", { alternatives: "DNS:localhost" });
  makeCertificate(dir, "other", { alternatives: "DNS:host-b,IP:10.0.0.2" });
  makeCertificate(dir, "localhost", { alternatives: "DNS:host-b" });
  makeCertificate(dir, "wild", { alternatives: "DNS:*,DNS:*.localhost" });
});

async function destination(certificate: string): Promise<number> {
  const options = { ...client(certificate), requestCert: true };
  return (await listen(createServer(options, daemonLike({ result: true })))).port;
}

async function ask(host: string, port: number, verifyName?: boolean) {
  const ssl = {
    ...files(),
    ...(verifyName !== undefined && { verify_peer_name: verifyName }),
  };
  const log = createLog({ level: "error", stream: { write: () => undefined } });
  const tls = (await loadPeerTls(parseConfig({ ssl }).ssl, log)) ?? null;
  return await clientWith(tls).ask({ host, port }, "Host.ping2", {}, 10_000);
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

it.each([
  ["of another certificate", "by-name"],
  ["not there", "gone"],
])("the key is %s: the present one is kept, and a line says so", async (_name, key) => {
  const ssl = { ...files(), key: files(key).key };
  const lines: string[] = [];
  const log = createLog({ level: "info", stream: { write: (line) => void lines.push(line) } });
  expect(await loadPeerTls(parseConfig({ ssl }).ssl, log)).toBeUndefined();
  expect(lines).toEqual([expect.stringContaining("no usable certificate")]);
});
