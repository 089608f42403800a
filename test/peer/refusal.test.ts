/**
 * A destination that refuses one request as a frame and ends the connection over it: that request is
 * told why, and the questions beside it are answered all the same, over real sockets.
 */

import { createServer } from "node:net";
import { describe, expect, it } from "vitest";
import { definitionMessageBytes } from "../../src/core/definition-size.ts";
import { listen, peerAt } from "./destination.ts";
import { type Frame, FrameParser, serializeFrame } from "../../src/stomp/index.ts";

const VM = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";
const SMALL = "<domain/>";
const LARGE = `<domain>${"x".repeat(2_000_000)}</domain>`;

interface Asked {
  readonly id: string;
  readonly method: string;
  readonly params: Record<string, unknown>;
  /** Which connection it came by. */
  readonly connection: number;
}

type Destination = {
  readonly port: number;
  readonly asked: Asked[];
};

/** What a destination does with a question. */
type Behaviour = (question: Asked, line: Line) => void;

interface Line {
  readonly answer: (asked: Asked, result: unknown) => void;
  readonly error: (message: string, text?: string) => void;
  readonly raw: (bytes: string) => void;
}

async function destination(behave: Behaviour, bodyBytes = 10_000_000): Promise<Destination> {
  const asked: Asked[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    connections += 1;
    const connection = connections;
    const parser = new FrameParser({ lineBytes: 2048, headerCount: 32, bodyBytes });
    let replyTo = "";
    const send = (command: string, headers: [string, string][], body = ""): void => {
      socket.write(serializeFrame({ command, headers, body }));
    };
    const line: Line = {
      answer: ({ id }, result) =>
        send("MESSAGE", [["destination", replyTo]], JSON.stringify({ jsonrpc: "2.0", id, result })),
      error: (message, text) => {
        send("ERROR", [["message", message]], text);
        socket.end();
      },
      raw: (bytes) => socket.write(bytes),
    };
    const take = (frame: Frame): void => {
      if (frame.command === "CONNECT") send("CONNECTED", [["version", "1.2"]]);
      if (frame.command !== "SEND") return;
      replyTo = frame.headers.get("reply-to") ?? "";
      const question = { ...JSON.parse(Buffer.from(frame.body).toString()), connection } as Asked;
      asked.push(question);
      behave(question, line);
    };
    socket.on("data", (chunk) => {
      const { frames, malformed } = parser.parse(chunk);
      frames.forEach(take);
      if (malformed !== undefined) line.error("malformed frame", `malformed frame, ${malformed}`);
    });
  });
  const { port } = await listen(server);
  return { port, asked };
}

const vdsm = { incomingVmMigrations: 1, outgoingVmMigrations: 0 };
const ours = { ...vdsm, queuedVmMigrations: 0 };
const CREATE = "VM.migrationCreate";

/** Answers everything at once, but for what `special` takes. */
function answering(
  result: unknown,
  special: (...args: Parameters<Behaviour>) => boolean,
): Behaviour {
  return (question, line) => {
    if (special(question, line)) return;
    if (question.method === "Host.getStats") line.answer(question, result);
    else line.answer(question, { migrationPort: 0, params: {} });
  };
}

describe("the definition", () => {
  it("goes once to a stock VDSM, whatever its size, and its echo is read", async () => {
    const echo = answering(vdsm, (question, line) => {
      if (question.method !== CREATE) return false;
      line.answer(question, { migrationPort: 0, params: question.params["params"] });
      return true;
    });
    const { port, asked } = await destination(echo);
    const peer = peerAt(port);
    await peer.askCounts();
    expect(peer.wantsDefinition).toBe(true);
    expect(await peer.reserve(VM, LARGE)).toEqual({ kind: "reserved" });
    const create = asked.find(({ method }) => method === CREATE);
    expect(create?.params["params"]).toMatchObject({ vmId: VM, xml: LARGE });
    expect(JSON.stringify(create).split("xxxxxxxxxx".repeat(100_000))).toHaveLength(3);
  });

  it("is not wanted by our own daemon", async () => {
    const { port, asked } = await destination(answering(ours, () => false));
    const peer = peerAt(port);
    await peer.askCounts();
    expect(peer.wantsDefinition).toBe(false);
    expect(await peer.reserve(VM, null)).toEqual({ kind: "reserved" });
    expect(asked.at(-1)?.params["params"]).not.toHaveProperty("xml");
  });
});

describe("a request that is refused with ERROR", () => {
  it("because of its size: says so, and the connection of the others never sees it", async () => {
    const { port, asked } = await destination(
      answering(vdsm, () => false),
      1_048_576,
    );
    const peer = peerAt(port);
    await peer.askCounts();
    const [reserved] = await Promise.all([peer.reserve(VM, LARGE), peer.askCounts()]);
    expect(reserved).toMatchObject({
      kind: "refused",
      message: expect.stringMatching(/a body of more than 1048576 bytes/),
    });
    await peer.askCounts();
    expect(peer.counts()).toMatchObject({ kind: "counted", migrations: 1 });
    expect(new Set(asked.map(({ connection }) => connection)).size).toBe(1);
  });

  it("for another reason: says so, and what was out beside it is asked again", async () => {
    let held: Asked | undefined;
    const { port, asked } = await destination((question, line) => {
      if (question.method === CREATE) line.error("SEND refused", "not in this weather");
      // The first is never answered: the refusal comes first.
      else if (held === undefined) held = question;
      else line.answer(question, vdsm);
    });
    const peer = peerAt(port);
    const [reserved] = await Promise.all([peer.reserve(VM, SMALL), peer.askCounts()]);
    expect(reserved).toMatchObject({
      kind: "refused",
      message: "it sent ERROR: not in this weather",
    });
    expect(peer.counts()).toMatchObject({ kind: "counted", migrations: 1 });
    const stats = asked.filter(({ method }) => method === "Host.getStats");
    expect(stats.map(({ id }) => id)).toEqual([held?.id, held?.id]);
  });

  it("alone: says so at once, and the next question need not wait for a pause", async () => {
    const refuse = answering(vdsm, ({ method }, line) => {
      if (method === CREATE) line.error("SEND refused");
      return method === CREATE;
    });
    const { port, asked } = await destination(refuse);
    const peer = peerAt(port);
    await peer.askCounts();
    const refused = { kind: "refused", message: "it sent ERROR: SEND refused" };
    expect(await peer.reserve(VM, SMALL)).toMatchObject(refused);
    await peer.askCounts();
    expect(peer.counts()).toMatchObject({ kind: "counted" });
    expect(asked.filter(({ method }) => method === CREATE)).toHaveLength(1);
  });
});

it("an answer that cannot be read fails its own question, not the others", async () => {
  const tooLong = `MESSAGE\ncontent-length:${definitionMessageBytes(1) + 1}\n\n`;
  const { port } = await destination(
    answering(vdsm, ({ method }, line) => {
      if (method === CREATE) line.raw(tooLong);
      return method === CREATE;
    }),
  );
  const peer = peerAt(port);
  await peer.askCounts();
  const [reserved] = await Promise.all([peer.reserve(VM, SMALL), peer.askCounts()]);
  expect(reserved).toMatchObject({
    kind: "refused",
    message: expect.stringMatching(/its answer cannot be parsed: a body of more than/),
  });
  await peer.askCounts();
  expect(peer.counts()).toMatchObject({ kind: "counted" });
});
