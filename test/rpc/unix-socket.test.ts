/** The two Unix sockets: mode and group from the first moment on, and what is refused instead. */

import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Handler } from "../../src/rpc/handlers.ts";
import { groupIdOf, listenWith } from "../../src/rpc/unix-socket.ts";
import {
  type Bench,
  bodyOf,
  exchange,
  ping,
  pong,
  post,
  startListener,
  useFolder,
} from "./lines.ts";

const { path: inFolder } = useFolder();
const control = () => inFolder("run/rpc.sock");
const reading = () => inFolder("run/rpc-ro.sock");
const ownGroup = process.getegid?.() ?? 0;
/** Root may give a file to any group, a user only to one of their own. */
const otherGroup =
  process.getgroups?.().find((id) => id !== ownGroup) ?? (process.getuid?.() === 0 ? 1 : ownGroup);

async function start(unixSocketGroup?: string): Promise<Bench> {
  return await startListener({
    unixSocket: control(),
    unixSocketReadOnly: reading(),
    ...(unixSocketGroup !== undefined && { unixSocketGroup }),
  });
}

const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

describe("the sockets", () => {
  it("are for the owner, and for everybody who reads; both answer and are gone after", async () => {
    const { listener } = await start();
    expect([modeOf(control()), modeOf(reading())]).toEqual(["600", "666"]);
    expect(bodyOf(await exchange({ path: control() }, post(ping)))).toBe(pong);
    expect(bodyOf(await exchange({ path: reading() }, post(ping)))).toContain("1101");
    await listener.close();
    expect([existsSync(control()), existsSync(reading())]).toEqual([false, false]);
  });

  it("tell whose process asks", async () => {
    const asked: string[] = [];
    const handler: Handler = async (_params, { name }) => {
      asked.push(name);
      return await Promise.resolve(true);
    };
    const handlers = { "Host.ping2": handler };
    await startListener({ unixSocket: control(), handlers });
    expect(bodyOf(await exchange({ path: control() }, post(ping)))).toBe(pong);
    expect(asked).toEqual([`uid ${process.getuid?.()}, pid ${process.pid}`]);
  });

  it.each([...new Set([ownGroup, otherGroup])])(
    "the first is for the group %i, if there is one",
    async (id) => {
      await start(String(id));
      expect([modeOf(control()), statSync(control()).gid]).toEqual(["660", id]);
      expect([modeOf(reading()), statSync(reading()).gid]).toEqual(["666", ownGroup]);
    },
  );

  it("have these modes whatever the umask is", async () => {
    const before = process.umask(0);
    try {
      await start();
      expect([modeOf(control()), modeOf(reading())]).toEqual(["600", "666"]);
      expect(process.umask()).toBe(0);
    } finally {
      process.umask(before);
    }
  });

  it("lie in a folder that others can look into and not write to", async () => {
    await start();
    expect(modeOf(inFolder("run"))).toBe("755");
  });

  it("are not made with a group that there is not, nor is anything else", async () => {
    await expect(start("no-such-group")).rejects.toThrow(
      'addresses.unix_socket_group: "no-such-group" is no group of /etc/group',
    );
    expect([existsSync(control()), existsSync(reading())]).toEqual([false, false]);
  });

  it("are not made where others could replace them", async () => {
    const folder = inFolder("writable");
    mkdirSync(folder);
    chmodSync(folder, 0o777);
    const path = join(folder, "rpc.sock");
    await expect(startListener({ unixSocket: path })).rejects.toThrow(
      /can be written by others, who could replace/,
    );
    chmodSync(folder, 0o1777);
    await startListener({ unixSocket: path });
    expect(modeOf(path)).toBe("600");
  });
});

it("what lies at the path already keeps its mode", async () => {
  const path = inFolder("taken");
  writeFileSync(path, "", { mode: 0o600 });
  const server = createServer();
  const failed = new Promise((resolve) => server.once("error", resolve));
  listenWith(server, path, { mode: 0o666 });
  expect(await failed).toMatchObject({ code: "EADDRINUSE" });
  expect(modeOf(path)).toBe("600");
});

describe("a group", () => {
  const groups = "root:x:0:\n# no group\nbroken\nvdsm:x:36:a,b\nvdsm2:x:37:\nempty:x::\n";
  it.each([
    ["vdsm", 36],
    ["vdsm2", 37],
    ["root", 0],
    ["107", 107],
  ])("%s is %i", (name, id) => {
    const file = inFolder("group");
    writeFileSync(file, groups);
    expect(groupIdOf(name, file)).toBe(id);
  });

  it.each(["vds", "empty", "broken", "# no group"])("%s is none", (name) => {
    const file = inFolder("group");
    writeFileSync(file, groups);
    expect(() => groupIdOf(name, file)).toThrow(`"${name}" is no group of ${file}`);
  });
});
