/**
 * Whether a web page is the daemon's own, by the Origin that browsers send with every POST and every
 * WebSocket handshake. A page of any site may try both, so all others are refused.
 *
 * Own is, on every TCP connection, the literal address and port that it came in on, and what main.ts
 * lists. The Host header says nothing there: a page whose name was rebound to this host's address
 * controls it (DNS rebinding). Over TLS it does count, and so do the certificate's names: a browser
 * has shown a client certificate and has accepted this host's certificate for the name in its address
 * bar before a byte of the request is sent, and a rebound name is not in it. A Unix socket is reached
 * by no browser; programs that speak HTTP over it call it localhost.
 *
 * Spellings do not matter: case, a trailing dot, a default port, the forms of an IPv6 address.
 */

import type { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { canonicalIp } from "../core/ip.ts";
import type { ListenerKind } from "./roles.ts";

/** How a request reached the daemon, as far as its origin goes. */
export interface Reached {
  readonly listener: ListenerKind;
  /** Of this end; absent on a Unix socket. */
  readonly address?: string;
  readonly port?: number;
  /** The Host header if there is exactly one. */
  readonly hostHeader?: string;
  /** This host's own, on a TLS connection. */
  readonly certificate?: Pick<X509Certificate, "checkHost" | "checkIP">;
  /** Origins of the daemon's own pages besides. */
  readonly listed: readonly string[];
}

interface Site {
  /** Lower case, without trailing dot; an address in its canonical form. */
  readonly host: string;
  readonly isAddress: boolean;
  readonly port: number | undefined;
}

interface Origin extends Site {
  readonly scheme: "http" | "https";
  readonly port: number;
}

const MAX_PORT = 65_535;
const DEFAULT_PORT = { http: 80, https: 443 } as const;

const originPattern = /^(https?):\/\/([^/?#@\s]+)$/;
const sitePattern = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9_.-]+))(?::([0-9]{1,5}))?$/;

export function reachedBy(
  request: IncomingMessage,
  listener: ListenerKind,
  listed: readonly string[],
): Reached {
  const { localAddress, localPort }: Socket = request.socket;
  const [hostHeader, ...others] = request.headersDistinct["host"] ?? [];
  const certificate =
    request.socket instanceof TLSSocket ? request.socket.getX509Certificate() : undefined;
  return {
    listener,
    listed,
    ...(localAddress !== undefined && { address: localAddress }),
    ...(localPort !== undefined && { port: localPort }),
    ...(hostHeader !== undefined && others.length === 0 && { hostHeader }),
    ...(certificate !== undefined && { certificate }),
  };
}

/** **Fails**: never; what is no origin (`null`, a list, nothing) is no own one. */
export function isOwnOrigin(text: string, reached: Reached): boolean {
  const origin = readOrigin(text);
  if (origin === undefined) return false;
  if (reached.listed.some((each) => isSame(origin, readOrigin(each)))) return true;
  switch (reached.listener) {
    case "unix":
    case "unixReadOnly":
      return origin.scheme === "http" && origin.host === "localhost";
    case "tcp":
      return origin.scheme === "http" && isOwnAddress(origin, reached);
    case "tls":
      return (
        origin.scheme === "https" &&
        (isOwnAddress(origin, reached) ||
          isNamedByHeader(origin, reached) ||
          isNamedByCertificate(origin, reached))
      );
  }
}

function isOwnAddress(origin: Origin, { address, port }: Reached): boolean {
  const own = canonicalIp(address?.split("%", 1)[0] ?? "");
  return origin.isAddress && own === origin.host && port === origin.port;
}

function isNamedByHeader(origin: Origin, { hostHeader }: Reached): boolean {
  const site = readSite(hostHeader ?? "");
  return site?.host === origin.host && portOf(site) === origin.port;
}

/** At the port that the daemon has, or by which it was reached through another. */
function isNamedByCertificate(origin: Origin, reached: Reached): boolean {
  const { certificate, port, hostHeader } = reached;
  const site = readSite(hostHeader ?? "");
  const isPort = origin.port === port || (site !== undefined && origin.port === portOf(site));
  if (certificate === undefined || !isPort) return false;
  const named = origin.isAddress
    ? certificate.checkIP(origin.host)
    : certificate.checkHost(origin.host, { subject: "always" });
  return named !== undefined;
}

/** Over TLS, where alone it is asked. */
function portOf({ port }: Site): number {
  return port ?? DEFAULT_PORT.https;
}

function readOrigin(text: string): Origin | undefined {
  const [, scheme, authority = ""] = originPattern.exec(text.toLowerCase()) ?? [];
  const site = readSite(authority);
  if (site === undefined || (scheme !== "http" && scheme !== "https")) return undefined;
  return { ...site, scheme, port: site.port ?? DEFAULT_PORT[scheme] };
}

function readSite(text: string): Site | undefined {
  const [, bracketed, name = "", digits] = sitePattern.exec(text.toLowerCase()) ?? [];
  const port = digits === undefined ? undefined : Number(digits);
  if (port !== undefined && port > MAX_PORT) return undefined;
  const address = canonicalIp(bracketed ?? name);
  if (address !== undefined) return { host: address, isAddress: true, port };
  if (bracketed !== undefined) return undefined;
  const host = name.replace(/\.$/, "");
  return host === "" ? undefined : { host, isAddress: false, port };
}

function isSame(one: Origin, other: Origin | undefined): boolean {
  return (
    other !== undefined &&
    one.scheme === other.scheme &&
    one.host === other.host &&
    one.port === other.port
  );
}
