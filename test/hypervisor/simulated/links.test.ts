/** Shares of links: nobody above the cap, no link above its capacity, and nobody could have more for free. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fairRates, type Flow } from "../../../src/hypervisor/simulated/links.ts";

const HOSTS = ["a", "b", "c"];
const CLOSE = 1e-6;

const flow: fc.Arbitrary<Flow> = fc
  .record({
    from: fc.constantFrom(...HOSTS),
    to: fc.constantFrom(...HOSTS),
    capBytesPerSecond: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(Infinity)),
  })
  .filter(({ from, to }) => from !== to);

const capacities = fc.record({
  a: fc.integer({ min: 1, max: 200 }),
  b: fc.integer({ min: 1, max: 200 }),
  c: fc.integer({ min: 1, max: 200 }),
});

const cap = (from: string, to: string, capBytesPerSecond: number): Flow => ({
  from,
  to,
  capBytesPerSecond,
});

describe("fairRates", () => {
  it.each([
    { flows: [], rates: [] },
    { flows: [cap("a", "b", 10)], rates: [10] },
    { flows: [cap("a", "b", Infinity)], rates: [100] },
    { flows: [cap("a", "b", 60), cap("a", "b", 60)], rates: [50, 50] },
    { flows: [cap("a", "b", 20), cap("a", "b", 90)], rates: [20, 80] },
    // Full duplex: one direction does not slow the other down.
    { flows: [cap("a", "b", 90), cap("b", "a", 90)], rates: [90, 90] },
    { flows: [cap("a", "b", 90), cap("c", "b", 90), cap("c", "a", 90)], rates: [50, 50, 50] },
  ])("$flows", ({ flows, rates }) => {
    expect(fairRates(flows, () => 100)).toEqual(rates);
  });

  it("keeps caps and capacities, and leaves no room that somebody could use", () => {
    fc.assert(
      fc.property(fc.array(flow, { maxLength: 12 }), capacities, (flows, capacity) => {
        const of = (host: string): number => capacity[host as "a" | "b" | "c"];
        const rates = fairRates(flows, of);
        const used = (end: (flow: Flow) => string, host: string): number =>
          flows.reduce((sum, each, at) => (end(each) === host ? sum + (rates[at] ?? 0) : sum), 0);
        const free = (host: string): { out: number; in: number } => ({
          out: of(host) - used(({ from }) => from, host),
          in: of(host) - used(({ to }) => to, host),
        });
        for (const host of HOSTS) {
          expect(free(host).out).toBeGreaterThan(-CLOSE);
          expect(free(host).in).toBeGreaterThan(-CLOSE);
        }
        for (const [at, { from, to, capBytesPerSecond }] of flows.entries()) {
          const rate = rates[at] ?? 0;
          expect(rate).toBeGreaterThan(0);
          expect(rate).toBeLessThanOrEqual(capBytesPerSecond);
          const room = Math.min(free(from).out, free(to).in);
          if (rate < capBytesPerSecond) expect(room).toBeLessThan(CLOSE);
        }
      }),
    );
  });
});
