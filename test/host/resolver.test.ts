/** The shared resolver: concurrent lookups, callers that give up, and late answers. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { LOOKUPS_MAX, Resolver } from "../../src/host/resolver.ts";

/** A system resolver that answers when the test tells it to. */
function bench() {
  const out = new Map<string, Parameters<ConstructorParameters<typeof Resolver>[0] & object>[1]>();
  const asked: string[] = [];
  let nowMs = 0;
  const clock = { monotonicMs: () => nowMs, wallMs: () => 0 };
  const resolver = new Resolver((host, tell) => {
    asked.push(host);
    out.set(host, tell);
  }, clock);
  const answer = (host: string, address = "192.0.2.1"): void => {
    const tell = out.get(host);
    out.delete(host);
    tell?.({ kind: "found", all: [{ address, family: 4 }] });
  };
  const ask = (host: string) => {
    const gaveUp = new AbortController();
    return { answer: resolver.resolve(host, gaveUp.signal), giveUp: () => gaveUp.abort() };
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { resolver, out, asked, answer, ask, pass };
}

const FOUND = { kind: "found", all: [{ address: "192.0.2.1", family: 4 }] };

it("however many names hang, few lookups are in flight, and every caller can give up", async () => {
  const { ask, asked } = bench();
  const all = Array.from({ length: 20 }, (_each, at) => ask(`host-${at}`));
  expect(asked).toHaveLength(LOOKUPS_MAX);
  for (const { giveUp } of all) giveUp();
  const answers = await Promise.all(all.map(({ answer }) => answer));
  expect(answers).toEqual(all.map(() => ({ kind: "gaveUp" })));
  // Lookups that never started are dropped; those in flight are not repeated.
  ask("host-0");
  expect(asked).toHaveLength(LOOKUPS_MAX);
});

it("one name is looked up once, whoever asks", async () => {
  const { ask, asked, answer } = bench();
  const both = [ask("host-a"), ask("host-a")];
  expect(asked).toEqual(["host-a"]);
  answer("host-a");
  for (const each of both) expect(await each.answer).toEqual(FOUND);
});

it("the next in line starts when one is done", async () => {
  const { ask, asked, answer } = bench();
  ask("a");
  ask("b");
  const [third, fourth, fifth] = [ask("c"), ask("d"), ask("e")];
  fourth.giveUp();
  answer("b");
  expect(asked).toEqual(["a", "b", "c"]);
  answer("c");
  expect(await third.answer).toEqual(FOUND);
  expect(asked).toEqual(["a", "b", "c", "e"]);
  answer("e");
  expect(await fifth.answer).toEqual(FOUND);
});

it("a late answer goes to the next caller, once, within a minute", async () => {
  const { ask, asked, answer, pass } = bench();
  for (const [waitedMs, times] of [
    [59_000, 1],
    [61_000, 2],
  ] as const) {
    asked.length = 0;
    const first = ask("slow");
    first.giveUp();
    expect(await first.answer).toEqual({ kind: "gaveUp" });
    answer("slow");
    pass(waitedMs);
    const next = ask("slow");
    if (times === 2) answer("slow");
    expect(await next.answer).toEqual(FOUND);
    expect(asked).toHaveLength(times);
  }
});

it("an address needs no lookup", async () => {
  const { ask, asked } = bench();
  expect(await ask("2001:db8::1").answer).toEqual({
    kind: "found",
    all: [{ address: "2001:db8::1", family: 6 }],
  });
  expect(asked).toEqual([]);
});

it("the system's answers, and a name that Node itself rejects", async () => {
  const resolver = new Resolver();
  const { signal } = new AbortController();
  const all = await Promise.all(
    ["localhost", "no-such-name.invalid", "a\0b"].map((host) => resolver.resolve(host, signal)),
  );
  expect(all.map(({ kind }) => kind)).toEqual(["found", "failed", "failed"]);
});

it("an abandoned socket gets an error, not an address, when the resolver hangs", async () => {
  const { resolver, answer } = bench();
  const gaveUp = new AbortController();
  const told: unknown[] = [];
  resolver.forSocket(gaveUp.signal)("host-a", { all: true }, (error, all) => {
    told.push(error?.code ?? all);
  });
  gaveUp.abort();
  await turn();
  answer("host-a");
  await turn();
  expect(told).toEqual(["EAI_AGAIN"]);
});
