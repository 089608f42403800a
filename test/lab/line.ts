/**
 * A line to a daemon: JSON-RPC messages out and in, however they travel. daemon.ts speaks over one
 * and does not know which. Here the one for tools on the host itself: WebSocket on the Unix socket;
 * stomp-line.ts has those of the stock clients.
 */
import { WebSocket } from "ws";
import type { Host } from "./api.ts";

export type RpcId = string | number;
export type RpcMessage = Readonly<Record<string, unknown>>;

export interface Line {
  /** Sends a call and names its id; the answer comes as a message. */
  call(method: string, params: Readonly<Record<string, unknown>>): RpcId;
  close(): void;
}

export interface LineEnd {
  readonly onMessage: (message: RpcMessage) => void;
  /** The line is gone, whoever ended it. */
  readonly onClose: (why: string) => void;
}

export const SOCKET_PATH = "/run/vdsm-migrationd/rpc.sock";

export async function openWebSocket(host: Host, { onMessage, onClose }: LineEnd): Promise<Line> {
  const socket = new WebSocket(`ws+unix:${host.outsidePath(SOCKET_PATH)}:/jsonrpc`);
  socket.on("message", (data: Buffer) => onMessage(JSON.parse(data.toString("utf8"))));
  await new Promise<void>((resolve, reject) => {
    socket.once("open", resolve);
    socket.once("error", reject);
  });
  socket.on("error", () => undefined);
  socket.once("close", (code) => onClose(`WebSocket closed (${code})`));
  let lastId = 0;
  return {
    call: (method, params) => {
      lastId += 1;
      socket.send(JSON.stringify({ jsonrpc: "2.0", id: lastId, method, params }));
      return lastId;
    },
    close: () => socket.terminate(),
  };
}
