/**
 * One STOMP connection as the server sees it, without sockets: who gets which reply and event, and
 * what is refused and how.
 */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { serializeFrame } from "../../../src/stomp/index.ts";
import {
  connect,
  isError,
  request,
  sendTo,
  startSession as start,
  subscribe,
} from "./session-bench.ts";
import { java, python } from "../../stomp/stock-clients.ts";

describe("a subscription", () => {
  it.each([
    ["jms.queue.events", true],
    ["jms.queue", true],
    ["jms", true],
    ["jms.queue.event", false],
    ["jms.queue.events.x", false],
    ["jms.topic.vdsm_responses", false],
  ])("to %s hears events: %s", (destination, hears) => {
    const { receive, event } = start();
    receive(connect() + subscribe("s-1", destination));
    const frame =
      "MESSAGE\ndestination:jms.queue.events\nsubscription:s-1\nmessage-id:e.1\n" +
      'content-type:application/json\ncontent-length:7\n\n{"a":1}\0';
    expect(event('{"a":1}')).toEqual(hears ? [frame] : []);
  });

  it("before CONNECT is a subscription, as Java's threads may have it", () => {
    const { receive, event } = start();
    expect(receive(subscribe("s", "jms.queue.events") + connect())).toHaveLength(1);
    expect(event()).toHaveLength(1);
  });

  it("twice with two ids gets an event twice, each with its id", () => {
    const { receive, event } = start();
    receive(subscribe("a", "jms.queue.events") + subscribe("b", "jms.queue.events"));
    expect(event().map((text) => /subscription:(.)/.exec(text)?.[1])).toEqual(["a", "b"]);
  });

  it("that was ended hears nothing, and ending it again is no error", () => {
    const { receive, event } = start();
    receive(subscribe("a", "jms.queue.events"));
    expect(receive("UNSUBSCRIBE\nid:a\n\n\0UNSUBSCRIBE\nid:never\n\n\0")).toEqual([]);
    expect(event()).toEqual([]);
  });

  it.each([
    ["without id", "SUBSCRIBE\ndestination:a\n\n\0", "Missing id header"],
    ["without destination", "SUBSCRIBE\nid:1\n\n\0", "Missing destination header"],
    [
      "whose id has another destination",
      subscribe("1", "a") + subscribe("1", "b"),
      "Subscription id already exists",
    ],
    ["with a long id", subscribe("i".repeat(101), "a"), "id is too long"],
    ["with a long destination", subscribe("1", "d".repeat(201)), "destination is too long"],
    [
      "beyond their number",
      Array.from({ length: 65 }, (_, id) => subscribe(`${id}`, "a")).join(""),
      "too many subscriptions",
    ],
    ["that ends without id", "UNSUBSCRIBE\n\n\0", "Missing id header"],
  ])("%s is an error", (_what, text, what) => {
    expect(start().receive(text)).toEqual([isError(what), "END"]);
  });
});

describe("a request", () => {
  it.each([
    [request, true],
    ["jms.topic.vdsm_irs_requests", true],
    [`${request}.suffix`, true],
    [`${request}.a.b`, true],
    [`${request}s`, false],
    ["jms.topic", false],
    ["jms.topic.vdsm_responses", false],
    ["jms.queue.events", false],
    ["jms.queue.events.x", false],
    ["jms.queue", false],
  ])("to %s is one: %s", (destination, isOne) => {
    const { receive, requests } = start();
    const out = receive(sendTo(destination, "reply-to:q\novirtCorrelationId:flow-1\n"));
    expect(requests).toHaveLength(isOne ? 1 : 0);
    if (isOne) expect(requests[0]).toMatchObject({ replyTo: "q", flowId: "flow-1" });
    else expect(out).toEqual([expect.stringMatching(/^LOG .* refused$/)]);
  });

  it("is answered on one subscription: the exact one, else the nearest above", () => {
    const { receive, reply } = start();
    receive(subscribe("far", "q") + subscribe("near", "q.a") + subscribe("other", "q.ab"));
    receive(sendTo(request, "reply-to:q.a\n") + sendTo(request, "reply-to:q.a.b\n"));
    receive(sendTo(request, "reply-to:q.z\n"));
    const ids = [0, 1, 2].map((index) =>
      reply("{}", index).map((text) => /subscription:(\w+)/.exec(text)?.[1]),
    );
    expect(ids).toEqual([["near"], ["near"], ["far"]]);
  });

  it("without reply-to is answered to the response queue, if that is subscribed to", () => {
    const { receive, reply } = start();
    receive(sendTo(request));
    expect(reply("{}")).toEqual([expect.stringMatching(/^LOG reply dropped/)]);
    receive(subscribe("r", "jms.topic.vdsm_responses"));
    expect(reply("{}")).toEqual([expect.stringContaining("subscription:r\n")]);
  });

  it("whose subscription comes after it is answered if the reply comes later still", () => {
    const { receive, reply } = start();
    receive(sendTo(request, "reply-to:q\n"));
    receive(subscribe("late", "q"));
    expect(reply("{}")).toEqual([expect.stringContaining("subscription:late\n")]);
  });

  it("in a transaction, or without destination, is an error", () => {
    const out = start().receive(sendTo(request, "transaction:t\n"));
    expect(out).toEqual([isError("transactions are not supported"), "END"]);
    expect(start().receive("SEND\n\n{}\0")).toEqual([isError("Missing destination header"), "END"]);
  });
});

