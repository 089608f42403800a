/**
 * Explains why a TLS handshake failed: who rejected whose certificate, and why. Uses Node's error, by
 * its code where it has one, and OpenSSL's verdict on the certificate.
 */
import { takeHandshakeRefusal, verifyingInHandshake } from "posix";
import { factsOfDer } from "./facts.ts";
import { type CertificateFacts, dateOf } from "./judge.ts";

/** Servers made in this callback end the handshake of a rejected certificate with a TLS alert. */
export const withAlerts = verifyingInHandshake;

export interface Refusal {
  readonly reason: string;
  /** The other side's certificate, if it sent one and we rejected it. */
  readonly certificate?: CertificateFacts;
}

/** In characters, so that names sent by strangers cannot fill the log. */
const NAME_LENGTH_MAX = 512;
const REFUSED = "ERR_SSL_CERTIFICATE_VERIFY_FAILED";

/**
 * The other side's certificate if this host rejected it; undefined if the handshake failed for another
 * reason. Call it once, in the event that delivers the error.
 */
function refusedCertificate(error: unknown): Required<Refusal> | undefined {
  if (codeOf(error) !== REFUSED) return undefined;
  const refusal = takeHandshakeRefusal();
  if (refusal === undefined) return undefined;
  const certificate = factsOfDer(refusal.certificate);
  return certificate === undefined ? undefined : { reason: refusal.reason, certificate };
}

/** Why a client's handshake failed. */
export function clientRefusal(error: Error): Refusal {
  const refused = refusedCertificate(error);
  if (refused !== undefined) {
    return { ...refused, reason: `its certificate was rejected: ${refused.reason}` };
  }
  switch (codeOf(error)) {
    case "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE":
      return { reason: "it sent no certificate" };
    case "ERR_SSL_HTTP_REQUEST":
      return { reason: "it uses HTTP without TLS" };
    case "ERR_SSL_HTTPS_PROXY_REQUEST":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return { reason: "it does not use TLS" };
    case "ERR_SSL_UNSUPPORTED_PROTOCOL":
      return { reason: "it does not support TLS 1.2 or later" };
    case "ERR_TLS_HANDSHAKE_TIMEOUT":
      return { reason: "its handshake took too long" };
    case "ECONNRESET":
    case "EPIPE":
      return { reason: "it closed the connection during the handshake" };
    default:
      return { reason: alertOrMessage(error.message) };
  }
}

/** For the log. */
export function certificateFields({ subject, issuer, notAfterMs }: CertificateFacts) {
  return {
    subject: subject.slice(0, NAME_LENGTH_MAX),
    issuer: issuer.slice(0, NAME_LENGTH_MAX),
    expires: dateOf(notAfterMs),
  };
}

/** The same as text. */
export function certificateText(certificate: CertificateFacts): string {
  const { subject, issuer, expires } = certificateFields(certificate);
  const from = dateOf(certificate.notBeforeMs);
  return `${subject}, issued by ${issuer}, valid from ${from} to ${expires}`;
}

/** A client that rejects this host's certificate sends an alert. */
function alertOrMessage(message: string): string {
  const text = withoutSource(message);
  const [, alert] =
    /alert (unknown ca|bad certificate|[a-z ]*certificate[a-z ]*)$/i.exec(text) ?? [];
  return alert === undefined ? text : `it rejected this host's certificate: TLS alert ${alert}`;
}

/** OpenSSL's messages look like `40E7…:error:0A00010B:SSL routines:func:reason:../file.c:355:`. */
function withoutSource(message: string): string {
  const [, reason] = /:SSL routines:[^:]*:([^:]+):/.exec(message) ?? [];
  return (reason ?? message).trim();
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}
