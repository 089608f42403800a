/**
 * Frames to vdsm-jsonrpc-java keep apart, so that each has a turn of its reader: over sockets with a
 * reader that takes its turns, and by the session for who is such a client and who is not.
 */

import { describe, expect, it } from "vitest";
import { defaultRpcLimits } from "../../../src/rpc/limits.ts";
import { StompSession } from "../../../src/rpc/stomp-session.ts";
import { makeBenches, type StompBench } from "./bench.ts";
import { java, python, type Stock } from "../../stomp/stock-clients.ts";
import type { Way } from "./wire.ts";

const benches = makeBenches();

const ways: readonly Way[] = ["plain", "TLS"];
const PAIRS = 20;
const vm = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";
const event = { method: `|virt|VM_status|${vm}`, params: { [vm]: {}, notify_time: 1 } };

/** Connected and subscribed, each frame a write of its own, as Java's outbox has it. */
async function join(bench: StompBench, stock: Stock) {
  const reader = await bench.openInTurns();
  for (const frame of stock.hello().split(/(?<=\0)/)) reader.write(frame);
  await reader.frame(1);
  return reader;
}

describe.each(ways)("a reader that handles one thing at a turn, %s", (way) => {
  it("never waits for its clock: CONNECTED, pairs of replies, pairs of events, and both", async () => {
    const bench = await benches.start(way);
    const stock = java();
    const reader = await join(bench, stock);
    const ids: string[] = [];
    let count = 1;
    for (let pair = 0; pair < PAIRS; pair += 1) {
      const calls = [stock.call("Host.ping2"), stock.call("Host.ping2")];
      ids.push(...calls.map(({ id }) => id));
      reader.write(calls.map(({ body }) => stock.request(body)).join(""));
      bench.tell(event);
      bench.tell(event);
      count += 4;
      await reader.frame(count);
    }
    const bodies = reader.frames.slice(1).map((frame) => JSON.parse(stock.read(frame).body));
    expect(bodies.map((body) => body.id).filter((id) => id !== undefined)).toEqual(ids);
    expect(bodies.filter((body) => body.method === event.method)).toHaveLength(2 * PAIRS);
    // A busy machine may let two arrive together after all, but not as a rule.
    expect(reader.late()).toBeLessThan(PAIRS / 4);
  });

  it("waits for it where nothing keeps frames apart", async () => {
    const stomp = { ...defaultRpcLimits.stomp, frameGapMs: 0 };
    const bench = await benches.start(way, { limits: { stomp } });
    const stock = java();
    const reader = await join(bench, stock);
    bench.tell(event);
    bench.tell(event);
    await reader.frame(3);
    expect(reader.late()).toBeGreaterThan(0);
  });
});

it("a client to whom more is said than it can be told is dropped as any slow one", async () => {
  const bench = await benches.start("plain", { limits: { unreadBytes: 20_000 } });
  const paced = await join(bench, java());
  const reader = await bench.open();
  reader.write(python().hello());
  await reader.next();
  // Little enough at a time for who reads it at once, too much for 3 ms each.
  const padding = { [vm]: { padding: "x".repeat(1000) } };
  const AT_ONCE = 15;
  for (let told = 0; bench.listener.clients === 2 && told < 100 * AT_ONCE; told += AT_ONCE) {
    for (let each = 0; each < AT_ONCE; each += 1) bench.tell({ ...event, params: padding });
    for (let each = 0; each < AT_ONCE; each += 1) expect(await reader.next()).toMatch(/^MESSAGE\n/);
  }
  expect(bench.lines).toContainEqual(
    expect.objectContaining({ level: "warn", msg: "slow STOMP client dropped" }),
  );
  expect(bench.listener.clients).toBe(1);
  expect(paced.frames.length).toBeLessThan(100 * AT_ONCE);
});

describe("who needs it", () => {
  const subscribe = (destination: string, id = "1"): string =>
    `SUBSCRIBE\nid:${id}\ndestination:${destination}\n\n\0`;
  const connect = (headers = ""): string => `CONNECT\naccept-version:1.2\n${headers}\n\0`;
  const RESPONSES = "jms.topic.vdsm_responses";
  const EVENTS = "jms.queue.events";

  /** Of CONNECTED, and of an event thereafter. */
  function apart(hello: string): readonly boolean[] {
    const session = new StompSession(defaultRpcLimits, 0);
    const actions = [
      ...session.receive(Buffer.from(hello), 0),
      ...session.receive(Buffer.from("DISCONNECT\nreceipt:7\n\n\0"), 0),
    ];
    return actions.flatMap((action) => (action.kind === "send" ? [action.apart] : []));
  }

  it.each<[string, string, readonly boolean[]]>([
    ["Java", java().hello(), [true, true]],
    ["Java, for answers alone", connect("host:null\n") + subscribe(RESPONSES), [true, true]],
    ["Java, for events alone", connect("host:h\n") + subscribe(EVENTS), [true, true]],
    ["Java, subscribed before it connects", subscribe(EVENTS) + connect("host:h\n"), [true, true]],
    [
      "Java, unsubscribed",
      `${connect("host:h\n")}${subscribe(EVENTS)}UNSUBSCRIBE\nid:1\n\n\0`,
      [true, true],
    ],
    ["Python", python().hello(), [false, false]],
    ["a host, and other subscriptions", connect("host:h\n") + subscribe("mine"), [true, false]],
    ["the same subscriptions without a host", connect() + subscribe(RESPONSES), [false, false]],
  ])("%s: %j", (_who, hello, expected) => {
    expect(apart(hello)).toEqual(expected);
  });
});
