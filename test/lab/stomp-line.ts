/**
 * Connections to a daemon like those of the stock clients: STOMP over TCP, with mutual TLS in a TLS
 * lab. They send exactly the bytes that the stock clients send and parse every frame as they do, so
 * a frame that would break them fails the test (test/stomp/stock-clients.ts). relay.mjs gives
 * access to TCP ports inside a host.
 */
import { connect as connectPlain, type Socket } from "node:net";
import path from "node:path";
import { connect as connectTls } from "node:tls";
import { java, python, type Stock } from "../stomp/stock-clients.ts";
import type { Host, LabProcess } from "./api.ts";
import { checkoutFolder } from "./checkout.ts";
import type { Line, LineEnd, RpcMessage } from "./line.ts";
import { authorityOf, enginePem, type Pem } from "./pki.ts";

export type StockName = Stock["name"];

const PORT = 54321;
const RELAY_SOCKET = `/run/lab-relay-${process.pid}.sock`;
const STOCK: Readonly<Record<StockName, () => Stock>> = { Java: java, Python: python };

/** One per host, until `stopRelays` or until the host or this process ends. */
const relays = new Map<string, Promise<LabProcess>>();

export async function openStomp(
  host: Host,
  name: StockName,
  { onMessage, onClose }: LineEnd,
): Promise<Line> {
  const stock = STOCK[name]();
  const socket = await openPort(host, host.tls ? enginePem(authorityOf(host)) : null);
  const connected = new Promise<void>((resolve, reject) => {
    const end = (why: string): void => {
      reject(new Error(`${host.name}: ${why}`));
      onClose(why);
    };
    socket.on("error", (error) => end(error.message));
    socket.once("close", () => end("connection closed"));
    readFrames(socket, (raw) => {
      const { command, headers, body } = stock.read(raw);
      if (command === "CONNECTED") resolve();
      else if (command === "MESSAGE") onMessage(messageIn(stock, headers, body));
      else throw new Error(`${host.name} sent ${raw}`);
    });
  });
  socket.write(stock.hello());
  await connected;
  return {
    call: (method, params) => {
      const { id, body } = stock.call(method, params);
      socket.write(stock.request(body));
      return id;
    },
    close: () => socket.destroy(),
  };
}

/** Connects to the daemon's TCP port; with TLS, resolves once our side of the handshake is done. */
export async function openPort(host: Host, pem: Partial<Pem> | null): Promise<Socket> {
  const socketPath = host.outsidePath(RELAY_SOCKET);
  const relay = relays.get(socketPath) ?? startRelay(host);
  relays.set(socketPath, relay);
  await relay;
  const plain = connectPlain(socketPath);
  // The stock clients check the authority only, not the name.
  const socket =
    pem === null
      ? plain
      : connectTls({ socket: plain, ...pem, checkServerIdentity: () => undefined });
  await new Promise<void>((resolve, reject) => {
    socket.once(pem === null ? "connect" : "secureConnect", resolve);
    socket.once("error", reject);
  });
  return socket;
}

async function startRelay(host: Host): Promise<LabProcess> {
  const script = path.join(checkoutFolder(), "test/lab/relay.mjs");
  const args = [script, RELAY_SOCKET, host.controlAddress, String(PORT)];
  const relay = await host.spawn(host.nodePath, args, { logName: `relay-${process.pid}` });
  await relay.waitForLog(/relay ready/);
  return relay;
}

export async function stopRelays(): Promise<void> {
  const started = await Promise.all(relays.values());
  relays.clear();
  await Promise.all(started.map((relay) => relay.kill()));
}

/** Parses whole frames and skips heart-beats. The server always sends content-length. */
function readFrames(socket: Socket, onFrame: (raw: string) => void): void {
  let got = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    got = Buffer.concat([got, chunk]);
    for (;;) {
      while (got[0] === 0x0a) got = got.subarray(1);
      const head = got.indexOf("\n\n");
      if (head < 0) return;
      const length = /\ncontent-length:(\d+)/.exec(got.toString("utf8", 0, head))?.[1];
      if (length === undefined) throw new Error(`no content-length: ${got.toString()}`);
      const end = head + 2 + Number(length) + 1;
      if (got.length < end) return;
      onFrame(got.toString("utf8", 0, end));
      got = got.subarray(end);
    }
  });
}

/** Stock clients tell answers and events apart by their content, the server by subscription. */
function messageIn(stock: Stock, headers: Readonly<Record<string, string>>, body: string) {
  const message = JSON.parse(body) as RpcMessage;
  const subscription = "id" in message ? stock.replyId : stock.eventId;
  if (headers["subscription"] !== subscription) throw new Error(`not subscribed: ${body}`);
  return message;
}
