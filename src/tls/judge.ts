/**
 * What is wrong with this host's TLS files, or will be: from what they hold and the time to findings,
 * each with the configuration's key, the file and the dates. Pure.
 *
 * An error is what cannot work: peers would refuse the certificate, or we theirs. A warning is what
 * works today.
 */
import { isoTime } from "../clock.ts";

const DAY_MS = 24 * 3_600_000;
/** From so many days before its end on a certificate is warned of. */
export const EXPIRY_WARNING_DAYS = 30;

export interface TlsPaths {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export interface CertificateFacts {
  /** In RFC 2253's form. */
  readonly subject: string;
  readonly issuer: string;
  /** Wall time. */
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export type PartFacts =
  /** `why`: what would be allowed, and what it is. */
  | { readonly kind: "unusable"; readonly why: string }
  | { readonly kind: "read"; readonly certificates: readonly CertificateFacts[] };

/** A certificate between this host's own and an authority, the authority's included. */
export interface PathStep {
  readonly file: "ca" | "cert";
  readonly certificate: CertificateFacts;
}

export interface TlsFacts {
  readonly paths: TlsPaths;
  readonly ca: PartFacts;
  /** This host's own certificate is the first. */
  readonly cert: PartFacts;
  readonly key: PartFacts;
  readonly keyFits: boolean;
  /** Every way from this host's certificate to an authority; none: it is from no authority in `ca`. */
  readonly routes: readonly (readonly PathStep[])[];
  /** What this host's certificate may be used for. */
  readonly usage: { readonly server: boolean; readonly client: boolean };
  /** What OpenSSL has against the three; null: nothing. */
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
    return read.kind === "unusable"
      ? [error(`${named(facts, part)} is not allowed: ${read.why}`)]
      : [];
  });
  const findings = [
    ...unusable,
    ...keyFindings(facts),
    ...originFindings(facts),
    ...dateFindings(facts, nowMs),
    ...usageFindings(facts),
  ];
  const isExplained = findings.some(({ severity }) => severity === "error");
  return facts.refusal === null || isExplained
    ? findings
    : [...findings, error(`${named(facts, "cert")} and its key are refused: ${facts.refusal}`)];
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
  if (certificate === undefined || facts.key.kind === "unusable" || facts.keyFits) return [];
  return [
    error(
      `${named(facts, "key")} does not fit ssl.cert "${facts.paths.cert}" (${certificate.subject})`,
    ),
  ];
}

function originFindings(facts: TlsFacts): readonly Finding[] {
  const certificate = own(facts);
  if (certificate === undefined || facts.ca.kind === "unusable") return [];
  if (facts.routes.length > 0) return [];
  const authorities = facts.ca.certificates.map(({ subject }) => subject).join("; ");
  return [
    error(
      `${named(facts, "cert")} (${certificate.subject}, issued by ${certificate.issuer}) ` +
        `is from no authority in ssl.ca "${facts.paths.ca}" (${authorities})`,
    ),
  ];
}

/** Of this host's certificate, of the best way up from it, and of the other authorities. */
function dateFindings(facts: TlsFacts, nowMs: number): readonly Finding[] {
  const certificate = own(facts);
  const first = certificate === undefined ? [] : ofDates(facts, "cert", certificate, nowMs);
  const [route = []] = facts.routes.toSorted(
    (one, other) => gravity(facts, one, nowMs) - gravity(facts, other, nowMs),
  );
  const above = route.flatMap((step) => ofDates(facts, step.file, step.certificate, nowMs));
  const inRoute = new Set(route.map((step) => keyOf(step.certificate)));
  const others = (facts.ca.kind === "read" ? facts.ca.certificates : [])
    .filter((each) => !inRoute.has(keyOf(each)))
    .flatMap((each) => ofDates(facts, "ca", each, nowMs))
    // Our own certificate does not need it; the peers' may.
    .map(({ message }) => warning(message));
  return [...first, ...above, ...others];
}

function keyOf({ subject, notBeforeMs, notAfterMs }: CertificateFacts): string {
  return `${subject} ${notBeforeMs} ${notAfterMs}`;
}

const ERROR_GRAVITY = 1_000;

function gravity(facts: TlsFacts, route: readonly PathStep[], nowMs: number): number {
  return route
    .flatMap((step) => ofDates(facts, step.file, step.certificate, nowMs))
    .reduce((sum, { severity }) => sum + (severity === "error" ? ERROR_GRAVITY : 1), 0);
}

function ofDates(
  facts: TlsFacts,
  part: keyof TlsPaths,
  { subject, notBeforeMs, notAfterMs }: CertificateFacts,
  nowMs: number,
): readonly Finding[] {
  const whose = `${named(facts, part)} (${subject})`;
  const [from, to] = [dateOf(notBeforeMs), dateOf(notAfterMs)];
  if (nowMs > notAfterMs) return [error(`${whose} expired on ${to}, it is valid from ${from}`)];
  if (nowMs < notBeforeMs) {
    return [error(`${whose} is not valid yet: from ${from} to ${to}`)];
  }
  const leftMs = notAfterMs - nowMs;
  if (!(leftMs <= EXPIRY_WARNING_DAYS * DAY_MS)) return [];
  const left = leftMs < DAY_MS ? "in less than a day" : `in ${Math.floor(leftMs / DAY_MS)} days`;
  return [warning(`${whose} expires on ${to}, ${left}`)];
}

/** To the second, as certificates have it. */
export function dateOf(wallMs: number): string {
  return Number.isFinite(wallMs) ? isoTime(wallMs).replace(".000Z", "Z") : "an unreadable date";
}

function usageFindings(facts: TlsFacts): readonly Finding[] {
  const lacks = [
    ...(facts.usage.server ? [] : ["serverAuth: clients may refuse it"]),
    ...(facts.usage.client ? [] : ["clientAuth: other hosts may refuse it"]),
  ];
  return lacks.map((what) => warning(`${named(facts, "cert")} is not made for ${what}`));
}
