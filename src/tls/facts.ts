/**
 * Reads the three TLS files and describes them: the certificates, the key, and whether they belong
 * together. judge.ts decides what is a mistake, and when. Secrets do not leave this file.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { wallMsOf } from "../clock.ts";
import { whyUnreadable } from "../config/file.ts";
import type { CertificateFacts, PartFacts, ChainStep, TlsFacts, TlsPaths } from "./judge.ts";
import { formatSubject } from "./subject.ts";
import { messageOf } from "../errors.ts";

const PEM_CERTIFICATE = /-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[^-]+-----END \1-----/g;
const ENCRYPTED = /ENCRYPTED/;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
/** No real chain is longer. */
const CHAIN_LENGTH_MAX = 8;

/** The files as read at one moment. */
export interface TlsMaterial {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

export interface TlsReading {
  readonly facts: TlsFacts;
  /** undefined if a file cannot be read. */
  readonly material: TlsMaterial | undefined;
}

type Read<T> =
  | { readonly kind: "unusable"; readonly why: string }
  | { readonly kind: "read"; readonly bytes: Buffer; readonly value: T };

/** **Fails**: never. */
export function readTls(paths: TlsPaths): TlsReading {
  const ca = readFile(paths.ca, certificatesIn);
  const cert = readFile(paths.cert, certificatesIn);
  const key = readFile(paths.key, keyIn);
  const authorities = ca.kind === "read" ? ca.value : [];
  const [leaf, ...chain] = cert.kind === "read" ? cert.value : [];
  const material =
    ca.kind === "read" && cert.kind === "read" && key.kind === "read"
      ? { ca: ca.bytes, cert: cert.bytes, key: key.bytes }
      : undefined;
  const facts: TlsFacts = {
    paths,
    ca: partOf(ca),
    cert: partOf(cert),
    key: key.kind === "read" ? { kind: "read", certificates: [] } : key,
    keyMatches: leaf !== undefined && key.kind === "read" && matches(leaf, key.value),
    chains: leaf === undefined ? [] : chainsFrom(leaf, chain, authorities, []),
    usage: leaf === undefined ? { server: true, client: true } : usageOf(leaf),
    refusal: material === undefined ? null : refusalOf(material),
  };
  return { facts, material };
}

function readFile<T>(path: string, parse: (text: string) => T | string): Read<T> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    return { kind: "unusable", why: `cannot be read: ${whyUnreadable(error)}` };
  }
  const value = parse(bytes.toString("latin1"));
  return typeof value === "string"
    ? { kind: "unusable", why: value }
    : { kind: "read", bytes, value };
}

/** A string is the reason why there are none. */
function certificatesIn(text: string): readonly X509Certificate[] | string {
  const blocks = [...text.matchAll(PEM_CERTIFICATE)].map(([block]) => block);
  if (blocks.length === 0) return "contains no PEM certificate";
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (error) {
    return `contains a certificate that cannot be parsed: ${reasonOf(error)}`;
  }
}

function keyIn(text: string): KeyObject | string {
  if (!text.includes("PRIVATE KEY-----")) return "contains no PEM private key";
  if (ENCRYPTED.test(text)) return "is encrypted; it must not have a passphrase";
  try {
    return createPrivateKey(text);
  } catch (error) {
    return `contains a private key that cannot be parsed: ${reasonOf(error)}`;
  }
}

function partOf(read: Read<readonly X509Certificate[]>): PartFacts {
  return read.kind === "unusable"
    ? read
    : { kind: "read", certificates: read.value.map((each) => factsOf(each)) };
}

/** The first certificate in the PEM text; undefined if there is none that parses. **Fails**: never. */
export function firstFacts(pem: Buffer): CertificateFacts | undefined {
  const certificates = certificatesIn(pem.toString("latin1"));
  const first = typeof certificates === "string" ? undefined : certificates[0];
  return first === undefined ? undefined : factsOf(first);
}

/** undefined if it does not parse. **Fails**: never. */
export function factsOfDer(der: Buffer | undefined): CertificateFacts | undefined {
  try {
    return der === undefined ? undefined : factsOf(new X509Certificate(der));
  } catch {
    return undefined;
  }
}

export function factsOf(certificate: X509Certificate): CertificateFacts {
  return {
    subject: nameOf(certificate.subject),
    issuer: nameOf(certificate.issuer),
    notBeforeMs: wallMsOf(certificate.validFrom),
    notAfterMs: wallMsOf(certificate.validTo),
  };
}

/** Node returns undefined for an empty name, although its types say otherwise. */
function nameOf(lines: string | undefined): string {
  return lines === undefined || lines === "" ? "no subject" : formatSubject(lines);
}

function matches(certificate: X509Certificate, key: KeyObject): boolean {
  try {
    return certificate.checkPrivateKey(key);
  } catch {
    return false;
  }
}

/**
 * Every path from a certificate up to a self-signed one in the `ca` file, which is what OpenSSL
 * requires. The certificate itself is not part of the path.
 */
function chainsFrom(
  certificate: X509Certificate,
  chain: readonly X509Certificate[],
  authorities: readonly X509Certificate[],
  seen: readonly X509Certificate[],
): readonly (readonly ChainStep[])[] {
  if (seen.length > CHAIN_LENGTH_MAX) return [];
  const issuers = [
    ...authorities.map((each) => ({ file: "ca", each }) as const),
    ...chain.map((each) => ({ file: "cert", each }) as const),
  ].filter(({ each }) => !seen.includes(each) && isIssuedBy(certificate, each));
  return issuers.flatMap(({ file, each }) => {
    const step: ChainStep = { file, certificate: factsOf(each) };
    if (file === "ca" && isIssuedBy(each, each)) return [[step]];
    const rest = chainsFrom(each, chain, authorities, [...seen, each]);
    return rest.map((steps) => [step, ...steps]);
  });
}

function isIssuedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}

/** A certificate without a list of purposes may be used for all of them. */
function usageOf({ keyUsage }: X509Certificate): TlsFacts["usage"] {
  // Node's name for the extended key usage; it may be missing, although Node's types say otherwise.
  const purposes: readonly string[] | undefined = keyUsage;
  const allows = (purpose: string): boolean => purposes?.includes(purpose) ?? true;
  return { server: allows(SERVER_AUTH), client: allows(CLIENT_AUTH) };
}

/** OpenSSL's objection to the files: a key that is too short, a signature that is too weak. */
function refusalOf(material: TlsMaterial): string | null {
  try {
    createSecureContext(material);
    return null;
  } catch (error) {
    return reasonOf(error);
  }
}

function reasonOf(error: unknown): string {
  const message = messageOf(error);
  // OpenSSL's messages look like `error:0A00018F:SSL routines::ee key too small`.
  return message.replace(/^error:[0-9A-F]+:[^:]*:[^:]*:/, "");
}
