/**
 * What is wrong with this host's TLS files, or soon will be: turns their contents and the time into
 * findings that name the configuration key, the file and the dates. Pure.
 *
 * An error means that TLS cannot work: peers would reject our certificate, or we theirs. A warning
 * is about something that still works today.
 */
import { isoTime } from "../clock.ts";

const DAY_MS = 24 * 3_600_000;
/** Certificates that expire within this many days are warned about. */
export const EXPIRY_WARNING_DAYS = 30;

export interface TlsPaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFacts {
  /** In RFC 2253 form. */
  readonly subject: string;
  readonly issuer: string;
  /** Wall time. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export type PartFacts =
  /** `why`: what is wrong with the file, as the rest of a sentence about it. */
  | { readonly kind: "unusable"; readonly why: string }
  | { readonly kind: "read"; readonly certificates: readonly CertificateFacts[] };

/** A certificate above this host's own, up to and including the authority's. */
export interface ChainStep {
  readonly file: "ca" | "cert";
  readonly certificate: CertificateFacts;
}

export interface TlsFacts {
  readonly paths: TlsPaths;
  readonly ca: PartFacts;
  /** The first is this host's own certificate. */
  readonly cert: PartFacts;
  readonly key: PartFacts;
  readonly keyMatches: boolean;
  /** Every chain from this host's certificate to an authority in `ca`; empty if there is none. */
  readonly chains: readonly (readonly ChainStep[])[];
  /** What this host's certificate may be used for. */
  readonly usage: { readonly server: boolean; readonly client: boolean };
  /** OpenSSL's objection to the three files; null if it has none. */
  readonly refusal: string | null;
}

export interface Finding {
  readonly severity: "error" | "warning";
  /** One line: key, file, what is wrong. */
  readonly message: string;
}

export function judge(facts: TlsFacts, nowMs: number): readonly Finding[] {
  const unusable = (["ca", "cert", "key"] as const).flatMap((part) => {
    const read = facts[part];
    return read.kind === "unusable" ? [error(`${named(facts, part)} ${read.why}`)] : [];
  });
  const findings = [
    ...unusable,
    ...keyFindings(facts),
    ...issuerFindings(facts),
    ...dateFindings(facts, nowMs),
    ...usageFindings(facts),
  ];
  const isExplained = findings.some(({ severity }) => severity === "error");
  return facts.refusal === null || isExplained
    ? findings
    : [
        ...findings,
        error(`${named(facts, "cert")} and its key are rejected by OpenSSL: ${facts.refusal}`),
      ];
}

function named({ paths }: TlsFacts, part: keyof TlsPaths): string {
  return `ssl.${part}: "${paths[part]}"`;
}

function error(message: string): Finding {
  return { severity: "error", message };
}

function warning(message: string): Finding {
  return { severity: "warning", message };
}

function own({ cert }: TlsFacts): CertificateFacts | undefined {
  return cert.kind === "read" ? cert.certificates[0] : undefined;
}

function keyFindings(facts: TlsFacts): readonly Finding[] {
  const certificate = own(facts);
  if (certificate === undefined || facts.key.kind === "unusable" || facts.keyMatches) return [];
  return [
    error(
      `${named(facts, "key")} does not match ssl.cert "${facts.paths.cert}" (${certificate.subject})`,
    ),
  ];
}

function issuerFindings(facts: TlsFacts): readonly Finding[] {
  const certificate = own(facts);
  if (certificate === undefined || facts.ca.kind === "unusable") return [];
  if (facts.chains.length > 0) return [];
  const authorities = facts.ca.certificates.map(({ subject }) => subject).join("; ");
  return [
    error(
      `${named(facts, "cert")} (${certificate.subject}, issued by ${certificate.issuer}) ` +
        `does not chain to any authority in ssl.ca "${facts.paths.ca}" (${authorities})`,
    ),
  ];
}

/** About this host's certificate, the best chain above it, and the other authorities. */
function dateFindings(facts: TlsFacts, nowMs: number): readonly Finding[] {
  const certificate = own(facts);
  const first =
    certificate === undefined ? [] : validityFindings(facts, "cert", certificate, nowMs);
  const [best = []] = facts.chains.toSorted(
    (one, other) => severityScore(facts, one, nowMs) - severityScore(facts, other, nowMs),
  );
  const above = best.flatMap((step) => validityFindings(facts, step.file, step.certificate, nowMs));
  const inChain = new Set(best.map((step) => keyOf(step.certificate)));
  const others = (facts.ca.kind === "read" ? facts.ca.certificates : [])
    .filter((each) => !inChain.has(keyOf(each)))
    .flatMap((each) => validityFindings(facts, "ca", each, nowMs))
    // Our own certificate does not depend on them; a peer's may.
    .map(({ message }) => warning(message));
  return [...first, ...above, ...others];
}

function keyOf({ subject, notBeforeMs, notAfterMs }: CertificateFacts): string {
  return `${subject} ${notBeforeMs} ${notAfterMs}`;
}

const ERROR_WEIGHT = 1_000;

function severityScore(facts: TlsFacts, chain: readonly ChainStep[], nowMs: number): number {
  return chain
    .flatMap((step) => validityFindings(facts, step.file, step.certificate, nowMs))
    .reduce((sum, { severity }) => sum + (severity === "error" ? ERROR_WEIGHT : 1), 0);
}

function validityFindings(
  facts: TlsFacts,
  part: keyof TlsPaths,
  { subject, notBeforeMs, notAfterMs }: CertificateFacts,
  nowMs: number,
): readonly Finding[] {
  const whose = `${named(facts, part)} (${subject})`;
  const [from, to] = [dateOf(notBeforeMs), dateOf(notAfterMs)];
  if (nowMs > notAfterMs) return [error(`${whose} expired on ${to} (valid from ${from})`)];
  if (nowMs < notBeforeMs) {
    return [error(`${whose} is not valid yet (valid from ${from} to ${to})`)];
  }
  const leftMs = notAfterMs - nowMs;
  if (!(leftMs <= EXPIRY_WARNING_DAYS * DAY_MS)) return [];
  const days = Math.floor(leftMs / DAY_MS);
  const left = days === 0 ? "in less than a day" : days === 1 ? "in 1 day" : `in ${days} days`;
  return [warning(`${whose} expires on ${to}, ${left}`)];
}

/** To the second, like the dates in certificates. */
export function dateOf(wallMs: number): string {
  return Number.isFinite(wallMs) ? isoTime(wallMs).replace(".000Z", "Z") : "an unparsable date";
}

function usageFindings(facts: TlsFacts): readonly Finding[] {
  const lacks = [
    ...(facts.usage.server ? [] : ["serverAuth: clients may reject it"]),
    ...(facts.usage.client ? [] : ["clientAuth: other hosts may reject it"]),
  ];
  return lacks.map((what) => warning(`${named(facts, "cert")} lacks extended key usage ${what}`));
}
