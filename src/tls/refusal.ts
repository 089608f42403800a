/**
 * Why a TLS handshake failed, in words: whose certificate was refused by whom, and what for. From
 * Node's error, and from what OpenSSL said of the certificate; codes decide where there are some.
 * `strictly` makes the servers whose handshakes end with an alert; a client of Node's sends none.
 */
import { takeHandshakeRefusal, verifyingInHandshake } from "posix";
import { factsOfDer } from "./facts.ts";
import { type CertificateFacts, dateOf } from "./judge.ts";

/** A refused certificate ends the handshakes of servers made in it, with an alert. */
export const strictly = verifyingInHandshake;

export interface Refusal {
  readonly reason: string;
  /** The other side's, where it was shown and refused. */
  readonly certificate?: CertificateFacts;
}

/** Characters of a name: what strangers send must not fill the log. */
const NAME_LENGTH_MAX = 512;
const REFUSED = "ERR_SSL_CERTIFICATE_VERIFY_FAILED";

/**
 * The certificate that the other side showed and that was refused here; undefined: it failed for
 * another reason. To be asked once, in the event that brings the error.
 */
function refusedCertificate(error: unknown): Required<Refusal> | undefined {
  if (codeOf(error) !== REFUSED) return undefined;
  const refusal = takeHandshakeRefusal();
  if (refusal === undefined) return undefined;
  const certificate = factsOfDer(refusal.certificate);
  return certificate === undefined ? undefined : { reason: refusal.reason, certificate };
}

/** Why a client did not get in. */
export function clientRefusal(error: Error): Refusal {
  const refused = refusedCertificate(error);
  if (refused !== undefined) {
    return { ...refused, reason: `its certificate is refused: ${refused.reason}` };
  }
  switch (codeOf(error)) {
    case "ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE":
      return { reason: "it shows no certificate" };
    case "ERR_SSL_HTTP_REQUEST":
      return { reason: "it speaks HTTP without TLS" };
    case "ERR_SSL_HTTPS_PROXY_REQUEST":
    case "ERR_SSL_WRONG_VERSION_NUMBER":
    case "ERR_SSL_PACKET_LENGTH_TOO_LONG":
      return { reason: "it speaks no TLS" };
    case "ERR_SSL_UNSUPPORTED_PROTOCOL":
      return { reason: "it speaks no TLS 1.2 or later" };
    case "ERR_TLS_HANDSHAKE_TIMEOUT":
      return { reason: "its handshake takes too long" };
    case "ECONNRESET":
    case "EPIPE":
      return { reason: "it ended the connection in the handshake" };
    default:
      return { reason: alertOrWords(error.message) };
  }
}

/** Whose it is and until when, for the log. */
export function certificateFields({ subject, issuer, notAfterMs }: CertificateFacts) {
  return {
    subject: subject.slice(0, NAME_LENGTH_MAX),
    issuer: issuer.slice(0, NAME_LENGTH_MAX),
    expires: dateOf(notAfterMs),
  };
}

/** The same in words. */
export function certificateText(certificate: CertificateFacts): string {
  const { subject, issuer, expires } = certificateFields(certificate);
  const from = dateOf(certificate.notBeforeMs);
  return `${subject}, issued by ${issuer}, valid from ${from} to ${expires}`;
}

/** What a client sends that does not take this host's certificate. */
function alertOrWords(message: string): string {
  const words = withoutSource(message);
  const [, alert] =
    /alert (unknown ca|bad certificate|[a-z ]*certificate[a-z ]*)$/i.exec(words) ?? [];
  return alert === undefined ? words : `it refuses this host's certificate: TLS alert ${alert}`;
}

/** OpenSSL's come as `40E7…:error:0A00010B:SSL routines:func:reason:../file.c:355:`. */
function withoutSource(message: string): string {
  const [, reason] = /:SSL routines:[^:]*:([^:]+):/.exec(message) ?? [];
  return (reason ?? message).trim();
}

function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}
