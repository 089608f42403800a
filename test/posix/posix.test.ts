/** flock and SO_PEERCRED over real files, processes and sockets. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { descriptorOf, flock, peerCredentials } from "posix";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const PACKAGE = path.resolve(import.meta.dirname, "../../src/posix");
const EXCLUSIVE = { exclusive: true, nonBlocking: true };
const SHARED = { exclusive: false, nonBlocking: true };

let folder = "";
let file = "";
const opened: number[] = [];

function open(): number {
  const fd = openSync(file, "r+");
  opened.push(fd);
  return fd;
}

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "posix-"));
  file = path.join(folder, "lock");
  writeFileSync(file, "");
});

afterEach(() => {
  for (const fd of opened.splice(0)) closeSync(fd);
  rmSync(folder, { recursive: true });
});

describe("the addon", () => {
  it("exports exactly what abi.ts declares", () => {
    const source = readFileSync(path.join(PACKAGE, "abi.ts"), "utf8");
    const body = /export interface NativeAddon \{\n(.*?)\n\}/s.exec(source)?.[1] ?? "";
    const declared = [...body.matchAll(/^ {2}(\w+)\(/gm)].map((match) => match[1] ?? "");
    const addon: object = createRequire(import.meta.url)(
      path.join(PACKAGE, "build/Release/node_posix.node"),
    );
    expect(Object.keys(addon).toSorted()).toEqual(declared.toSorted());
  });
});

describe("flock", () => {
  it("is held against another description of the same file, until it is closed", () => {
    const first = openSync(file, "r+");
    expect(flock(first, EXCLUSIVE)).toBe(true);
    expect(flock(first, EXCLUSIVE)).toBe(true);
    const second = open();
    expect(flock(second, EXCLUSIVE)).toBe(false);
    expect(flock(second, SHARED)).toBe(false);
    closeSync(first);
    expect(flock(second, EXCLUSIVE)).toBe(true);
  });

  it("may be shared", () => {
    expect(flock(open(), SHARED)).toBe(true);
    expect(flock(open(), SHARED)).toBe(true);
    expect(flock(open(), EXCLUSIVE)).toBe(false);
  });

  it("needs no write permission", () => {
    const reader = openSync(file, "r");
    opened.push(reader);
    expect(flock(reader, EXCLUSIVE)).toBe(true);
    expect(flock(open(), EXCLUSIVE)).toBe(false);
  });

  it("is released when its process is killed, and not inherited by its child", async () => {
    const holder = spawn(process.execPath, [
      path.join(import.meta.dirname, "lock-holder.mjs"),
      file,
    ]);
    expect(String((await once(holder.stdout, "data"))[0])).toBe("held\n");
    const fd = open();
    expect(flock(fd, EXCLUSIVE)).toBe(false);
    holder.kill("SIGKILL");
    await once(holder, "exit");
    expect(flock(fd, EXCLUSIVE)).toBe(true);

    // The child outlives the description here; if it had inherited the lock, the lock would be
    // kept.
    const child = spawn("cat");
    await once(child, "spawn");
    closeSync(opened.pop() ?? fd);
    expect(flock(open(), EXCLUSIVE)).toBe(true);
    child.kill("SIGKILL");
    await once(child, "exit");
  });

  it("fails with the name of the errno", () => {
    const closed = openSync(file, "r");
    closeSync(closed);
    expect(() => flock(closed, EXCLUSIVE)).toThrowError(
      expect.objectContaining({ code: "EBADF", syscall: "flock", message: "flock: EBADF" }),
    );
    expect(() => flock(-1, EXCLUSIVE)).toThrowError(RangeError);
    expect(() => flock(0.5, EXCLUSIVE)).toThrowError(RangeError);
  });
});

describe("peerCredentials", () => {
  async function connected(): Promise<{ client: Socket; served: Socket; end: () => void }> {
    const server = createServer();
    server.listen(path.join(folder, "socket"));
    await once(server, "listening");
    const client = connect(path.join(folder, "socket"));
    const [served] = await once(server, "connection");
    const end = (): void => {
      client.destroy();
      served.destroy();
      server.close();
    };
    return { client, served, end };
  }

  it("identifies the connecting process", async () => {
    const { served, end } = await connected();
    const fd = descriptorOf(served) ?? -1;
    expect(peerCredentials(fd)).toEqual({
      pid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    });
    end();
    expect(descriptorOf(served)).toBeUndefined();
  });

  it("fails on a descriptor that is not a socket", () => {
    expect(() => peerCredentials(open())).toThrowError(
      expect.objectContaining({ code: "ENOTSOCK", syscall: "getsockopt" }),
    );
  });
});
