/**
 * Who is at the other end of a connection, as everything behind the listeners sees it: an address for
 * the log, a name by which it is recognised, and its role. A certificate is read here, once; what a
 * role may do is not known here.
 */

import { randomUUID, type X509Certificate } from "node:crypto";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { descriptorOf, peerCredentials } from "posix";
import { formatSubject } from "../tls/subject.ts";
import { clip } from "../wire/invalid-params.ts";
import { type AccessRules, type ListenerKind, type Role, roleOf } from "./roles.ts";

/** Maximum length of a name: long enough to write an access rule from it. */
const NAME_SHOWN = 512;

/** One connection. Compared by identity. */
export interface Client {
  /** `address:port` of the other end or `unix`, for the log. */
  readonly address: string;
  /**
   * Who it is, for the log and the journal: the subject of its certificate, the user and process at
   * the other end of a Unix socket, or else its address.
   */
  readonly name: string;
  /** Of its certificate, in RFC 2253's form; absent: none. */
  readonly subject?: string;
  /**
   * Who asks, beyond this connection: whose a reservation is. The subject, so that it stays the same
   * when a host renews its certificate; without one the address without the port.
   */
  readonly source: string;
  /** As the configuration has it now. */
  readonly role: () => Role;
  /** Who it is beyond this connection, if it sends requests again with their ids (`Resends`). */
  readonly resendsAs?: string;
  /**
   * A batch of one is answered with an object. JSON-RPC wants an array, but vdsm-client sends every
   * request as an array of one and VDSM has always answered an object. vdsm-client and
   * vdsm-jsonrpc-java accept either; other programs written for VDSM know only this.
   */
  readonly wantsBareReply?: boolean;
}

/** The client of a connection whose TLS handshake, if there is one, is done. */
export function clientOf(
  socket: Socket,
  listener: ListenerKind,
  access: () => AccessRules,
): Client {
  const certificate = certificateOf(socket);
  const subject = certificate === undefined ? undefined : subjectOf(certificate);
  const isUnix = listener === "unix" || listener === "unixReadOnly";
  const host = isUnix ? "unix" : hostOf(socket);
  const address = isUnix ? "unix" : addressOf(socket);
  return {
    address,
    name: clip(subject ?? (isUnix ? userOf(socket) : address), NAME_SHOWN),
    ...(subject !== undefined && { subject }),
    source: subject ?? certificate?.fingerprint256 ?? host,
    role: () => roleOf(listener, subject, access()),
  };
}

/** The same client where it speaks STOMP. Without a certificate it is this connection alone. */
export function asStomp(client: Client, socket: Socket): Client {
  const resendsAs = certificateOf(socket)?.fingerprint256 ?? randomUUID();
  return { ...client, resendsAs, wantsBareReply: true };
}

/** `192.0.2.1:4242` or `[2001:db8::1]:4242`. */
export function addressOf(socket: Socket): string {
  return `${hostOf(socket)}:${socket.remotePort ?? 0}`;
}

/** The address without the port. An IPv4 address is written as such, whatever the listener is. */
export function hostOf({ remoteAddress = "gone" }: Socket): string {
  const address = remoteAddress.replace(/^::ffff:(?=[0-9.]+$)/, "");
  return address.includes(":") ? `[${address}]` : address;
}

/** As of its connect; the process is left out where it is in no namespace of ours. */
function userOf(socket: Socket): string {
  const descriptor = descriptorOf(socket);
  if (descriptor === undefined) return "unix";
  const { uid, pid } = peerCredentials(descriptor);
  return pid === 0 ? `uid ${uid}` : `uid ${uid}, pid ${pid}`;
}

function certificateOf(socket: Socket): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
}

function subjectOf({ subject }: X509Certificate): string | undefined {
  // Node gives undefined for an empty one, which its types do not say.
  const lines: string | undefined = subject;
  return lines === undefined || lines === "" ? undefined : formatSubject(lines);
}
