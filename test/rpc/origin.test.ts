/** Which pages are the daemon's own: by what was connected to, and over TLS by every name of it. */

import { connect as connectTls } from "node:tls";
import { X509Certificate } from "node:crypto";
import { describe, expect, it } from "vitest";
import WebSocket from "ws";
import { isOwnOrigin, type Reached } from "../../src/rpc/origin.ts";
import {
  exchange,
  makeCertificate,
  makeCertificates,
  ping,
  post,
  startListener,
  statusOf,
  tcp,
  useFolder,
} from "./lines.ts";

const { files, client, pem } = useFolder((dir) => {
  makeCertificates(dir);
  makeCertificate(dir, "named", {
    subject: "/O=lab/CN=host-cn.example",
    alternatives: "DNS:host-a.example,DNS:*.wild.example,IP:10.0.0.1,IP:2001:db8::1,IP:127.0.0.1",
  });
});

function over(door: Reached["listener"], fields: Partial<Reached> = {}): Reached {
  const isUnix = door === "unix" || door === "unixReadOnly";
  return {
    listener: door,
    listed: ["https://Listed.example", "http://listed.example:8080"],
    ...(!isUnix && { address: "::ffff:10.0.0.1", port: 54_321 }),
    ...(door === "tls" && { certificate: new X509Certificate(pem("named.pem")) }),
    ...fields,
  };
}

const IPV6 = { address: "2001:db8::1", port: 54_321 };

describe("over plain TCP", () => {
  it.each<[string, boolean, Partial<Reached>?]>([
    ["http://10.0.0.1:54321", true],
    ["HTTP://10.0.0.1:54321", true],
    ["http://[::ffff:10.0.0.1]:54321", true],
    ["http://10.0.0.1", false],
    ["http://10.0.0.1", true, { port: 80 }],
    ["http://10.0.0.1:80", true, { port: 80 }],
    ["http://[2001:DB8:0::1]:54321", true, IPV6],
    ["http://[fe80::1]:54321", true, { address: "fe80::1%eth0" }],
    ["https://10.0.0.1:54321", false],
    ["http://10.0.0.2:54321", false],
    ["http://10.0.0.1:54322", false],
    ["http://10.0.0.1.:54321", false],
    ["http://host-a.example:54321", false, { hostHeader: "host-a.example:54321" }],
    ["http://10.0.0.2:54321", false, { hostHeader: "10.0.0.2:54321" }],
    ["http://localhost:54321", false, { hostHeader: "localhost:54321" }],
    ["https://listed.example", true],
    ["https://listed.example:443", true],
    ["https://LISTED.example.", true],
    ["http://listed.example:8080", true],
    ["http://listed.example", false],
    ["null", false],
    ["", false],
    ["http://", false],
    ["http://10.0.0.1:54321/", false],
    ["http://10.0.0.1:54321, http://10.0.0.1:54321", false],
    ["http://10.0.0.1:54321 http://evil.example", false],
    ["http://user@10.0.0.1:54321", false],
    ["http://10.0.0.1:054321", false],
    ["http://10.0.0.1:", false],
    ["file://", false],
    ["ws://10.0.0.1:54321", false],
  ])("%s: %s (%j)", (origin, own, fields = {}) => {
    expect(isOwnOrigin(origin, over("tcp", fields))).toBe(own);
  });
});

describe("over TLS", () => {
  it.each<[string, boolean, Partial<Reached>?]>([
    ["https://10.0.0.1:54321", true],
    ["http://10.0.0.1:54321", false],
    ["https://name.of.any.kind:54321", true, { hostHeader: "name.of.any.kind:54321" }],
    ["https://Name.:54321", true, { hostHeader: "nAME:54321" }],
    ["https://name", true, { hostHeader: "name" }],
    ["https://name:443", true, { hostHeader: "name" }],
    ["https://name", true, { hostHeader: "name:443" }],
    ["https://name:54321", false, { hostHeader: "name" }],
    ["https://name", false, { hostHeader: "name:54321" }],
    ["http://name:54321", false, { hostHeader: "name:54321" }],
    ["https://[2001:db8::9]:54321", true, { hostHeader: "[2001:DB8:0:0::9]:54321" }],
    ["https://192.0.2.1:8443", true, { hostHeader: "192.0.2.1:8443" }],
    ["https://name:54321", false, { hostHeader: "evil.example:54321" }],
    ["https://name:54321", false, { hostHeader: "name:54321/x" }],
    ["https://host-a.example:54321", true],
    ["https://HOST-A.example.:54321", true],
    ["https://host-cn.example:54321", true],
    ["https://one.wild.example:54321", true],
    ["https://one.two.wild.example:54321", false],
    ["https://host-a.example:8443", true, { hostHeader: "gateway:8443" }],
    ["https://host-a.example:8443", false],
    ["https://host-a.example", false],
    ["https://[2001:db8::1]:54321", true],
    ["https://xhost-a.example:54321", false],
    ["https://host-a.example.evil:54321", false],
    ["https://evil.example", false, { hostHeader: "10.0.0.1:54321" }],
    ["null", false, { hostHeader: "null" }],
    ["https://null:54321", false],
  ])("%s: %s (%j)", (origin, own, fields = {}) => {
    expect(isOwnOrigin(origin, over("tls", fields))).toBe(own);
  });
});

describe.each(["unix", "unixReadOnly"] as const)("over a Unix socket (%s)", (door) => {
  it.each([
    ["http://localhost", true],
    ["http://localhost:80", true],
    ["http://LOCALHOST.:54321", true],
    ["https://localhost", false],
    ["http://localhost.example", false],
    ["http://127.0.0.1", false],
    ["null", false],
  ])("%s: %s", (origin, own) => {
    expect(isOwnOrigin(origin, over(door, { hostHeader: "evil.example" }))).toBe(own);
  });
});

describe("a listener with TLS", () => {
  async function start() {
    const { at } = await startListener({ tcp: { ...tcp, tls: files("named") } });
    const [port, own] = [at.port, client()];
    return { port, own };
  }

  it.each<[string, number, string?]>([
    ["https://127.0.0.1:{port}", 200],
    ["https://any.example:{port}", 200, "any.example:{port}"],
    ["https://host-a.example:{port}", 200],
    ["https://evil.example:{port}", 403, "host-a.example:{port}"],
    ["http://host-a.example:{port}", 403, "host-a.example:{port}"],
    ["https://host-a.example:{port}\r\nOrigin: https://evil.example", 403],
    ["https://any.example:{port}", 403, "any.example:{port}\r\nHost: any.example:{port}"],
  ])("POST from %s: %i (Host: %s)", async (origin, status, host = "127.0.0.1:{port}") => {
    const { port, own } = await start();
    const text = post(ping, { Origin: origin, Host: host }).replaceAll("{port}", String(port));
    const reply = await exchange(connectTls({ host: "127.0.0.1", port, ...own }), text);
    expect(statusOf(reply)).toBe(status);
  });

  it("takes a WebSocket from the name that its Host header has", async () => {
    const { port, own } = await start();
    const url = `wss://127.0.0.1:${port}/jsonrpc`;
    const headers = { Host: `any.example:${port}` };
    const origin = `https://any.example:${port}`;
    const opened = async (options: object): Promise<boolean> => {
      const socket = new WebSocket(url, { ...own, ...options });
      return await new Promise<boolean>((resolve) => {
        socket.once("open", () => resolve(true)).once("error", () => resolve(false));
      }).finally(() => socket.terminate());
    };
    expect(await opened({ headers, origin })).toBe(true);
    expect(await opened({ headers, origin: "https://evil.example" })).toBe(false);
  });
});
