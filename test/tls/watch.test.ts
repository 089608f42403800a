/** The TLS files while the daemon runs: at start, at a reload, and as days go by. */
import { copyFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseConfig } from "../../src/config/config.ts";
import { createLog } from "../../src/logger.ts";
import { tlsUseOf, TlsWatch } from "../../src/tls/watch.ts";
import { pki, type Pki } from "./authority.ts";

const DAY_MS = 86_400_000;

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly why?: string;
}

/** A daemon's files, and what is logged about them at a time set by the test. */
class Desk {
  readonly pki: Pki = pki();
  readonly lines: Line[] = [];
  readonly watch: TlsWatch;
  daysLater = 0;

  constructor(settings: Record<string, unknown> = {}) {
    this.pki.authority("ca", { toDays: 1000 });
    this.pki.leaf("host", "ca", { toDays: 40.5 });
    const file = (name: string): string => this.pki.path(name);
    const ssl = { ca: file("ca.pem"), cert: file("host.pem"), key: file("host.key") };
    const config = parseConfig({ addresses: { management_ip: "127.0.0.1" }, ssl, ...settings });
    const write = (text: string): void => void this.lines.push(JSON.parse(text));
    const clock = {
      monotonicMs: () => performance.now(),
      wallMs: () => Date.now() + this.daysLater * DAY_MS,
    };
    this.watch = new TlsWatch(() => config, clock, createLog({ level: "info", stream: { write } }));
    this.watch.start();
  }

  said(): readonly string[] {
    return this.lines
      .splice(0)
      .map(
        ({ level, msg, why }) => `${level} ${(why ?? msg).replaceAll(`${this.pki.folder}/`, "")}`,
      );
  }
}

describe("the daily check", () => {
  it("warns 30 days ahead, and reports the expiry", () => {
    const desk = new Desk();
    expect(desk.said()).toEqual([]);
    desk.daysLater = 10;
    desk.watch.check();
    expect(desk.said()).toEqual([]);
    desk.daysLater = 11;
    desk.watch.check();
    expect(desk.said()).toEqual([
      expect.stringMatching(/^warn ssl\.cert: "host\.pem" \(CN=host\) expires on \S+, in 29 days$/),
    ]);
    desk.daysLater = 41;
    desk.watch.check();
    expect(desk.said()).toEqual([
      expect.stringMatching(/^error ssl\.cert: "host\.pem" \(CN=host\) expired on /),
    ]);
  });

  it("checks the files in use, not those that were not loaded yet", () => {
    const desk = new Desk();
    desk.pki.leaf("host", "ca", { toDays: 400 });
    desk.daysLater = 41;
    desk.watch.check();
    expect(desk.said()).toEqual([expect.stringContaining("expired on")]);
    expect(desk.watch.mayReload()).toBe(true);
    desk.watch.check();
    expect(desk.said()).toEqual([]);
  });
});

describe("a reload", () => {
  it("rejects unusable files, and says which ones stay in use", () => {
    const desk = new Desk();
    copyFileSync(desk.pki.path("ca.key"), desk.pki.path("host.key"));
    expect(desk.watch.mayReload()).toBe(false);
    expect(desk.said()).toEqual([
      'error ssl.key: "host.key" does not match ssl.cert "host.pem" (CN=host)',
      "error TLS certificates not reloaded; keeping the old ones",
    ]);
    desk.pki.leaf("host", "ca", { fromDays: -9, toDays: -2 });
    expect(desk.watch.mayReload()).toBe(false);
    expect(desk.said()[0]).toMatch(/^error ssl\.cert: .* expired on /);
    desk.pki.leaf("host", "ca");
    expect(desk.watch.mayReload()).toBe(true);
    expect(desk.said()).toEqual([]);
  });
});

describe("what the files are used for", () => {
  it.each([
    [{ addresses: { management_ip: "::1" } }, "listen"],
    [{ addresses: { management_ip: "::1" }, peer: { mode: "none" } }, "listen"],
    [{}, "call"],
    [{ peer: { mode: "none" } }, "none"],
    [{ ssl: { enabled: false } }, "none"],
  ])("%j: %s", (settings, use) => {
    expect(tlsUseOf(parseConfig(settings))).toBe(use);
  });
});
