/**
 * Turns an error of Node's or OpenSSL's, or the first bytes of another protocol, into the reason why a
 * destination did not answer: the cause, which the core judges (core/destination.ts), and a text for the
 * administrator. Codes decide; OpenSSL's text is used only where Node has no code for it.
 */
import { getSystemErrorMap } from "node:util";
import type { Silence, SilenceCause } from "../core/destination.ts";

/** How far a connection has got. */
export type Stage = "lookup" | "connect" | "handshake" | "hello" | "open" | "answered";

/** The text appears in the log, the journal and the outcome. */
const TEXT_LENGTH_MAX = 1000;

export function silence(cause: SilenceCause, text: string): Silence {
  return { cause, text: text.slice(0, TEXT_LENGTH_MAX) };
}

const CAUSE_OF_CODE: Readonly<Record<string, SilenceCause>> = {
  ENOTFOUND: "nameUnknown",
  EAI_AGAIN: "resolverSilent",
  EAI_FAIL: "resolverSilent",
  EAI_MEMORY: "resolverSilent",
  ECONNREFUSED: "refused",
  ECONNRESET: "closed",
  ECONNABORTED: "closed",
  EPIPE: "closed",
  EINVAL: "badAddress",
  EAFNOSUPPORT: "badAddress",
  EACCES: "badAddress",
  ETIMEDOUT: "timeout",
  EHOSTUNREACH: "unreachable",
  EHOSTDOWN: "unreachable",
  ENETUNREACH: "unreachable",
  ENETDOWN: "unreachable",
  EADDRNOTAVAIL: "unreachable",
};

/** Of several addresses of one name, the most promising cause decides. */
const HOPEFUL_FIRST: readonly SilenceCause[] = [
  "timeout",
  "unreachable",
  "closed",
  "refused",
  "badAddress",
];

/** X509_V_ERR_* as Node names them, and Node's own ERR_TLS_CERT_ALTNAME_INVALID. */
const REFUSED_HERE =
  /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERR_TLS_CERT_|INVALID_(CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_|ERROR_IN_CERT)/;
/** A server's alerts about the client's certificate, in OpenSSL's words. */
const REFUSED_THERE =
  /alert (unknown ca|bad certificate|no certificate|certificate [a-z]+|unsupported certificate|access denied|decrypt error|handshake failure)/i;
const NO_TLS = /wrong version number|packet length too long|http request|unknown protocol/i;

/** `at`: host and port for people. `hint`: what a close may mean. */
export function silenceOf(
  error: unknown,
  at: string,
  host: string,
  stage: Stage,
  hint = "",
): Silence {
  const { code, message } = facts(error);
  if (REFUSED_HERE.test(code)) {
    return silence(
      "certificateThere",
      `the certificate of ${at} is not accepted here: ${message} (${code})`,
    );
  }
  if (REFUSED_THERE.test(message)) {
    const [alert] = REFUSED_THERE.exec(message) ?? [];
    return silence(
      "certificateHere",
      `${at} does not accept this host's certificate: TLS ${alert}`,
    );
  }
  if (NO_TLS.test(message)) {
    return silence(
      "notADaemon",
      `${at} does not use TLS, but ssl.enabled is true here: ${message}`,
    );
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL_")) {
    return silence("notADaemon", `no TLS connection to ${at} is possible: ${message}`);
  }
  const cause = stage === "answered" ? "broken" : causeOf(error, code, stage);
  const said = `${message}${code === "" ? "" : ` (${code})`}${cause === "closed" ? hint : ""}`;
  return silence(cause, wordsOf(cause, at, host, said));
}

