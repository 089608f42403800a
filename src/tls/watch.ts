/**
 * The TLS files over the daemon's life: looked at when it starts, when it is told to read them again,
 * and once a day while it runs, since certificates expire in silence. What is wrong goes into the log;
 * files that cannot work are never taken in place of what is in use.
 */
import type { Clock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import type { Log } from "../logger.ts";
import { readTls } from "./facts.ts";
import { dateOf, type Finding, judge, type TlsFacts } from "./judge.ts";

const LOOK_EVERY_MS = 24 * 3_600_000;

/** What the files are for: without a listener they only serve to ask other hosts. */
export type TlsUse = "listen" | "ask" | "none";

export function tlsUseOf({ ssl, addresses, peer }: Config): TlsUse {
  if (!ssl.enabled) return "none";
  if (addresses.management_ip !== "") return "listen";
  return peer.mode === "daemon" ? "ask" : "none";
}

export class TlsWatch {
  readonly #config: () => Config;
  readonly #clock: Clock;
  readonly #log: Log;
  #inUse: TlsFacts | null = null;

  /** `config`: where the files are, and what they are for at present. */
  constructor(config: () => Config, clock: Clock, log: Log) {
    this.#config = config;
    this.#clock = clock;
    this.#log = log.child({ component: "tls" });
  }

  /** Looks at the files that are taken into use now, and at these again each day. */
  start(): void {
    setInterval(() => this.look(), LOOK_EVERY_MS).unref();
    if (tlsUseOf(this.#config()) === "none") return;
    this.#inUse = readTls(this.#config().ssl).facts;
    this.look();
  }

  /** What is in use, as of now. */
  look(): void {
    if (this.#inUse !== null) this.#say(this.#findings(this.#inUse));
  }

  /** Whether the files as they are now may be taken into use. */
  mayReread(): boolean {
    if (tlsUseOf(this.#config()) === "none") return true;
    const { facts } = readTls(this.#config().ssl);
    const findings = this.#findings(facts);
    this.#say(findings);
    if (findings.some(({ severity }) => severity === "error")) {
      this.#log.error({ ...this.#kept() }, "TLS certificates not read again, old ones kept");
      return false;
    }
    this.#inUse = facts;
    return true;
  }

  #findings(facts: TlsFacts): readonly Finding[] {
    return judge(facts, this.#clock.wallMs());
  }

  #say(findings: readonly Finding[]): void {
    for (const { severity, message } of findings) {
      if (severity === "error") this.#log.error({ why: message }, "TLS files cannot work");
      else this.#log.warn({ why: message }, "TLS files will not work for long, or not for all");
    }
  }

  #kept(): Readonly<Record<string, string>> {
    const cert = this.#inUse?.cert;
    const own = cert?.kind === "read" ? cert.certificates[0] : undefined;
    if (own === undefined) return {};
    return { subject: own.subject, expires: dateOf(own.notAfterMs) };
  }
}
