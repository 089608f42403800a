/**
 * A client's connection to a daemon: JSON-RPC messages in both directions, over any transport.
 * daemon.ts does not know which. This file has the one for tools on the host itself (a WebSocket on
 * the Unix socket); stomp-line.ts has those of the stock clients.
 */
import { WebSocket } from "ws";

export type RpcId = string | number;
export type RpcMessage = Readonly<Record<string, unknown>>;

export interface Line {
  /** Sends a call and returns its ID; the answer arrives as a message. */
  call(method: string, params: Readonly<Record<string, unknown>>): RpcId;
  close(): void;
}

export interface LineEnd {
  readonly onMessage: (message: RpcMessage) => void;
  /** Called when the connection is gone, whichever side closed it. */
  readonly onClose: (why: string) => void;
}

export const SOCKET_PATH = "/run/vdsm-migrationd/rpc.sock";

export async function openWebSocket(
  socketPath: string,
  { onMessage, onClose }: LineEnd,
): Promise<Line> {
  const socket = new WebSocket(`ws+unix:${socketPath}:/jsonrpc`);
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
