/**
 * The certificates of a TLS lab: a new authority for each lab, one certificate for each host in all
 * the places where libvirt, QEMU and the daemon look by default, and one for the engine. They are
 * valid for two months and removed with the lab's folder. Made with openssl.
 *
 * Source: https://libvirt.org/kbase/tlscerts.html for libvirt's files, qemu.conf for QEMU's,
 * src/config/keys.ts for the daemon's.
 */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { HostCoordinates } from "./api.ts";

/** The authority's folder, inside the lab's. */
export const AUTHORITY_FOLDER = "authority";

/** Where a host's certificates are, inside the host. */
const HOST_PKI = "/etc/pki";

const KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
const DAYS = ["-days", "60"];

/** In each place, the file names of authority, certificate and key. */
const PLACES: readonly (readonly [string, string, string])[] = [
  ["CA/cacert.pem", "libvirt/servercert.pem", "libvirt/private/serverkey.pem"],
  ["CA/cacert.pem", "libvirt/clientcert.pem", "libvirt/private/clientkey.pem"],
  ["qemu/ca-cert.pem", "qemu/server-cert.pem", "qemu/server-key.pem"],
  ["qemu/ca-cert.pem", "qemu/client-cert.pem", "qemu/client-key.pem"],
  ["vdsm/certs/cacert.pem", "vdsm/certs/vdsmcert.pem", "vdsm/keys/vdsmkey.pem"],
];

export interface Pem {
  readonly ca: Buffer;
  readonly cert: Buffer;
  readonly key: Buffer;
}

type Named = Pick<HostCoordinates, "name" | "folder" | "controlAddress" | "migrationAddress">;

/** Makes a new authority in the folder, and the engine's certificate. */
export function makeAuthority(folder: string): void {
  mkdirSync(folder, { recursive: true });
  const into = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=lab authority"];
  const usage = ["-addext", "keyUsage=critical,keyCertSign,cRLSign"];
  openssl(folder, "req", "-x509", ...KEY, ...DAYS, ...into, ...usage);
  issue(folder, "engine", ["DNS:engine"]);
}

/** The authority's folder in the lab that the host belongs to. */
export function authorityOf(host: Pick<HostCoordinates, "folder">): string {
  return path.join(path.dirname(host.folder), AUTHORITY_FOLDER);
}

/** What the engine presents to the authority's hosts. */
export function enginePem(authority: string): Pem {
  return pemOf(authority, "engine");
}

/** The certificate with this name: "engine" or a host's name. */
export function pemOf(authority: string, name: string): Pem {
  const read = (file: string): Buffer => readFileSync(path.join(authority, file));
  return { ca: read("ca.pem"), cert: read(`${name}.pem`), key: read(`${name}.key`) };
}

/** Puts a new certificate for the host into all its places, overwriting the previous one. */
export function certifyHost(authority: string, host: Named): void {
  const addresses = [host.controlAddress, host.migrationAddress].map((each) => `IP:${each}`);
  issue(authority, host.name, [`DNS:${host.name}`, `DNS:${host.name}-migration`, ...addresses]);
  const sources = ["ca.pem", `${host.name}.pem`, `${host.name}.key`];
  for (const place of PLACES) {
    for (const [index, file] of place.entries()) {
      const target = path.join(host.folder, HOST_PKI, file);
      mkdirSync(path.dirname(target), { recursive: true });
      copyFileSync(path.join(authority, sources[index] ?? ""), target);
    }
  }
}

/** For servers and clients alike. libvirt and QEMU check names, addresses and usage. */
function issue(authority: string, name: string, alternatives: readonly string[]): void {
  const request = ["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`];
  openssl(authority, "req", ...KEY, ...request);
  const extensions = [
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature,keyEncipherment",
    "extendedKeyUsage=serverAuth,clientAuth",
    `subjectAltName=${alternatives.join(",")}`,
  ];
  writeFileSync(path.join(authority, `${name}.ext`), `${extensions.join("\n")}\n`);
  const by = ["-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", ...DAYS];
  const into = ["-extfile", `${name}.ext`, "-out", `${name}.pem`];
  openssl(authority, "x509", "-req", "-in", `${name}.csr`, ...by, ...into);
}

function openssl(folder: string, ...args: string[]): void {
  execFileSync("openssl", args, { cwd: folder, stdio: "pipe" });
}
