/** The ring of events behind `Host.getEvents`, and which protocol first bytes are. */

import { describe, expect, it } from "vitest";
import { EventRing, type NumberedBefore } from "../../src/rpc/event-ring.ts";
import { protocolOf } from "../../src/rpc/first-bytes.ts";

const event = (n: number) => ({ method: `|virt|VM_status|${n}`, params: { n } });

function ring(events: number, limits = { count: 3, bytes: 10_000 }) {
  const made = new EventRing(limits);
  for (let n = 1; n <= events; n += 1) made.add(event(n));
  return made;
}

const numbered = (...numbers: readonly number[]) => numbers.map((seq) => ({ seq, ...event(seq) }));

describe("the events since a number", () => {
  it.each<[string, number, number, object]>([
    ["none yet", 0, 0, { first: 1, next: 1, gone: false, events: [] }],
    ["all", 2, 0, { first: 1, next: 3, gone: false, events: numbered(1, 2) }],
    ["from the first on", 2, 1, { first: 1, next: 3, gone: false, events: numbered(1, 2) }],
    ["those missed", 5, 4, { first: 3, next: 6, gone: false, events: numbered(4, 5) }],
    ["nothing missed", 5, 6, { first: 3, next: 6, gone: false, events: [] }],
    ["some gone", 5, 2, { first: 3, next: 6, gone: true, events: numbered(3, 4, 5) }],
    ["all, some gone", 5, 0, { first: 3, next: 6, gone: true, events: numbered(3, 4, 5) }],
    ["from a run before", 5, 7, { first: 3, next: 6, gone: true, events: numbered(3, 4, 5) }],
  ])("%s", (_what, events, since, expected) => {
    expect(ring(events).read(since)).toMatchObject(expected);
  });

  it("of another epoch are all that are kept, and some are gone", () => {
    const own = ring(2);
    expect(own.read(2, own.epoch)).toMatchObject({ gone: false, events: numbered(2) });
    const other = ring(0).epoch;
    expect(own.read(2, other)).toMatchObject({
      epoch: own.epoch,
      gone: true,
      events: numbered(1, 2),
    });
  });

  it("are bounded in bytes, an event larger than all of them is gone at once", () => {
    const bytes = JSON.stringify(numbered(1)[0]).length;
    expect(ring(5, { count: 100, bytes: 2 * bytes }).read(0)).toMatchObject({ first: 4 });
    expect(ring(1, { count: 100, bytes: 10 }).read(0)).toMatchObject({
      first: 2,
      next: 2,
      gone: true,
      events: [],
    });
  });

  it("asked for again with next are each seen once", () => {
    const own = ring(2);
    own.add(event(3));
    expect(own.read(Number(own.read(0)["next"]))).toMatchObject({ events: [], next: 4 });
    own.add(event(4));
    expect(own.read(4)).toMatchObject({ events: numbered(4) });
  });
});

describe("of a VM's progress", () => {
  const progress = (vm: number, n: number) => ({
    method: `|virt|VM_migration_status|vm${vm}`,
    params: { n },
  });

  it("only the last is kept, and that those before it are not is no loss", () => {
    const own = new EventRing({ count: 10, bytes: 10_000 });
    for (const n of [1, 2, 3]) own.add(progress(1, n));
    own.add(progress(2, 4));
    own.add(event(5));
    own.add(progress(1, 6));
    expect(own.read(1)).toMatchObject({ first: 4, next: 7, gone: false });
    expect(own.read(1).events.map(({ params }) => params)).toEqual([{ n: 4 }, { n: 5 }, { n: 6 }]);
  });

  it("that the ring had no more room for is a loss", () => {
    const own = new EventRing({ count: 2, bytes: 10_000 });
    own.add(progress(1, 1));
    for (const n of [2, 3]) own.add(event(n));
    expect(own.read(1)).toMatchObject({ first: 2, gone: true });
    own.add(progress(1, 4));
    expect(own.read(3)).toMatchObject({ first: 3, gone: false });
  });

  it("an hour of fifteen migrations leaves every stall and end in the ring", () => {
    const own = new EventRing();
    const told: number[] = [];
    for (let second = 0; second < 3600; second++) {
      for (let vm = 1; vm <= 15; vm++) {
        own.add(progress(vm, second));
        if ((second + vm) % 30 !== 0) continue;
        const { seq } = own.add({ method: `|virt|VM_migration_stalling|vm${vm}`, params: {} });
        told.push(seq);
      }
    }
    const { events, gone } = own.read(1);
    const stalls = events.filter(({ method }) => method.includes("stalling"));
    expect(gone).toBe(false);
    expect(stalls.map(({ seq }) => seq)).toEqual(told);
    expect(events).toHaveLength(told.length + 15);
  });
});

