/** The TLS files over the daemon's life: at its start, at a reload, and as the days go by. */
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

/** A daemon's files, and what the log says of them as of a time that the test sets. */
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

describe("the daily look", () => {
  it("warns from 30 days on, and says when it is over", () => {
    const desk = new Desk();
    expect(desk.said()).toEqual([]);
    desk.daysLater = 10;
    desk.watch.look();
    expect(desk.said()).toEqual([]);
    desk.daysLater = 11;
    desk.watch.look();
    expect(desk.said()).toEqual([
      expect.stringMatching(/^warn ssl\.cert: "host\.pem" \(CN=host\) expires on \S+, in 29 days$/),
    ]);
    desk.daysLater = 41;
    desk.watch.look();
    expect(desk.said()).toEqual([
      expect.stringMatching(/^error ssl\.cert: "host\.pem" \(CN=host\) expired on /),
    ]);
  });

  it("is about what is in use, not about a file that nobody has read yet", () => {
    const desk = new Desk();
    desk.pki.leaf("host", "ca", { toDays: 400 });
    desk.daysLater = 41;
    desk.watch.look();
    expect(desk.said()).toEqual([expect.stringContaining("expired on")]);
    expect(desk.watch.mayReread()).toBe(true);
    desk.watch.look();
    expect(desk.said()).toEqual([]);
  });
});

describe("a reload", () => {
  it("takes no files that cannot work, and says which ones stay", () => {
    const desk = new Desk();
    copyFileSync(desk.pki.path("ca.key"), desk.pki.path("host.key"));
    expect(desk.watch.mayReread()).toBe(false);
    expect(desk.said()).toEqual([
      'error ssl.key: "host.key" does not fit ssl.cert "host.pem" (CN=host)',
      "error TLS certificates not read again, old ones kept",
    ]);
    desk.pki.leaf("host", "ca", { fromDays: -9, toDays: -2 });
    expect(desk.watch.mayReread()).toBe(false);
    expect(desk.said()[0]).toMatch(/^error ssl\.cert: .* expired on /);
    desk.pki.leaf("host", "ca");
    expect(desk.watch.mayReread()).toBe(true);
    expect(desk.said()).toEqual([]);
  });
});

describe("the files are for", () => {
  it.each([
    [{ addresses: { management_ip: "::1" } }, "listen"],
    [{ addresses: { management_ip: "::1" }, peer: { mode: "none" } }, "listen"],
    [{}, "ask"],
    [{ peer: { mode: "none" } }, "none"],
    [{ ssl: { enabled: false } }, "none"],
  ])("%j: %s", (settings, use) => {
    expect(tlsUseOf(parseConfig(settings))).toBe(use);
  });
});
