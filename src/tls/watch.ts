/**
 * Watches the TLS files while the daemon runs: they are checked at start, at each reload, and once a
 * day, because certificates expire silently. Problems are logged. Unusable files never replace those
 * in use.
 */
import type { Clock } from "../clock.ts";
import type { Config } from "../config/config.ts";
import type { Log } from "../logger.ts";
import { readTls } from "./facts.ts";
import { dateOf, type Finding, judge, type TlsFacts } from "./judge.ts";

const CHECK_EVERY_MS = 24 * 3_600_000;

/** What the files are needed for. Without a TCP listener they only serve calls to other hosts. */
export type TlsUse = "listen" | "call" | "none";

export function tlsUseOf({ ssl, addresses, peer }: Config): TlsUse {
  if (!ssl.enabled) return "none";
  if (addresses.management_ip !== "") return "listen";
  return peer.mode === "daemon" ? "call" : "none";
}

export class TlsWatch {
  readonly #config: () => Config;
  readonly #clock: Clock;
  readonly #log: Log;
  #inUse: TlsFacts | null = null;

  /** `config` returns the current configuration. */
  constructor(config: () => Config, clock: Clock, log: Log) {
    this.#config = config;
    this.#clock = clock;
    this.#log = log.child({ component: "tls" });
  }

  /** Checks the files that are taken into use now, and again every day. */
  start(): void {
    setInterval(() => this.check(), CHECK_EVERY_MS).unref();
    if (tlsUseOf(this.#config()) === "none") return;
    this.#inUse = readTls(this.#config().ssl).facts;
    this.check();
  }

  /** Checks the files in use. */
  check(): void {
    if (this.#inUse !== null) this.#logAll(this.#findings(this.#inUse));
  }

  /** Whether the files may be reloaded as they are now; if not, the log says why. */
  mayReload(): boolean {
    if (tlsUseOf(this.#config()) === "none") return true;
    const { facts } = readTls(this.#config().ssl);
    const findings = this.#findings(facts);
    this.#logAll(findings);
    if (findings.some(({ severity }) => severity === "error")) {
      this.#log.error({ ...this.#kept() }, "TLS certificates not reloaded; keeping the old ones");
      return false;
    }
    this.#inUse = facts;
    return true;
  }

  #findings(facts: TlsFacts): readonly Finding[] {
    return judge(facts, this.#clock.wallMs());
  }

  #logAll(findings: readonly Finding[]): void {
    for (const { severity, message } of findings) {
      if (severity === "error") this.#log.error({ why: message }, "TLS files are unusable");
      else this.#log.warn({ why: message }, "TLS files need attention");
    }
  }

  #kept(): Readonly<Record<string, string>> {
    const cert = this.#inUse?.cert;
    const own = cert?.kind === "read" ? cert.certificates[0] : undefined;
    if (own === undefined) return {};
    return { subject: own.subject, expires: dateOf(own.notAfterMs) };
  }
}