describe("of a daemon that was killed", () => {
  const limits = { count: 3, bytes: 10_000 };
  const before = { epoch: "before", nextSeq: 6, events: numbered(3, 4, 5) };

  function restored(from: NumberedBefore): EventRing {
    const own = new EventRing(limits);
    own.restore(from);
    return own;
  }

  it("are given as if nothing had happened, and the numbers go on", () => {
    const own = restored(before);
    expect(own.next).toBe(6);
    expect(own.read(4, "before")).toEqual({
      epoch: "before",
      first: 3,
      next: 6,
      gone: false,
      events: numbered(4, 5),
    });
    expect(own.add(event(6))).toEqual({ seq: 6, ...event(6) });
    expect(own.read(5, "before")).toMatchObject({ gone: false, events: numbered(5, 6) });
    expect(own.read(3, "before")).toMatchObject({ first: 4, gone: true });
  });

  it.each<[string, object, number, object]>([
    ["more than are kept", { events: numbered(1, 2, 3, 4, 5) }, 2, { first: 3, gone: true }],
    ["none are left", { events: [] }, 5, { first: 6, next: 6, gone: true, events: [] }],
    ["none are left, none missed", { events: [] }, 6, { next: 6, gone: false, events: [] }],
    ["some were told after the last that is left", { nextSeq: 9 }, 6, { next: 9 }],
    ["its number is behind its events", { nextSeq: 1 }, 5, { next: 6, events: numbered(5) }],
  ])("%s", (_what, fields, since, expected) => {
    const own = restored({ ...before, ...fields });
    expect(own.read(since, "before")).toMatchObject(expected);
  });

  it("whose numbers cannot be gone on with: another epoch, and a client hears that some are gone", () => {
    const own = restored({ ...before, epoch: null });
    expect(own.epoch).not.toBe("before");
    expect(own.next).toBe(6);
    expect(own.read(5, "before")).toMatchObject({ gone: true, events: numbered(3, 4, 5) });
  });

  it("that had none: from the first on", () => {
    const own = restored({ epoch: null, nextSeq: 1, events: [] });
    expect(own.add(event(1)).seq).toBe(1);
  });

  it("come before the first one of our own, or not at all", () => {
    const own = ring(1);
    const { epoch } = own;
    expect(() => own.restore(before)).toThrow("already");
    expect(own.read(0)).toMatchObject({ epoch, events: numbered(1) });
  });
});

describe("first bytes", () => {
  it.each([
    ["CONNECT\n", "stomp"],
    ["CONNECT\r\n", "stomp"],
    ["STOMP\n", "stomp"],
    ["SUBSCRIBE\n", "stomp"],
    ["UNSUBSCRIBE\r", "stomp"],
    ["SEND\n", "stomp"],
    ["\n\r\nCONNECT\n", "stomp"],
    ["CONNECT host:1 HTTP/1.1", "http"],
    ["SUBSCRIBE / HTTP/1.1", "http"],
    ["GET /", "http"],
    ["GET\n", "http"],
    ["connect\n", "http"],
    ["\u0016\u0003\u0001", "http"],
    ["{", "http"],
    ["X".repeat(64), "http"],
    ["\n".repeat(64), "http"],
  ] as const)("%j are %s, and no sooner", (text, protocol) => {
    const bytes = Buffer.from(text, "latin1");
    expect(protocolOf(bytes)).toBe(protocol);
    for (let length = 0; length < bytes.length; length += 1) {
      expect([undefined, protocol]).toContain(protocolOf(bytes.subarray(0, length)));
    }
  });

  it.each(["", "C", "CONNECT", "\n", "\r\nSEN"])("%j are not enough", (text) => {
    expect(protocolOf(Buffer.from(text))).toBeUndefined();
  });
});
