/**
 * Authorities and certificates with any dates and purposes for tests, made with openssl in a folder
 * that is removed when the test ends.
 */
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { onTestFinished } from "vitest";

const EC_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** In days from now; default: valid from yesterday for a year. */
export interface Dates {
  readonly fromDays?: number;
  readonly toDays?: number;
}

export interface Wish extends Dates {
  /** Default: the file's name as common name. */
  readonly subject?: string;
  /** Arguments of `openssl req` for the key; default: P-256. */
  readonly key?: readonly string[];
  readonly extensions?: readonly string[];
}

const CA_EXTENSIONS = ["basicConstraints=critical,CA:TRUE", "subjectKeyIdentifier=hash"];
const LEAF_EXTENSIONS = [
  "basicConstraints=critical,CA:FALSE",
  "extendedKeyUsage=serverAuth,clientAuth",
  "subjectAltName=DNS:localhost,IP:127.0.0.1",
];

export class Pki {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    const config = [
      "[ca]",
      "default_ca=own",
      "[own]",
      `dir=${folder}`,
      "new_certs_dir=$dir",
      "database=$dir/index",
      "default_md=sha256",
      "policy=any",
      "rand_serial=yes",
      "unique_subject=no",
      "[any]",
      "organizationName=optional",
      "commonName=optional",
      "",
    ];
    writeFileSync(path.join(folder, "ca.cnf"), config.join("\n"));
    writeFileSync(path.join(folder, "index"), "");
  }

  path(file: string): string {
    return path.join(this.folder, file);
  }

  read(file: string): Buffer {
    return readFileSync(this.path(file));
  }

  /** Self-signed NAME.pem and NAME.key. */
  authority(name: string, wish: Wish = {}): void {
    this.#issue(name, name, CA_EXTENSIONS, wish);
  }

  /** An authority issued by another one. */
  intermediate(name: string, by: string, wish: Wish = {}): void {
    this.#issue(name, by, CA_EXTENSIONS, wish);
  }

  /** A host's certificate. */
  leaf(name: string, by: string, wish: Wish = {}): void {
    this.#issue(name, by, LEAF_EXTENSIONS, wish);
  }

  /** Concatenates the given files. */
  bundle(name: string, ...parts: readonly string[]): void {
    writeFileSync(this.path(name), "");
    for (const part of parts) appendFileSync(this.path(name), this.read(part));
  }

  openssl(...args: string[]): void {
    execFileSync("openssl", args, { cwd: this.folder, stdio: "pipe" });
  }

  #issue(name: string, by: string, usual: readonly string[], wish: Wish): void {
    const { subject = `/CN=${name}`, key = EC_KEY, extensions = usual } = wish;
    const request = ["-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", subject];
    this.openssl("req", "-new", ...key, ...request);
    writeFileSync(this.path(`${name}.ext`), `${extensions.join("\n")}\n`);
    const signer =
      by === name
        ? ["-selfsign", "-keyfile", `${name}.key`]
        : ["-cert", `${by}.pem`, "-keyfile", `${by}.key`];
    const from = ["-startdate", dateIn(wish.fromDays ?? -1)];
    const to = ["-enddate", dateIn(wish.toDays ?? 365)];
    const into = ["-in", `${name}.csr`, "-out", `${name}.pem`, "-extfile", `${name}.ext`];
    this.openssl(
      "ca",
      "-config",
      "ca.cnf",
      "-batch",
      "-notext",
      ...signer,
      ...from,
      ...to,
      ...into,
    );
  }
}

export function dayFromNow(days: number): Date {
  return new Date(Math.floor((Date.now() + days * 86_400_000) / 1000) * 1000);
}

/** In openssl's format: YYYYMMDDHHMMSSZ. */
function dateIn(days: number): string {
  return dayFromNow(days)
    .toISOString()
    .replace(/[-:T]|\.000/g, "");
}

/** Removed when the test ends. */
export function pki(): Pki {
  const folder = mkdtempSync(path.join(tmpdir(), "pki-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return new Pki(folder);
}
