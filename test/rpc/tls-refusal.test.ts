/**
 * A client that does not get in over TLS: it hears why by the alert that OpenSSL has for it, over 1.2
 * and 1.3 and with stock clients, and the log has address, subject and reason.
 */
import { execFile } from "node:child_process";
import { type ConnectionOptions, connect as connectTls } from "node:tls";
import { describe, expect, it } from "vitest";
import { PeerClient } from "../../src/peer/peer-client.ts";
import { pki, type Pki } from "../tls/authority.ts";
import { exchange, ping, post, startListener, tcp } from "./lines.ts";

async function door(of: Pki) {
  of.authority("ca");
  of.leaf("host", "ca");
  const tls = { ca: of.path("ca.pem"), cert: of.path("host.pem"), key: of.path("host.key") };
  const bench = await startListener({ tcp: { ...tcp, tls } });
  return { ...bench, port: bench.at.port };
}

const ANSWER_MS = 10_000;

const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;

/** A client's certificate, what it hears over 1.2 and 1.3, and what the log says. */
const CLIENTS: readonly {
  readonly what: string;
  readonly make?: (of: Pki) => void;
  readonly hears: readonly [RegExp, RegExp];
  readonly logged: Readonly<Record<string, unknown>>;
}[] = [
  {
    what: "none",
    hears: [/alert handshake failure/, /alert certificate required/],
    logged: { reason: "it sent no certificate" },
  },
  {
    what: "of another authority",
    make: (of) => {
      of.authority("other");
      of.leaf("client", "other");
    },
    hears: [/alert unknown ca/, /alert unknown ca/],
    logged: {
      reason: "its certificate was rejected: unable to get local issuer certificate",
      subject: "CN=client",
      issuer: "CN=other",
    },
  },
  {
    what: "of another authority of the same name",
    make: (of) => {
      of.authority("other", { subject: "/CN=ca" });
      of.leaf("client", "other");
    },
    hears: [
      /alert (decrypt error|unknown ca|bad certificate)/,
      /alert (decrypt error|unknown ca|bad certificate)/,
    ],
    logged: { reason: expect.stringMatching(/^its certificate was rejected: /), issuer: "CN=ca" },
  },
  {
    what: "signed by itself",
    make: (of) => of.authority("client"),
    hears: [/alert unknown ca/, /alert unknown ca/],
    logged: {
      reason: "its certificate was rejected: self-signed certificate",
      subject: "CN=client",
    },
  },
  {
    what: "expired",
    make: (of) => of.leaf("client", "ca", { fromDays: -9, toDays: -2 }),
    hears: [/alert certificate expired/, /alert certificate expired/],
    logged: {
      reason: "its certificate was rejected: certificate has expired",
      subject: "CN=client",
      expires: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/),
    },
  },
  {
    what: "not valid yet",
    make: (of) => of.leaf("client", "ca", { fromDays: 2 }),
    hears: [/alert bad certificate/, /alert bad certificate/],
    logged: { reason: "its certificate was rejected: certificate is not yet valid" },
  },
  {
    what: "for servers only",
    make: (of) => of.leaf("client", "ca", { extensions: ["extendedKeyUsage=serverAuth"] }),
    hears: [/alert unsupported certificate/, /alert unsupported certificate/],
    logged: { reason: expect.stringMatching(/^its certificate was rejected: unsuitable/) },
  },
];

/** The error that ends the connection. */
function heardBy(options: ConnectionOptions): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectTls(options);
    socket.on("error", (error) => resolve(error.message));
    socket.on("close", () => resolve("closed"));
    socket.write(post(ping));
  });
}

describe("a client with a certificate", () => {
  it.each(CLIENTS)("$what: hears the alert, and is in the log", async ({ make, hears, logged }) => {
    const of = pki();
    const { port, lines, calls } = await door(of);
    make?.(of);
    const shown =
      make === undefined ? {} : { cert: of.read("client.pem"), key: of.read("client.key") };
    for (const [index, version] of VERSIONS.entries()) {
      const versions = { minVersion: version, maxVersion: version };
      const own = { host: "127.0.0.1", port, ca: of.read("ca.pem"), ...shown, ...versions };
      expect(await heardBy(own)).toMatch(hears[index] ?? /never/);
    }
    expect(calls).toEqual([]);
    const refused = lines.filter(({ msg }) => msg === "TLS handshake refused");
    expect(refused).toEqual([
      expect.objectContaining({ client: expect.stringMatching(/^127\.0\.0\.1:\d+$/), ...logged }),
    ]);
  });

  it("also after the files were read again, and one that is right gets in", async () => {
    const of = pki();
    const { port, listener } = await door(of);
    of.authority("other");
    of.leaf("client", "other");
    of.leaf("right", "ca");
    await listener.reloadTls();
    const own = (name: string) => ({
      host: "127.0.0.1",
      port,
      ca: of.read("ca.pem"),
      cert: of.read(`${name}.pem`),
      key: of.read(`${name}.key`),
    });
    expect(await heardBy(own("client"))).toMatch(/alert unknown ca/);
    expect(await exchange(connectTls(own("right")), post(ping))).toContain("200 OK");
  });

  it("hears it as a stock client, too", async () => {
    const of = pki();
    const { port } = await door(of);
    of.authority("other");
    of.leaf("client", "other");
    const args = ["-cert", of.path("client.pem"), "-key", of.path("client.key")];
    const said = await new Promise<string>((resolve) => {
      const run = execFile(
        "openssl",
        ["s_client", "-connect", `127.0.0.1:${port}`, ...args],
        (_error, stdout, stderr) => resolve(stdout + stderr),
      );
      run.stdin?.write("x\n");
    });
    expect(said).toMatch(/alert unknown ca.*SSL alert number 48/);
  });
});

