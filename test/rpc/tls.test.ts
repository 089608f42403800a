/** Mutual TLS on the TCP door, with a throw-away authority: who gets in, and who does not. */

import { copyFileSync, mkdtempSync } from "node:fs";
import { join } from "node:path";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { describe, expect, it } from "vitest";
import {
  bodyOf,
  exchange,
  makeCertificates,
  ping,
  pong,
  post,
  startListener,
  statusOf,
  tcp,
  useFolder,
} from "./lines.ts";

const { files, client, path: inFolder, pem } = useFolder(makeCertificates);

describe("TLS", () => {
  const startTls = async () =>
    await startListener({ tcp: { ...tcp, tls: files() }, limits: { handshakeMs: 300 } });
  const own = (): ConnectionOptions => client("host");

  it.each(["TLSv1.2", "TLSv1.3"] as const)(
    "answers a client with a certificate over %s",
    async (version) => {
      const { at } = await startTls();
      const socket = connectTls({ ...at, ...own(), minVersion: version, maxVersion: version });
      expect(bodyOf(await exchange(socket, post(ping)))).toBe(pong);
    },
  );

  it("sends one session ticket, so that nobody is a record behind", async () => {
    const { at } = await startTls();
    const socket = connectTls({ ...at, ...own(), minVersion: "TLSv1.3" });
    let tickets = 0;
    socket.on("session", () => {
      tickets += 1;
    });
    expect(bodyOf(await exchange(socket, post(ping)))).toBe(pong);
    expect(tickets).toBe(1);
  });

  it("lets the own https origin through, and no other", async () => {
    const { at } = await startTls();
    for (const [scheme, status] of [
      ["https", 200],
      ["http", 403],
    ] as const) {
      const headers = { Origin: `${scheme}://127.0.0.1:${at.port}` };
      const reply = await exchange(connectTls({ ...at, ...own() }), post(ping, headers));
      expect(statusOf(reply)).toBe(status);
    }
  });

  it.each<[string, () => ConnectionOptions]>([
    ["without a certificate", () => ({ ca: pem("ca.pem") })],
    ["with a stranger's", () => client("stranger")],
    [
      "over TLS 1.1",
      () => ({ ...own(), minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" }),
    ],
  ])("refuses a client %s, and says so", async (_what, options) => {
    const { at, calls, lines } = await startTls();
    expect(await exchange(connectTls({ ...at, ...options() }), post(ping))).toBe("");
    expect(calls).toEqual([]);
    expect(lines.map((line) => line["msg"])).toContain("TLS handshake refused");
  });

  it("refuses plain text, and silence", async () => {
    const { at, calls } = await startTls();
    expect(statusOf(await exchange(at, post(ping)))).toBe(0);
    expect(await exchange(at, "")).toBe("");
    expect(calls).toEqual([]);
  });

  it("reads its files again, for who comes from then on", async () => {
    const own2 = mkdtempSync(inFolder("reload-"));
    const tls = { ca: join(own2, "ca"), cert: join(own2, "cert"), key: join(own2, "key") };
    const use = (ca: string, name: string) => {
      copyFileSync(inFolder(`${ca}.pem`), tls.ca);
      copyFileSync(inFolder(`${name}.pem`), tls.cert);
      copyFileSync(inFolder(`${name}.key`), tls.key);
    };
    use("ca", "host");
    const { at, listener, lines } = await startListener({ tcp: { ...tcp, tls } });
    const stranger = () => ({ ...client("stranger"), ca: pem("strange-ca.pem") });
    const kept = connectTls({ ...at, ...own() });
    const session = await new Promise<Buffer>((resolve) => kept.once("session", resolve));

    use("strange-ca", "stranger");
    await listener.reloadTls();
    expect(bodyOf(await exchange(connectTls({ ...at, ...stranger() }), post(ping)))).toBe(pong);
    // It would take our certificate, to see that a session of before does not help it either.
    const old = { ...own(), rejectUnauthorized: false };
    expect(await exchange(connectTls({ ...at, ...old }), post(ping))).toBe("");
    expect(await exchange(connectTls({ ...at, ...old, session }), post(ping))).toBe("");
    expect(bodyOf(await exchange(kept, post(ping)))).toBe(pong);

    copyFileSync(inFolder("host.key"), tls.key);
    await listener.reloadTls();
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: "error",
        msg: "TLS certificates not reloaded; keeping the old ones",
      }),
    );
    expect(bodyOf(await exchange(connectTls({ ...at, ...stranger() }), post(ping)))).toBe(pong);
  });

  it("after a reload is as strict as before", async () => {
    const { at, listener, calls } = await startTls();
    await listener.reloadTls();
    const old = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "ALL:@SECLEVEL=0" } as const;
    for (const options of [{ ca: pem("ca.pem") }, { ...own(), ...old }]) {
      expect(await exchange(connectTls({ ...at, ...options }), post(ping))).toBe("");
    }
    expect(calls).toEqual([]);
  });

  it("needs its files", async () => {
    const tls = { ...files(), key: inFolder("none.key") };
    await expect(startListener({ tcp: { ...tcp, tls } })).rejects.toThrow(/none\.key/);
  });
});
