/** How a STOMP connection begins, and all that depends on time, with the time in hand. */

import { describe, expect, it } from "vitest";
import {
  connect,
  isError,
  limits,
  request,
  startSession as start,
  subscribe,
} from "./session-bench.ts";

const { largeGraceMs } = limits.stomp;
const LARGE_BYTES = 2 * limits.messageBytes;
/** All but its body. */
const large = `SEND\ndestination:${request}\ncontent-length:${LARGE_BYTES}\n\n`;

describe("CONNECT", () => {
  it.each([
    ["1.2", true],
    ["1.0,1.1,1.2", true],
    ["1.2,1.1", true],
    ["1.1, 1.2", true],
    ["1.0", false],
    ["1.0,1.1", false],
    ["1.20", false],
    ["", false],
  ])("with accept-version %j is accepted: %s", (versions, isAccepted) => {
    for (const command of ["CONNECT", "STOMP"]) {
      const out = start().receive(`${command}\naccept-version:${versions}\n\n\0`);
      const accepted = ["CONNECTED\nversion:1.2\nheart-beat:0,0\ncontent-length:0\n\n\0"];
      expect(out).toEqual(isAccepted ? accepted : [isError("Version unsupported"), "END"]);
    }
  });

  it("without accept-version is a STOMP 1.0 client's, and refused", () => {
    expect(start().receive("CONNECT\n\n\0")).toEqual([isError("Version unsupported"), "END"]);
  });

  it.each([
    ["0,24000", "24000,0"],
    ["0,15000", "15000,0"],
    ["1000,0", "0,1000"],
    ["8000,9000", "9000,8000"],
    ["1,999", "1000,1000"],
    ["0,0", "0,0"],
    ["999999999999,0", "0,3600000"],
  ])("with heart-beat %s is answered with %s", (asked, answered) => {
    expect(start().receive(connect(`heart-beat:${asked}\n`))).toEqual([
      `CONNECTED\nversion:1.2\nheart-beat:${answered}\ncontent-length:0\n\n\0`,
    ]);
  });

  it.each(["", "1", "a,b", "-1,0", "1,2,3", "1.5,0", "1e3,0"])(
    "with heart-beat %j is malformed",
    (text) => {
      const out = start().receive(connect(`heart-beat:${text}\n`));
      expect(out).toEqual([isError("malformed heart-beat"), "END"]);
    },
  );
});

describe("time", () => {
  it("a heart-beat goes out before the agreed time is over, counted from what was sent last", () => {
    const { receive, tick, event } = start();
    receive(connect("heart-beat:0,1000\n") + subscribe("e", "jms.queue.events"), 100);
    expect(tick(849)).toEqual([]);
    expect(tick(850)).toEqual(["\n"]);
    expect(tick(1500)).toEqual([]);
    expect(tick(1600)).toEqual(["\n"]);
    expect(event()).toHaveLength(1);
  });

  it("what goes out counts as a heart-beat", () => {
    const { receive, tick } = start();
    receive(connect("heart-beat:0,1000\n"), 0);
    receive("SUBSCRIBE\nid:1\ndestination:a\nreceipt:r\n\n\0", 600);
    expect(tick(1000)).toEqual([]);
    expect(tick(1350)).toEqual(["\n"]);
  });

  it("a client that promised to send is given twice the time, and whatever it sends counts", () => {
    const { receive, tick } = start();
    receive(connect("heart-beat:1000,0\n"), 0);
    expect(tick(2000)).toEqual([]);
    receive("\n", 2000);
    expect(tick(4000)).toEqual([]);
    receive("S", 4000);
    expect(tick(6000)).toEqual([]);
    expect(tick(6001)).toEqual(["END"]);
    expect(tick(6002)).toEqual([]);
  });

  it("a client that promised nothing may be silent for ever", () => {
    const { receive, tick } = start();
    receive(connect("heart-beat:0,0\n"), 0);
    expect(tick(1e9)).toEqual([]);
  });

  it("a connection without CONNECT ends, whatever else it says", () => {
    const { receive, tick } = start();
    receive(subscribe("1", "a"), 1000);
    expect(tick(limits.stomp.connectMs)).toEqual([]);
    expect(tick(limits.stomp.connectMs + 1)).toEqual(["END"]);
  });

  it("a frame that drips ends the connection, however it drips", () => {
    const { receive, tick } = start();
    receive(`${connect()}SEND\n`, 0);
    receive("a:b\n", limits.stomp.frameMs - 1);
    expect(tick(limits.stomp.frameMs)).toEqual([]);
    expect(tick(limits.stomp.frameMs + 1)).toEqual(["END"]);
  });

  it("what waits for room is not read, heard as alive, and has a frame's time twice", () => {
    const { frameMs } = limits.stomp;
    const { receive, tick, goOn, isWaiting, comingBytes, requests } = start(() => ({
      kind: "wait",
    }));
    receive(`${connect("heart-beat:1000,0\n")}${large}`, 0);
    receive("x".repeat(10), 5);
    expect([isWaiting(), comingBytes(), requests.length]).toEqual([true, 0, 0]);
    expect(tick(frameMs, true)).toEqual([]);
    goOn(frameMs);
    expect([isWaiting(), comingBytes()]).toEqual([false, LARGE_BYTES]);
    receive(`${"x".repeat(LARGE_BYTES - 10)}\0`, frameMs + 1);
    expect(requests).toHaveLength(1);
    expect(comingBytes()).toBe(0);
    expect(tick(frameMs + 2000)).toEqual([]);
  });

  it("what waits for room is told in the end that there is none", () => {
    const { receive, tick, goOn, requests } = start(() => ({ kind: "wait" }));
    receive(`${connect()}${large}`, 0);
    expect(tick(limits.stomp.frameMs + 1)).toEqual([isError("no room for a large body"), "END"]);
    expect(goOn(limits.stomp.frameMs + 2)).toEqual([]);
    expect(requests).toEqual([]);
  });

  it.each<[string, (at: (ms: number, share: number) => void) => void, number, boolean]>([
    ["that has stopped", (at) => at(1, 0.99), largeGraceMs + 2, true],
    ["that has only begun", () => undefined, largeGraceMs, false],
    ["that keeps the pace", (at) => at(14_900, 0.5), 15_000, false],
    ["that falls behind", (at) => at(15_000, 0.49), 15_000, true],
    ["that catches up", (at) => [at(10_000, 0.1), at(11_000, 0.4)], 12_000, false],
  ])("a large body %s loses its room to those who wait: %s", (_name, send, nowMs, loses) => {
    for (const roomIsWanted of [false, true]) {
      const { receive, tick } = start(() => ({ kind: "take" }));
      receive(`${connect()}${large}`, 0);
      send((ms, share) => receive("x".repeat(LARGE_BYTES * share), ms));
      const told = [isError("a large body came too slowly"), "END"];
      expect(tick(nowMs, roomIsWanted)).toEqual(loses && roomIsWanted ? told : []);
    }
  });

  it("each frame has its own time", () => {
    const { receive, tick } = start();
    receive(`${connect()}ACK\n`, 0);
    receive("\n\0ACK\n", 20_000);
    expect(tick(45_000)).toEqual([]);
    receive("\n\0", 45_000);
    expect(tick(1e6)).toEqual([]);
  });
});
