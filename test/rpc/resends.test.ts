/** Requests that arrive twice: which are the same, which are not, and what is forgotten when. */

import { describe, expect, it } from "vitest";
import type { Clock } from "../../src/clock.ts";
import { createLog } from "../../src/logger.ts";
import { Dispatcher } from "../../src/rpc/dispatcher.ts";
import type { Handlers } from "../../src/rpc/handlers.ts";
import { defaultRpcLimits, type ResendLimits } from "../../src/rpc/limits.ts";
import { controlClient, verbsOf } from "./lines.ts";

const uuid = (n: number) => `0b6f2f0e-5a0c-4f7e-9d0e-${String(n).padStart(12, "0")}`;
const id = uuid(1);

function start(bounds: Partial<ResendLimits> = {}, more: Handlers = {}) {
  let nowMs = 0;
  const clock: Clock = { monotonicMs: () => nowMs, wallMs: () => 0 };
  const lines: Record<string, unknown>[] = [];
  const log = createLog({
    level: "debug",
    stream: { write: (line) => lines.push(JSON.parse(line)) },
  });
  let runs = 0;
  const count = async (): Promise<number> => {
    runs += 1;
    return await Promise.resolve(runs);
  };
  const handlers: Handlers = {
    ...more,
    "Run.count": count,
    "Run.fail": async () => {
      await count();
      throw new Error("broken");
    },
    "Run.large": async () => {
      await count();
      return "x".repeat(1000);
    },
  };
  const verbs = verbsOf(Object.keys(handlers));
  const limits = { ...defaultRpcLimits, resends: { ...defaultRpcLimits.resends, ...bounds } };
  const dispatcher = new Dispatcher(log, verbs, handlers, limits, clock);
  const ask = async (request: object, resendsAs?: string): Promise<unknown> => {
    const client = controlClient(resendsAs === undefined ? {} : { resendsAs });
    const text = JSON.stringify({ jsonrpc: "2.0", method: "Run.count", id, ...request });
    return JSON.parse((await dispatcher.receive(text, client)) ?? "null");
  };
  return {
    ask,
    lines,
    runs: () => runs,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe("a request that arrives twice", () => {
  it("from a client that resends runs once and is answered twice, with a line in the log", async () => {
    const { ask, lines } = start();
    const replies = [await ask({}, "engine"), await ask({}, "engine")];
    expect(replies).toEqual([
      { jsonrpc: "2.0", id, result: 1 },
      { jsonrpc: "2.0", id, result: 1 },
    ]);
    expect(lines).toMatchObject([{ level: "info", id, method: "Run.count" }]);
  });

  it("at once runs once too", async () => {
    const { ask, runs } = start();
    await Promise.all([ask({}, "engine"), ask({}, "engine"), ask({}, "engine")]);
    expect(runs()).toBe(1);
  });

  it("and failed the first time has failed, and is not tried again", async () => {
    const { ask, runs } = start();
    const failed = { error: { code: -32603 } };
    expect(await ask({ method: "Run.fail" }, "engine")).toMatchObject(failed);
    expect(await ask({ method: "Run.fail" }, "engine")).toMatchObject(failed);
    expect(runs()).toBe(1);
  });

  it.each<[string, [object, string?], [object, string?]]>([
    ["from a client that does not resend (HTTP)", [{}], [{}]],
    ["from two clients", [{}, "one"], [{}, "two"]],
    ["with an id that is a number", [{ id: 1 }, "engine"], [{ id: 1 }, "engine"]],
    ["with an id that is no UUID", [{ id: "1" }, "engine"], [{ id: "1" }, "engine"]],
    ["with another id", [{}, "engine"], [{ id: uuid(2) }, "engine"]],
    ["with another method", [{}, "engine"], [{ method: "Run.large" }, "engine"]],
    ["with other params", [{ params: { a: 1 } }, "engine"], [{ params: { a: 2 } }, "engine"]],
    ["without the params", [{ params: { a: 1 } }, "engine"], [{}, "engine"]],
  ])("%s is two requests", async (_what, first, second) => {
    const { ask, runs } = start();
    await ask(...first);
    await ask(...second);
    expect(runs()).toBe(2);
  });
});

describe("what is remembered", () => {
  it("ends after rememberMs", async () => {
    const { ask, runs, pass } = start({ rememberMs: 1000 });
    await ask({}, "engine");
    pass(1000);
    await ask({}, "engine");
    expect(runs()).toBe(1);
    pass(1);
    await ask({}, "engine");
    expect(runs()).toBe(2);
  });

  it("is never a request that still runs, however long it takes", async () => {
    let finish: (value: number) => void = () => undefined;
    let runs = 0;
    const wait = async (): Promise<number> =>
      await new Promise((resolve) => {
        runs += 1;
        finish = resolve;
      });
    const { ask, pass } = start({ rememberMs: 1000, requestsPerClient: 1 }, { "Slow.wait": wait });
    const first = ask({ method: "Slow.wait" }, "engine");
    await ask({ id: uuid(2) }, "engine");
    await ask({ id: uuid(3) }, "engine");
    pass(5000);
    const second = ask({ method: "Slow.wait" }, "engine");
    finish(7);
    expect([await first, await second]).toMatchObject([{ result: 7 }, { result: 7 }]);
    expect(runs).toBe(1);
  });

  it("is bounded in number for each client, the oldest go", async () => {
    const { ask, runs } = start({ requestsPerClient: 2 });
    for (const n of [1, 2, 3]) await ask({ id: uuid(n) }, "engine");
    await ask({ id: uuid(3) }, "engine");
    await ask({ id: uuid(2) }, "engine");
    expect(runs()).toBe(3);
    await ask({ id: uuid(1) }, "engine");
    expect(runs()).toBe(4);
  });

  it("is not forgotten because of another client", async () => {
    const { ask, runs } = start({ requestsPerClient: 2 });
    await ask({}, "engine");
    for (const n of [2, 3, 4]) await ask({ id: uuid(n) }, "other");
    await ask({}, "engine");
    expect(runs()).toBe(4);
  });

  it("is bounded in bytes", async () => {
    const { ask, runs } = start({ bytesPerClient: 2500 });
    const method = "Run.large";
    for (const n of [1, 2, 3, 3, 2]) await ask({ method, id: uuid(n) }, "engine");
    expect(runs()).toBe(3);
    await ask({ method, id: uuid(1) }, "engine");
    expect(runs()).toBe(4);
  });

  it("is no large reply", async () => {
    const { ask, runs } = start({ replyBytes: 500 });
    await ask({ method: "Run.large" }, "engine");
    await ask({ method: "Run.large" }, "engine");
    expect(runs()).toBe(2);
  });

  it("is bounded in clients, the one that asked longest ago goes", async () => {
    const { ask, runs } = start({ clients: 2 });
    for (const client of ["one", "two", "one", "three", "one"]) await ask({}, client);
    expect(runs()).toBe(3);
    await ask({}, "two");
    expect(runs()).toBe(4);
  });
});