describe("a receipt", () => {
  const receipt = "RECEIPT\nreceipt-id:r-1\ncontent-length:0\n\n\0";
  it.each([
    ["SEND", sendTo(request, "receipt:r-1\n")],
    ["SUBSCRIBE", subscribe("1", "a", "receipt:r-1\n")],
    ["UNSUBSCRIBE", "UNSUBSCRIBE\nid:1\nreceipt:r-1\n\n\0"],
    ["ACK", "ACK\nid:1\nreceipt:r-1\n\n\0"],
    ["NACK", "NACK\nid:1\nreceipt:r-1\n\n\0"],
  ])("of %s is given", (_command, text) => {
    expect(start().receive(text)).toEqual([receipt]);
  });

  it("of DISCONNECT comes before the end, and nothing after DISCONNECT is read", () => {
    const { receive, requests } = start();
    const out = receive(`DISCONNECT\nreceipt:r-1\n\n\0${sendTo(request)}`);
    expect([out, requests]).toEqual([[receipt, "END"], []]);
    expect(start().receive("DISCONNECT\n\n\0")).toEqual(["END"]);
  });

  it("of a refused SEND is an error with its id", () => {
    const out = start().receive(sendTo("jms.queue.events", "receipt:r-1\n"));
    expect(out).toEqual(["LOG forged event refused", isError("SEND refused"), "END"]);
    expect(out[1]).toContain("receipt-id:r-1\n");
  });

  it("of unreasonable length is an error", () => {
    for (const command of ["ACK", "DISCONNECT"]) {
      const out = start().receive(`${command}\nreceipt:${"r".repeat(101)}\n\n\0`);
      expect(out).toEqual([isError("receipt is too long"), "END"]);
    }
  });
});

describe("what no client should send", () => {
  it.each([
    ["BEGIN\ntransaction:t\n\n\0", "transactions are not supported"],
    ["COMMIT\ntransaction:t\n\n\0", "transactions are not supported"],
    ["MESSAGE\n\n\0", "unknown command"],
    ["CONNECTED\n\n\0", "unknown command"],
    ["NONSENSE\n\n\0", "unknown command"],
    ["SEND\nno colon\n\n\0", "malformed frame"],
  ])("%j is an error that ends the connection", (text, what) => {
    const { receive } = start();
    expect(receive(text)).toEqual([isError(what), "END"]);
    expect(receive(connect())).toEqual([]);
  });
});

describe("whatever a stock client sends", () => {
  it("every frame back suits both: short headers, no colon or backslash, a length", () => {
    const queue = fc.constantFrom("q", "jms.topic.vdsm_responses", "d".repeat(200));
    const body = fc.json({ maxDepth: 2 });
    fc.assert(
      fc.property(queue, body, fc.stringMatching(/^[a-d\d.-]{1,100}$/), (destination, text, id) => {
        const { receive, reply, event } = start();
        const out = [
          ...receive(connect("heart-beat:0,15000\n") + subscribe(id, destination)),
          ...receive(subscribe(`e${id}`.slice(0, 100), "jms.queue.events", `receipt:${id}\n`)),
          ...receive(sendTo(request, `reply-to:${destination}\n`)),
          ...reply(text),
          ...event(text),
        ];
        expect(out).toHaveLength(4);
        const reader = java();
        for (const raw of out) reader.read(raw);
      }),
    );
  });

  it("or anybody else: nothing throws, and every action can be carried out", () => {
    const text = fc.oneof(
      fc.constantFrom("a", "1.2", request, "jms.queue.events", "0,1000", "x:y", "\\", ""),
      fc.string({ unit: "binary", maxLength: 20 }),
    );
    const frame = fc.record({
      command: fc.constantFrom(
        "STOMP",
        "SEND",
        "SUBSCRIBE",
        "UNSUBSCRIBE",
        "DISCONNECT",
        "ACK",
        "X",
      ),
      headers: fc.dictionary(
        fc.constantFrom("id", "destination", "reply-to", "receipt", "accept-version", "heart-beat"),
        text,
      ),
      body: text,
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 8 }), (frames) => {
        const { receive, reply, event, tick, requests } = start();
        const out = frames.flatMap(({ command, headers, body }) =>
          receive(serializeFrame({ command, headers: Object.entries(headers), body }).toString()),
        );
        out.push(
          ...requests.flatMap((_each, index) => reply("{}", index)),
          ...event(),
          ...tick(900),
        );
        const ends = out.filter((each) => each === "END");
        expect(ends.length).toBeLessThan(2);
        expect(
          ends.length === 0 || !out.slice(out.indexOf("END") + 1).some((each) => each !== "END"),
        ).toBe(true);
      }),
    );
  });

  it("is the same conversation at every split of it", () => {
    for (const make of [python, java]) {
      const stock = make();
      const { body } = stock.call("Host.ping2");
      const text = stock.hello() + stock.request(body, "flow-1");
      const whole = start();
      const expected = [whole.receive(text), whole.requests];
      for (let cut = 1; cut < Buffer.byteLength(text); cut += 1) {
        const bench = start();
        const bytes = Buffer.from(text);
        const first = bench.receive(bytes.subarray(0, cut).toString("latin1"));
        const second = bench.receive(bytes.subarray(cut).toString("latin1"));
        expect([[...first, ...second], bench.requests]).toEqual(expected);
      }
    }
  });
});
