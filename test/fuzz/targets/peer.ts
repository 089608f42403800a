/**
 * The other side of the edge: what a broken or hostile destination's daemon may answer to this
 * one's calls. No call rejects or outlives its deadline, and the result is what `Peer` promises.
 */

import fc from "fast-check";
import { createServer, type Socket } from "node:net";
import { systemClock } from "../../../src/clock.ts";
import { Peer } from "../../../src/peer/peer.ts";
import { PeerClient } from "../../../src/peer/peer-client.ts";
import { FrameParser, serializeFrame } from "../../../src/stomp/index.ts";
import { cutInto, cuts, mutated } from "../bytes.ts";
import { valueText } from "../json-text.ts";
import { watchedLog } from "../log.ts";
import { VM_IDS } from "../requests.ts";
import { claim, show, type Target, within } from "../target.ts";

interface Answer {
  /** With `ID` in place of the request's ID. */
  readonly text: Uint8Array;
  readonly command: string;
  readonly places: readonly number[];
  readonly question: "counts" | "guest" | "reserve" | "release";
  /** Whether it closes the connection afterwards. */
  readonly ends: boolean;
}

const stats = fc
  .tuple(
    fc.constantFrom('"Up"', '"Down"', '"Migration Destination"', '"__proto__"'),
    fc.oneof(valueText, fc.constant('{"downtime":1e300,"downtimeNet":-1,"dataProcessed":null}')),
  )
  .map(([status, record]) => `[{"status":${status},"lastIncomingMigration":${record}}]`);
const counts = fc
  .tuple(valueText, valueText)
  .map(([one, two]) => `{"incomingVmMigrations":${one},"outgoingVmMigrations":${two}}`);
const hostile = fc.constantFrom(
  '{"valueOf":1,"toString":1}',
  '{"toString":{}}',
  '{"__proto__":null}',
  "[[[]]]",
);
const long = JSON.stringify("no ".repeat(20_000));
const any = fc.oneof({ weight: 4, arbitrary: valueText }, { weight: 1, arbitrary: hostile });
const error = fc
  .tuple(
    fc.oneof(any, fc.constantFrom("1", "82", "99")),
    fc.oneof({ weight: 9, arbitrary: any }, { weight: 1, arbitrary: fc.constant(long) }),
  )
  .map(([code, message]) => `{"code":${code},"message":${message}}`);
const text = fc.oneof(
  fc.oneof(stats, counts, any).map((result) => `{"jsonrpc":"2.0","id":"ID","result":${result}}`),
  fc.oneof(error, any).map((each) => `{"jsonrpc":"2.0","id":"ID","error":${each}}`),
  fc.oneof(error, any).map((each) => `[{"id":"ID","error":${each},"result":1}]`),
  valueText,
);

const input: fc.Arbitrary<Answer> = fc.record({
  text: mutated(text.map((each) => Buffer.from(each))),
  command: fc.constantFrom("MESSAGE", "MESSAGE", "MESSAGE", "ERROR", "RECEIPT"),
  places: cuts,
  question: fc.constantFrom("counts", "guest", "reserve", "release"),
  ends: fc.nat({ max: 5 }).map((n) => n === 0),
});

/** Short, because most garbage is not an answer, and the call waits for one. */
const ANSWER_MS = 40;
const CONNECTED = { command: "CONNECTED", headers: [["version", "1.2"]] } as const;

function answerOn(socket: Socket, { text: content, command, places, ends }: Answer): void {
  const parser = new FrameParser({ lineBytes: 8192, headerCount: 64, bodyBytes: 1_048_576 });
  socket.on("error", () => undefined);
  socket.on("data", (chunk) => {
    for (const frame of parser.parse(chunk).frames) {
      if (frame.command === "CONNECT") socket.write(serializeFrame(CONNECTED));
      if (frame.command !== "SEND") continue;
      const question = Buffer.from(frame.body).toString();
      const asksForSlot = question.includes('"VM.migrationCreate"');
      const asked = /"id":"([^"]*)"/.exec(question)?.[1] ?? "";
      const body = Buffer.from(
        Buffer.from(content).toString("latin1").replace("ID", asked),
        "latin1",
      );
      const bytes = serializeFrame({ command, headers: [["message", "no"]], body });
      for (const piece of cutInto(bytes, places)) socket.write(piece);
      // Without an answer the call waits, for a reservation up to ten minutes; closing avoids that.
      if (ends || asksForSlot) socket.end();
    }
  });
}

/** **Fails**: Error. */
async function ask(peer: Peer, question: Answer["question"]): Promise<void> {
  const [vmId = ""] = VM_IDS;
  switch (question) {
    case "counts": {
      await peer.askCounts();
      const known = peer.counts();
      const isCount = known.kind !== "counted" || Number.isSafeInteger(known.migrations);
      claim(isCount, `counts ${show(known)}`);
      return;
    }
    case "guest": {
      const there = await peer.guest(vmId);
      if (there.kind !== "active" || there.record === null) return;
      for (const value of Object.values(there.record)) {
        claim(value === null || Number.isSafeInteger(value), `not a number: ${show(there)}`);
      }
      return;
    }
    case "reserve": {
      const reserved = await peer.reserve(vmId, "<domain/>", 2);
      if (reserved.kind !== "refused") return;
      const { message } = reserved;
      claim(
        typeof message === "string" && message.length <= 1000,
        `not a proper refusal: ${show(reserved)}`,
      );
      return;
    }
    case "release":
      await peer.release(vmId);
  }
}

export const peer: Target<Answer> = {
  name: "peer",
  input,
  batch: 32,
  share: 2,
  start: async () => {
    const journal = watchedLog();
    const nextAnswers: Answer[] = [];
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      const answer = nextAnswers.shift();
      if (answer === undefined) socket.destroy();
      else answerOn(socket, answer);
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const at = server.address();
    const port = typeof at === "object" && at !== null ? at.port : 0;
    const times = { deadlineMs: () => ANSWER_MS, nowMs: () => systemClock.monotonicMs() };
    return {
      run: async (answer) => {
        const client = new PeerClient(null, times.nowMs, () => 1000);
        const asked = new Peer({ host: "127.0.0.1", port }, client, journal.log, times);
        nextAnswers.push(answer);
        try {
          await within(ask(asked, answer.question), "a call");
        } finally {
          client.close();
        }
      },
      check: async () => {
        nextAnswers.length = 0;
        journal.claimClean();
        await Promise.resolve();
      },
      stop: async () => {
        for (const socket of sockets) socket.destroy();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      },
    };
  },
};
