/** What is found in real TLS files, good and broken in every way. */
import { mkdirSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { readTls, type TlsReading } from "../../src/tls/facts.ts";
import { judge } from "../../src/tls/judge.ts";
import { dayFromNow, pki, type Pki, type Wish } from "./authority.ts";

interface Names {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}
const USUAL: Names = { ca: "ca.pem", cert: "host.pem", key: "host.key" };

function readingOf(of: Pki, names: Partial<Names> = {}): TlsReading {
  const { ca, cert, key } = { ...USUAL, ...names };
  return readTls({ ca: of.path(ca), cert: of.path(cert), key: of.path(key) });
}

/** With the folder's name removed. */
function findings(of: Pki, names: Partial<Names> = {}): readonly string[] {
  const { facts } = readingOf(of, names);
  return judge(facts, Date.now()).map(({ severity, message }) =>
    `${severity} ${message}`.replaceAll(`${of.folder}/`, ""),
  );
}

function usual(wish: Wish = {}): Pki {
  const of = pki();
  of.authority("ca");
  of.leaf("host", "ca", wish);
  return of;
}

describe("good files", () => {
  it("give no findings and are described", () => {
    const of = usual({ subject: "/O=Example, Inc./CN=host" });
    expect(findings(of)).toEqual([]);
    const { facts, material } = readingOf(of);
    expect(facts.cert).toMatchObject({
      certificates: [{ subject: "CN=host,O=Example\\, Inc.", issuer: "CN=ca" }],
    });
    expect(material).toEqual({
      ca: of.read("ca.pem"),
      cert: of.read("host.pem"),
      key: of.read("host.key"),
    });
  });

  it.each([
    ["RSA", ["-newkey", "rsa:2048", "-nodes"]],
    ["Ed25519", ["-newkey", "ed25519", "-nodes"]],
  ])("also with a key of %s", (_what, key) => {
    expect(findings(usual({ key }))).toEqual([]);
  });

  it("may have intermediates, in either file, in any order", () => {
    const of = pki();
    of.authority("ca");
    of.authority("other");
    of.intermediate("middle", "ca");
    of.leaf("host", "middle");
    of.bundle("chain.pem", "host.pem", "middle.pem");
    of.bundle("both.pem", "other.pem", "middle.pem", "ca.pem");
    expect(findings(of, { cert: "chain.pem" })).toEqual([]);
    expect(findings(of, { ca: "both.pem" })).toEqual([]);
    expect(findings(of)).toEqual([
      'error ssl.cert: "host.pem" (CN=host, issued by CN=middle) does not chain to any authority in ssl.ca "ca.pem" (CN=ca)',
    ]);
    // OpenSSL requires the chain to end in a self-signed certificate.
    expect(findings(of, { ca: "middle.pem" })).toEqual([
      expect.stringMatching(
        /does not chain to any authority in ssl\.ca "middle\.pem" \(CN=middle\)$/,
      ),
    ]);
  });

  it("may have text around the PEM", () => {
    const of = usual();
    writeFileSync(
      of.path("text.pem"),
      `Issuer: us\n  a - b\n${of.read("host.pem").toString()}\nend`,
    );
    expect(findings(of, { cert: "text.pem" })).toEqual([]);
  });
});

describe("broken files", () => {
  it("missing, a folder, or not PEM", () => {
    const of = usual();
    mkdirSync(of.path("folder"));
    writeFileSync(of.path("empty"), "");
    of.openssl("x509", "-in", "host.pem", "-outform", "DER", "-out", "host.der");
    expect(findings(of, { ca: "none", cert: "folder", key: "empty" })).toEqual([
      'error ssl.ca: "none" cannot be read: no such file',
      'error ssl.cert: "folder" cannot be read: is a directory',
      'error ssl.key: "empty" contains no PEM private key',
    ]);
    expect(findings(of, { ca: "host.key", cert: "host.der" })).toEqual([
      'error ssl.ca: "host.key" contains no PEM certificate',
      'error ssl.cert: "host.der" contains no PEM certificate',
    ]);
    expect(readingOf(of, { ca: "none" }).material).toBeUndefined();
  });

  it("damaged", () => {
    const of = usual();
    const damage = (file: string): void => {
      const [first = "", second = "", ...rest] = of.read(file).toString().split("\n");
      writeFileSync(of.path(`bad-${file}`), [first, second.slice(4), ...rest].join("\n"));
    };
    damage("host.pem");
    damage("host.key");
    expect(findings(of, { cert: "bad-host.pem", key: "bad-host.key" })).toEqual([
      expect.stringMatching(
        /^error ssl\.cert: "bad-host\.pem" contains a certificate that cannot be parsed/,
      ),
      expect.stringMatching(
        /^error ssl\.key: "bad-host\.key" contains a private key that cannot be parsed/,
      ),
    ]);
  });

  it("a key with a passphrase, in either format", () => {
    const of = usual();
    const into = ["-passout", "pass:secret", "-out"];
    of.openssl("pkcs8", "-topk8", "-in", "host.key", ...into, "pkcs8.key");
    of.openssl("ec", "-aes256", "-in", "host.key", ...into, "old.key");
    for (const key of ["pkcs8.key", "old.key"]) {
      expect(findings(of, { key })).toEqual([
        `error ssl.key: "${key}" is encrypted; it must not have a passphrase`,
      ]);
    }
  });

  it("another certificate's key", () => {
    const of = usual();
    expect(findings(of, { key: "ca.key" })).toEqual([
      'error ssl.key: "ca.key" does not match ssl.cert "host.pem" (CN=host)',
    ]);
  });

  it("another authority's certificate, even if the authority has the same name", () => {
    const of = usual();
    of.authority("ca2", { subject: "/CN=ca" });
    expect(findings(of, { ca: "ca2.pem" })).toEqual([
      'error ssl.cert: "host.pem" (CN=host, issued by CN=ca) does not chain to any authority in ssl.ca "ca2.pem" (CN=ca)',
    ]);
  });

  it("expired, not yet valid, or soon to expire: with the dates", () => {
    const iso = (days: number): string => dayFromNow(days).toISOString().slice(0, 10);
    expect(findings(usual({ fromDays: -30, toDays: -2 }))).toEqual([
      expect.stringMatching(
        new RegExp(
          `^error ssl\\.cert: "host\\.pem" \\(CN=host\\) expired on ${iso(-2)}T.*Z \\(valid from ${iso(-30)}T`,
        ),
      ),
    ]);
    expect(findings(usual({ fromDays: 2 }))).toEqual([
      expect.stringMatching(new RegExp(`is not valid yet \\(valid from ${iso(2)}T`)),
    ]);
    expect(findings(usual({ toDays: 7.5 }))).toEqual([
      expect.stringMatching(/^warning ssl\.cert: .* expires on .*, in 7 days$/),
    ]);
  });

  it("an expired authority", () => {
    const of = pki();
    of.authority("ca", { fromDays: -30, toDays: -2 });
    of.leaf("host", "ca");
    expect(findings(of)).toEqual([
      expect.stringMatching(/^error ssl\.ca: "ca\.pem" \(CN=ca\) expired on/),
    ]);
    // Renewed with the same key: the old certificate beside the new one does no harm.
    of.openssl("x509", "-in", "ca.pem", "-signkey", "ca.key", "-days", "365", "-out", "new.pem");
    of.bundle("both.pem", "ca.pem", "new.pem");
    expect(findings(of, { ca: "both.pem" })).toEqual([
      expect.stringMatching(/^warning ssl\.ca: "both\.pem" \(CN=ca\) expired on/),
    ]);
  });

  it("a key that is too short for OpenSSL", () => {
    const key = ["-newkey", "rsa:512", "-nodes"];
    expect(findings(usual({ key }))).toEqual([
      'error ssl.cert: "host.pem" and its key are rejected by OpenSSL: ee key too small',
    ]);
  });

  it("a certificate for servers only", () => {
    expect(findings(usual({ extensions: ["extendedKeyUsage=serverAuth"] }))).toEqual([
      'warning ssl.cert: "host.pem" lacks extended key usage clientAuth: other hosts may reject it',
    ]);
  });
});
