/** Which connection is dropped when a listener is full, as a table; and that log lines about it are thinned. */

import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { createLog } from "../../src/logger.ts";
import { LogThrottle } from "../../src/rpc/log-throttle.ts";
import {
  type OpenConnection,
  OpenConnections,
  type Stage,
} from "../../src/rpc/open-connections.ts";

interface Held {
  readonly name: string;
  readonly address?: string;
  readonly stage: Stage;
}

const held = (text: string): Held => {
  const [name = "", stage = "silent", address] = text.split(" ");
  const known = ["silent", "begun", "idle", "established"] as const;
  const found = known.find((each) => each === stage) ?? "silent";
  return { name, stage: found, ...(address !== undefined && { address }) };
};

function place(left: string[], { name, stage, address }: Held): OpenConnection {
  return { address, stage, leave: () => left.push(name) };
}

describe("a new connection", () => {
  it.each<[string, readonly string[], string, string]>([
    ["is added where there is room", ["a silent", "b silent"], "new silent", "added"],
    ["takes that of the oldest silent one", ["a silent", "b silent", "c silent"], "new", "a"],
    ["of a silent one before one that has begun", ["a begun", "b silent", "c idle"], "new", "b"],
    ["of one that has begun before an idle one", ["a idle", "b begun", "c begun"], "new", "b"],
    ["of an idle one before it is refused", ["a established", "b idle", "c idle"], "new", "b"],
    [
      "is refused among established ones",
      ["a established", "b established", "c established"],
      "new",
      "refused",
    ],
    [
      "of a full address takes a place of that address, though others are older",
      ["a silent 10.0.0.9", "b silent 10.0.0.1", "c silent 10.0.0.1"],
      "new silent 10.0.0.1",
      "b",
    ],
    [
      "of a full address is refused among its established ones, though others are silent",
      ["a silent 10.0.0.9", "b established 10.0.0.1", "c established 10.0.0.1"],
      "new silent 10.0.0.1",
      "refused",
    ],
    [
      "of a full address does so though there are places",
      ["b silent 10.0.0.1", "c silent 10.0.0.1"],
      "new silent 10.0.0.1",
      "b",
    ],
    [
      "of an address with room takes the oldest silent place of any",
      ["a silent 10.0.0.1", "b silent 10.0.0.1", "c silent 10.0.0.9"],
      "new silent 10.0.0.2",
      "a",
    ],
    ["without address has no limit of one", ["a silent", "b silent"], "new silent", "added"],
  ])("%s", (_what, before, newcomer, outcome) => {
    const open = new OpenConnections({ total: 3, perAddress: 2 });
    const left: string[] = [];
    for (const each of before) open.add(place(left, held(each)));
    const taken = open.add(place(left, held(newcomer)));
    const goes = taken.kind === "evicted" ? left.join() : taken.kind;
    expect(goes).toBe(outcome);
    expect(open.size).toBe(Math.min(3, before.length + (taken.kind === "added" ? 1 : 0)));
  });

  it("counts one that has gone no more, however often that is said", () => {
    const open = new OpenConnections({ total: 1, perAddress: 1 });
    const first = place([], held("a established 10.0.0.1"));
    open.add(first);
    expect(open.add(place([], held("b silent 10.0.0.1"))).kind).toBe("refused");
    open.remove(first);
    open.remove(first);
    expect(open.add(place([], held("c silent 10.0.0.1"))).kind).toBe("added");
  });

  it("never ends an established one, and the limits hold, whatever comes", () => {
    const stage = fc.constantFrom<Stage>("silent", "begun", "idle", "established");
    const arrival = fc.record({ stage, address: fc.constantFrom("1", "2", "3", undefined) });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 60 }), (arrivals) => {
        const open = new OpenConnections({ total: 8, perAddress: 4 });
        const all = new Set<OpenConnection>();
        for (const { stage: now, address } of arrivals) {
          const each: OpenConnection = {
            address,
            stage: now,
            leave: () => {
              expect(each.stage).not.toBe("established");
              all.delete(each);
            },
          };
          if (open.add(each).kind !== "refused") all.add(each);
          expect(open.size).toBe(all.size);
          expect(all.size).toBeLessThanOrEqual(8);
          const ofAddress = [...all].filter((other) => other.address === address);
          if (address !== undefined) expect(ofAddress.length).toBeLessThanOrEqual(4);
        }
      }),
    );
  });
});

describe("a line that clients cause", () => {
  const lines: Record<string, unknown>[] = [];
  afterEach(() => lines.splice(0));
  const start = (intervalMs: number): LogThrottle =>
    new LogThrottle(
      createLog({ level: "info", stream: { write: (line) => lines.push(JSON.parse(line)) } }),
      intervalMs,
    );

  it("is written at once, then counted, with the fields of the last", async () => {
    const throttle = start(20);
    for (let n = 1; n <= 1000; n += 1) throttle.say("warn", "a", { n }, "refused");
    expect(lines).toMatchObject([{ level: "warn", msg: "refused", n: 1 }]);
    await expect
      .poll(() => lines)
      .toMatchObject([{ n: 1 }, { level: "warn", msg: "refused", n: 1000, repeated: 999 }]);
  });

  it("is written at once again after an interval without one", async () => {
    const throttle = start(5);
    await expect
      .poll(
        () => {
          throttle.say("warn", "a", {}, "refused");
          return lines.filter(({ repeated }) => repeated === undefined).length;
        },
        { interval: 20 },
      )
      .toBeGreaterThan(1);
  });

  it("is counted apart for each client, up to a bound", () => {
    const throttle = start(60_000);
    for (const who of ["a", "b", "a"]) throttle.say("warn", who, { who }, "refused");
    expect(lines.map(({ who }) => who)).toEqual(["a", "b"]);
    for (let n = 0; n < 10_000; n += 1) throttle.say("warn", `c${n}`, { n }, "refused");
    expect(lines.length).toBeLessThan(300);
  });
});
