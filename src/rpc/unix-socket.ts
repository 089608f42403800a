/**
 * The path of a Unix socket: its folder, what may lie there from before, its mode and its group.
 *
 * A daemon that was killed leaves its socket behind; one that answers is another daemon, and its
 * socket stays. Whoever may write to the socket may use it, so it is made with mode 0600 and never
 * exists with more than it is meant to have: bind(2) uses the umask, and Node binds a path before
 * `listen` returns; then it gets its group and only after that its mode, before anything else runs.
 * A folder in which others could put another file in its place is refused, since the modes are set
 * by path.
 */

import { chmodSync, chownSync, lstatSync, readFileSync } from "node:fs";
import { lstat, stat, unlink } from "node:fs/promises";
import { createConnection, type Server } from "node:net";
import { dirname } from "node:path";
import { makeFolder } from "../host/folders.ts";
import { messageOf } from "../errors.ts";

const PROBE_MS = 1000;
/** Leaves 0600. */
const SOCKET_UMASK = 0o177;
/** What of a folder's mode lets others replace a file in it. */
const WRITABLE_BY_OTHERS = 0o022;
const STICKY = 0o1000;

export interface SocketRights {
  /** 0600, 0660 or 0666. */
  readonly mode: number;
  /** Absent: the daemon's. */
  readonly groupId?: number;
}

/** Makes the folder and takes away a socket that nobody answers on. **Fails**: Error. */
export async function clearPath(path: string): Promise<void> {
  const folder = dirname(path);
  makeFolder(folder, 0o755);
  const { mode } = await stat(folder);
  if ((mode & WRITABLE_BY_OTHERS) !== 0 && (mode & STICKY) === 0) {
    throw new Error(`${folder} can be written by others, who could replace ${path}`);
  }
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

/** **Fails**: Error if the group cannot be given; a path that cannot be bound is the server's event. */
export function listenWith(server: Server, path: string, { mode, groupId }: SocketRights): void {
  const before = process.umask(SOCKET_UMASK);
  try {
    server.listen({ path });
  } finally {
    process.umask(before);
  }
  // Not bound: what lies there is somebody else's.
  if (!server.listening) return;
  const { uid, gid } = lstatSync(path);
  // Born with the daemon's own group: then there is nothing to do that a sandbox forbids.
  if (groupId !== undefined && gid !== groupId) giveToGroup(path, uid, groupId);
  chmodSync(path, mode);
}

function giveToGroup(path: string, uid: number, groupId: number): void {
  try {
    chownSync(path, uid, groupId);
  } catch (cause) {
    const why = messageOf(cause);
    throw new Error(`${path} cannot be given to group ${groupId}: ${why}`, { cause });
  }
}

/**
 * The id of a group by its name in `/etc/group` or by the id itself. Groups of a directory service
 * have to be given by id: Node has no call that asks one. **Fails**: Error naming the group.
 */
export function groupIdOf(group: string, groupFile = "/etc/group"): number {
  if (/^[0-9]+$/.test(group)) return Number(group);
  for (const line of readFileSync(groupFile, "utf8").split("\n")) {
    const [name, , id = ""] = line.split(":");
    if (name === group && /^[0-9]+$/.test(id)) return Number(id);
  }
  throw new Error(`addresses.unix_socket_group: "${group}" is no group of ${groupFile}`);
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