describe("a client that", () => {
  it("does not take this host's certificate is in the log", async () => {
    const of = pki();
    const { port, lines } = await door(of);
    of.authority("other");
    const args = [
      "-connect",
      `127.0.0.1:${port}`,
      "-CAfile",
      of.path("other.pem"),
      "-verify_return_error",
    ];
    const run = execFile("openssl", ["s_client", ...args]);
    await new Promise((resolve) => run.once("exit", resolve));
    await expect
      .poll(() => lines)
      .toContainEqual(
        expect.objectContaining({
          msg: "TLS handshake refused",
          reason: "it rejected this host's certificate: TLS alert unknown ca",
        }),
      );
  });

  it("speaks something else is in the log", async () => {
    const { port, lines } = await door(pki());
    await exchange({ host: "127.0.0.1", port }, post(ping));
    await exchange({ host: "127.0.0.1", port }, "CONNECT\n\n\0");
    const reasons = lines.filter(({ msg }) => msg === "TLS handshake refused");
    expect(reasons.map(({ reason }) => reason)).toEqual([
      "it uses HTTP without TLS",
      "it does not use TLS",
    ]);
  });
});

describe("between two daemons", () => {
  async function asked(of: Pki, name: string, ca: string, port: number) {
    const own = { ca: of.read(ca), cert: of.read(`${name}.pem`), key: of.read(`${name}.key`) };
    const nowMs = (): number => performance.now();
    const client = new PeerClient(own, nowMs, () => ANSWER_MS);
    const answer = await client.ask({ host: "127.0.0.1", port }, "Host.ping2", {}, ANSWER_MS);
    client.close();
    return answer;
  }
  const refusedBy = (lines: readonly Readonly<Record<string, unknown>>[]) =>
    lines.filter(({ msg }) => msg === "TLS handshake refused").map(({ reason }) => reason);

  it("the source hears why its certificate is refused, and both sides say whose", async () => {
    const of = pki();
    const { port, lines } = await door(of);
    of.leaf("source", "ca", { fromDays: -9, toDays: -2 });
    expect(await asked(of, "source", "ca.pem", port)).toEqual({
      kind: "silent",
      cause: "certificateHere",
      message: expect.stringMatching(
        /does not accept this host's certificate: TLS alert certificate expired \(CN=source, issued by CN=ca, valid from \S+Z to \S+Z\)$/,
      ),
    });
    expect(refusedBy(lines)).toEqual(["its certificate was rejected: certificate has expired"]);
  });

  it("a renewed certificate is tried at once, not after the pause of the one before", async () => {
    const of = pki();
    const { port } = await door(of);
    const filesOf = (name: string) => ({
      ca: of.read("ca.pem"),
      cert: of.read(`${name}.pem`),
      key: of.read(`${name}.key`),
    });
    of.leaf("old", "ca", { fromDays: -9, toDays: -2 });
    of.leaf("new", "ca");
    // Time stands still: no pause ever ends.
    const client = new PeerClient(
      filesOf("old"),
      () => 0,
      () => ANSWER_MS,
    );
    const ask = () => client.ask({ host: "127.0.0.1", port }, "Host.ping2", {}, ANSWER_MS);
    expect(await ask()).toMatchObject({ kind: "silent", cause: "certificateHere" });
    client.useTls(filesOf("new"));
    expect(await ask()).toMatchObject({ kind: "result" });
    client.close();
  });

  it("the source says whose certificate it refuses, since Node's client sends no alert", async () => {
    const of = pki();
    const { port } = await door(of);
    of.authority("other");
    of.leaf("source", "ca");
    expect(await asked(of, "source", "other.pem", port)).toEqual({
      kind: "silent",
      cause: "certificateThere",
      message: expect.stringMatching(
        /^the certificate of 127\.0\.0\.1:\d+ is not accepted here: self-signed certificate in .* \(CN=host, issued by CN=ca, valid from /,
      ),
    });
  });
});
