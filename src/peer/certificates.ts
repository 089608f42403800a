/**
 * VM.migrateCheck's line about certificates: whether this host's and the destination's are usable, and
 * until when. This host's files are judged as at the daemon's start.
 */
import { isoTime } from "../clock.ts";
import type { Silence } from "../core/destination.ts";
import { type Finding, bad, good, unknown } from "../core/migrate-check.ts";
import { readTls } from "../tls/facts.ts";
import { judge, type TlsPaths } from "../tls/judge.ts";
import type { PeerLook } from "./peer.ts";

/** Caused by certificates, not by the network. */
const CERTIFICATE_CAUSES: ReadonlySet<Silence["cause"]> = new Set([
  "certificateHere",
  "certificateThere",
  "noCertificate",
]);

/** `files` null: no TLS. Otherwise reads them. */
export function certificatesFinding(
  look: PeerLook,
  files: TlsPaths | null,
  nowWallMs: number,
): Finding {
  if (files === null) return good("none are needed: ssl.enabled is false");
  const { facts } = readTls(files);
  const [own] = facts.cert.kind === "read" ? facts.cert.certificates : [];
  const findings = judge(facts, nowWallMs);
  const here = [
    own === undefined ? "this host has none" : `this host's is good until ${dayOf(own.notAfterMs)}`,
    ...findings.map(({ message }) => message),
  ].join("; ");
  if (findings.some(({ severity }) => severity === "error")) return bad(here);
  if (look.kind === "silent" && CERTIFICATE_CAUSES.has(look.silence.cause)) {
    return bad(`${look.silence.text}; ${here}`);
  }
  if (look.certificate === undefined) return unknown(`the destination's was not seen; ${here}`);
  const { subject, notAfterMs } = look.certificate;
  return good(`the destination's (${subject}) is good until ${dayOf(notAfterMs)}; ${here}`);
}

function dayOf(wallMs: number): string {
  return Number.isFinite(wallMs) ? isoTime(wallMs).slice(0, 10) : "an unreadable date";
}
