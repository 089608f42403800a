/** Findings about TLS files: a table of facts and times, without files. */
import { describe, expect, it } from "vitest";
import { type CertificateFacts, type Finding, judge, type TlsFacts } from "../../src/tls/judge.ts";

const NOW_MS = Date.parse("2026-06-15T12:00:00Z");
const DAY_MS = 86_400_000;

const authority: CertificateFacts = {
  subject: "CN=authority",
  issuer: "CN=authority",
  notBeforeMs: NOW_MS - 1000 * DAY_MS,
  notAfterMs: NOW_MS + 1000 * DAY_MS,
};
const host: CertificateFacts = {
  subject: "CN=host-a",
  issuer: "CN=authority",
  notBeforeMs: NOW_MS - 100 * DAY_MS,
  notAfterMs: NOW_MS + 100 * DAY_MS,
};

const right: TlsFacts = {
  paths: { ca: "/pki/ca.pem", cert: "/pki/cert.pem", key: "/pki/key.pem" },
  ca: { kind: "read", certificates: [authority] },
  cert: { kind: "read", certificates: [host] },
  key: { kind: "read", certificates: [] },
  keyMatches: true,
  chains: [[{ file: "ca", certificate: authority }]],
  usage: { server: true, client: true },
  refusal: null,
};

function said(facts: Partial<TlsFacts>): readonly string[] {
  return judge({ ...right, ...facts }, NOW_MS).map(
    ({ severity, message }: Finding) => `${severity} ${message}`,
  );
}

const ofHost = (dates: Partial<CertificateFacts>): Partial<TlsFacts> => ({
  cert: { kind: "read", certificates: [{ ...host, ...dates }] },
});
const byAuthority = (dates: Partial<CertificateFacts>): Partial<TlsFacts> => {
  const own = { ...authority, ...dates };
  return {
    ca: { kind: "read", certificates: [own] },
    chains: [[{ file: "ca", certificate: own }]],
  };
};

it("good files give no findings", () => {
  expect(said({})).toEqual([]);
});

describe("dates", () => {
  const CERT = 'ssl.cert: "/pki/cert.pem" (CN=host-a)';
  it.each<[string, Partial<CertificateFacts>, readonly string[]]>([
    [
      "expired",
      { notAfterMs: NOW_MS - 1_000 },
      [`error ${CERT} expired on 2026-06-15T11:59:59Z (valid from 2026-03-07T12:00:00Z)`],
    ],
    ["in its last second", { notAfterMs: NOW_MS }, [expect.stringContaining("in less than a day")]],
    [
      "one day left",
      { notAfterMs: NOW_MS + DAY_MS },
      [`warning ${CERT} expires on 2026-06-16T12:00:00Z, in 1 day`],
    ],
    [
      "30 days left",
      { notAfterMs: NOW_MS + 30 * DAY_MS },
      [`warning ${CERT} expires on 2026-07-15T12:00:00Z, in 30 days`],
    ],
    ["more than 30 days left", { notAfterMs: NOW_MS + 30 * DAY_MS + 1_000 }, []],
    [
      "not yet valid",
      { notBeforeMs: NOW_MS + 1_000 },
      [`error ${CERT} is not valid yet (valid from 2026-06-15T12:00:01Z to 2026-09-23T12:00:00Z)`],
    ],
    ["valid from this moment", { notBeforeMs: NOW_MS }, []],
    ["with an unparsable end", { notAfterMs: Number.NaN }, []],
  ])("of the certificate: %s", (_what, dates, expected) => {
    expect(said(ofHost(dates))).toEqual(expected);
  });

  it("an authority's dates count like the certificate's own", () => {
    expect(said(byAuthority({ notAfterMs: NOW_MS - DAY_MS }))).toEqual([
      'error ssl.ca: "/pki/ca.pem" (CN=authority) expired on 2026-06-14T12:00:00Z (valid from 2023-09-19T12:00:00Z)',
    ]);
    expect(said(byAuthority({ notAfterMs: NOW_MS + 2 * DAY_MS }))).toEqual([
      expect.stringMatching(/^warning ssl\.ca: .* expires on .*, in 2 days$/),
    ]);
  });

  it("the best of several chains counts; the others only give warnings", () => {
    const old = { ...authority, notAfterMs: NOW_MS - DAY_MS };
    const facts = {
      ca: { kind: "read", certificates: [old, authority] },
      chains: [[{ file: "ca", certificate: old }], [{ file: "ca", certificate: authority }]],
    } as const;
    expect(said(facts)).toEqual([expect.stringMatching(/^warning ssl\.ca: .* expired on /)]);
  });

  it("an intermediate is reported with the file it is in", () => {
    const between = { ...authority, subject: "CN=between", notAfterMs: NOW_MS - DAY_MS };
    const facts = {
      chains: [
        [
          { file: "cert", certificate: between },
          { file: "ca", certificate: authority },
        ],
      ],
    } as const;
    expect(said(facts)).toEqual([
      expect.stringMatching(/^error ssl\.cert: "\/pki\/cert\.pem" \(CN=between\) expired on /),
    ]);
  });
});

describe("files that do not belong together", () => {
  it.each<[string, Partial<TlsFacts>, readonly string[]]>([
    [
      "a file that cannot be read",
      { key: { kind: "unusable", why: "cannot be read: no such file" }, keyMatches: false },
      ['error ssl.key: "/pki/key.pem" cannot be read: no such file'],
    ],
    [
      "no file at all",
      {
        ca: { kind: "unusable", why: "x" },
        cert: { kind: "unusable", why: "y" },
        key: { kind: "unusable", why: "z" },
        keyMatches: false,
        chains: [],
      },
      [
        'error ssl.ca: "/pki/ca.pem" x',
        'error ssl.cert: "/pki/cert.pem" y',
        'error ssl.key: "/pki/key.pem" z',
      ],
    ],
    [
      "another certificate's key",
      { keyMatches: false, refusal: "key values mismatch" },
      ['error ssl.key: "/pki/key.pem" does not match ssl.cert "/pki/cert.pem" (CN=host-a)'],
    ],
    [
      "another authority's certificate",
      { chains: [] },
      [
        'error ssl.cert: "/pki/cert.pem" (CN=host-a, issued by CN=authority) ' +
          'does not chain to any authority in ssl.ca "/pki/ca.pem" (CN=authority)',
      ],
    ],
    [
      "rejected by OpenSSL",
      { refusal: "ee key too small" },
      ['error ssl.cert: "/pki/cert.pem" and its key are rejected by OpenSSL: ee key too small'],
    ],
    [
      "another purpose",
      { usage: { server: false, client: false } },
      [
        'warning ssl.cert: "/pki/cert.pem" lacks extended key usage serverAuth: clients may reject it',
        'warning ssl.cert: "/pki/cert.pem" lacks extended key usage clientAuth: other hosts may reject it',
      ],
    ],
  ])("%s", (_what, facts, expected) => {
    expect(said(facts)).toEqual(expected);
  });
});
