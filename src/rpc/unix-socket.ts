/**
 * The path of the Unix socket: its folder, what may lie there from before, and its mode.
 *
 * A daemon that was killed leaves its socket behind; one that answers is another daemon, and its
 * socket stays. Whoever may write to the socket may drive migrations, so it is made with mode 0600
 * and never exists with another: bind(2) uses the umask, and Node binds a path before `listen`
 * returns.
 */

import { lstat, mkdir, unlink } from "node:fs/promises";
import { createConnection, type Server } from "node:net";
import { dirname } from "node:path";

const PROBE_MS = 1000;
/** Leaves 0600. */
const SOCKET_UMASK = 0o177;

/** Makes the folder and takes away a socket that nobody answers on. **Fails**: Error. */
export async function clearPath(path: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o755 });
  const found = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isSocket()) throw new Error(`${path} exists and is no socket`);
  const outcome = await probe(path);
  if (outcome === "answers") throw new Error(`another process answers on ${path}`);
  await unlink(path);
}

export function listenPrivately(server: Server, path: string): void {
  const before = process.umask(SOCKET_UMASK);
  try {
    server.listen({ path });
  } finally {
    process.umask(before);
  }
}

async function probe(path: string): Promise<"answers" | "stale"> {
  return await new Promise((resolve, reject) => {
    const socket = createConnection({ path, timeout: PROBE_MS });
    const finish = (): void => {
      socket.destroy();
    };
    socket.once("connect", () => {
      finish();
      resolve("answers");
    });
    socket.once("timeout", () => {
      finish();
      resolve("answers");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      finish();
      if (error.code === "ECONNREFUSED" || error.code === "ENOENT") resolve("stale");
      else reject(error);
    });
  });
}
