/** One resolver for all: how many names are out at once, who waits how long, and what comes late. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, it } from "vitest";
import { LOOKUPS_MAX, Resolver } from "../../src/host/resolver.ts";

/** A system's resolver that answers when a test says so. */
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

it("however many names hang, few look-ups are out, and whoever asks may give up", async () => {
  const { ask, asked } = bench();
  const all = Array.from({ length: 20 }, (_each, at) => ask(`host-${at}`));
  expect(asked).toHaveLength(LOOKUPS_MAX);
  for (const { giveUp } of all) giveUp();
  const answers = await Promise.all(all.map(({ answer }) => answer));
  expect(answers).toEqual(all.map(() => ({ kind: "gaveUp" })));
  // Those that were never out are not asked for any more; those that hang are not asked for twice.
  ask("host-0");
  expect(asked).toHaveLength(LOOKUPS_MAX);
});

it("one name is asked for once, whoever asks", async () => {
  const { ask, asked, answer } = bench();
  const both = [ask("host-a"), ask("host-a")];
  expect(asked).toEqual(["host-a"]);
  answer("host-a");
  for (const each of both) expect(await each.answer).toEqual(FOUND);
});

it("the next goes out, in its turn, when one is back", async () => {
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

it("an answer that comes late is the next one's, once and for a minute", async () => {
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

it("an address is no name", async () => {
  const { ask, asked } = bench();
  expect(await ask("2001:db8::1").answer).toEqual({
    kind: "found",
    all: [{ address: "2001:db8::1", family: 6 }],
  });
  expect(asked).toEqual([]);
});

it("the system's answers, and a name that Node does not even ask for", async () => {
  const resolver = new Resolver();
  const { signal } = new AbortController();
  const all = await Promise.all(
    ["localhost", "no-such-name.invalid", "a\0b"].map((host) => resolver.resolve(host, signal)),
  );
  expect(all.map(({ kind }) => kind)).toEqual(["found", "failed", "failed"]);
});

it("a socket that is given up is told nothing by a resolver that hangs", async () => {
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