/** The text for a cause. `said`: what the system or the other side reported. */
export function wordsOf(cause: SilenceCause, at: string, host: string, said: string): string {
  switch (cause) {
    case "nameUnknown":
      return `the name ${host} does not exist: ${said}`;
    case "resolverSilent":
      return `the name ${host} cannot be resolved now: ${said}`;
    case "refused":
      return `${at} refuses connections: no daemon listens there (by default it listens on no address: addresses.management_ip)`;
    case "closed":
      return `${at} closes the connection without answering: ${said}`;
    case "unreachable":
      return `${at} cannot be reached: ${said}`;
    case "badAddress":
      return `${at} is not an address that can be connected to: ${said}`;
    case "timeout":
      return `${at} does not answer: ${said}`;
    case "broken":
      return `the connection to ${at} broke: ${said}`;
    case "notADaemon":
      return `what answers at ${at} is not a migration daemon: ${said}`;
    case "certificateThere":
    case "certificateHere":
    case "noCertificate":
    case "denied":
    case "busy":
    case "failed":
      return `${at}: ${said}`;
  }
}

/** What a close may mean, by how far the connection had got. */
export function closeHint(stage: Stage, overTls: boolean): string {
  if (stage === "handshake") return "; does it use TLS?";
  if (stage !== "hello") return "";
  return overTls ? "; does it accept this host's certificate?" : "; does it require TLS?";
}

/** An AggregateError comes of a name with several addresses. */
function causeOf(error: unknown, code: string, stage: Stage): SilenceCause {
  if (error instanceof AggregateError && error.errors.length > 0) {
    const causes = error.errors.map((each) => causeOf(each, facts(each).code, stage));
    const best = HOPEFUL_FIRST.find((cause) => causes.includes(cause));
    if (best !== undefined) return best;
  }
  // A failure on this host's side (descriptors, memory) may be temporary.
  return CAUSE_OF_CODE[code] ?? (stage === "connect" ? "unreachable" : "closed");
}

function facts(error: unknown): { readonly code: string; readonly message: string } {
  if (!(error instanceof Error)) return { code: "", message: String(error) };
  const code = "code" in error && typeof error.code === "string" ? error.code : "";
  // An AggregateError has no message of its own.
  const inner: unknown = error instanceof AggregateError ? error.errors[0] : undefined;
  const said = error.message === "" && inner instanceof Error ? inner : error;
  return { code, message: reasonOfTls(said) ?? systemMessage(said) ?? said.message.trim() };
}

/** Without the system call and the addresses, which differ between tries. */
function systemMessage(error: Error): string | undefined {
  const errno = "errno" in error && typeof error.errno === "number" ? error.errno : 0;
  return getSystemErrorMap().get(errno)?.[1];
}

/** OpenSSL's errors look like `40E7…:error:0A00010B:SSL routines:func:reason:../file.c:355:`. */
function reasonOfTls({ message }: Error): string | undefined {
  return /:SSL routines:[^:]*:([^:]+):/.exec(message)?.[1]?.trim();
}

const FRAMES = ["CONNECTED", "ERROR"];
const SHOWN_BYTES = 24;
/** The types of a TLS record: change cipher spec to application data. Source: RFC 8446, 5.1. */
const TLS_RECORD_TYPES = { min: 20, max: 23 };
const TLS_MAJOR = 3;

/**
 * What answers, by its first bytes, if it is not a daemon; undefined while it may be one. A daemon's
 * first frame after CONNECT is CONNECTED or ERROR.
 */
export function strangerIn(first: Buffer): string | undefined {
  const text = first.toString("latin1").replace(/^[\r\n]+/, "");
  const mayBe = FRAMES.some((name) =>
    text.length <= name.length
      ? name.startsWith(text)
      : text.startsWith(`${name}\n`) || text.startsWith(`${name}\r`),
  );
  if (mayBe) return undefined;
  if (isTlsRecord(first)) return "it uses TLS, but ssl.enabled is false here";
  if (text.startsWith("HTTP/")) return "it is an HTTP server";
  if (text.startsWith("SSH-")) return "it is an SSH server";
  return `it does not speak STOMP, its first bytes are ${JSON.stringify(text.slice(0, SHOWN_BYTES))}`;
}

function isTlsRecord([type = 0, major]: Buffer): boolean {
  return type >= TLS_RECORD_TYPES.min && type <= TLS_RECORD_TYPES.max && major === TLS_MAJOR;
}

/** How many of the first bytes are looked at. */
export const FIRST_BYTES_MAX = 64;
