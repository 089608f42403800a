/**
 * The daemon itself, without a libvirt to serve: it ends, systemd starts it again each few seconds, and
 * the journal must be what it was, however often.
 */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { expect, it } from "vitest";
import { desk, temporaryFolder } from "./fixtures.ts";

const MAIN = path.resolve(import.meta.dirname, "../../dist/main.js");

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

interface Ended {
  readonly status: number | null;
  readonly stderr: string;
}

/** Starts the daemon on this journal, with a libvirt that is not there, and waits for its end. */
async function start(folder: string, journal: string): Promise<Ended> {
  const config = path.join(folder, "vdsm.json");
  const nowhere = path.join(folder, "no-libvirt.sock");
  writeFileSync(
    config,
    JSON.stringify({
      vars: { hibernation_dir: path.join(folder, "images") },
      addresses: {
        management_ip: "127.0.0.1",
        management_port: await freePort(),
        unix_socket: path.join(folder, "rpc.sock"),
        unix_socket_ro: path.join(folder, "rpc-ro.sock"),
      },
      ssl: { enabled: false, allow_plaintext: true },
      libvirt: { uri: `qemu+unix:///system?socket=${nowhere}` },
      journal: { dir: journal },
    }),
  );
  return spawnSync(process.execPath, [MAIN, "--config", config], {
    encoding: "utf8",
    timeout: 20_000,
  });
}

it("a start that fails for want of libvirt leaves the journal as it was", async () => {
  const own = await desk();
  own.accept("m1");
  await own.journal.close();
  own.lock.release();
  const [names, text] = [readdirSync(own.folder), own.text(1)];
  const folder = temporaryFolder();
  for (let starts = 0; starts < 2; starts += 1) {
    const { status, stderr } = await start(folder, own.folder);
    expect(stderr).toContain("no-libvirt.sock");
    expect(status).toBe(1);
  }
  expect([readdirSync(own.folder), own.text(1)]).toEqual([names, text]);
}, 60_000);

it("a second one on the same journal ends before it has touched anything", async () => {
  const own = await desk();
  own.accept("m1");
  const holder = readFileSync(path.join(own.folder, "holder.json"), "utf8");
  const [names, text] = [readdirSync(own.folder), own.text(1)];
  const folder = temporaryFolder();
  const alias = path.join(folder, "alias");
  symlinkSync(own.folder, alias);
  const { status, stderr } = await start(folder, alias);
  expect(stderr).toMatch(
    /^vdsm-migrationd: journal\.dir: \S+\/alias is in use by another daemon \(pid 4242, .*\n$/,
  );
  expect(stderr).toContain(`where it is ${own.folder}`);
  expect(status).toBe(1);
  expect(readdirSync(folder).toSorted()).toEqual(["alias", "vdsm.json"]);
  expect([readdirSync(own.folder), own.text(1)]).toEqual([names, text]);
  expect(readFileSync(path.join(own.folder, "holder.json"), "utf8")).toBe(holder);
}, 60_000);

it("a journal that can never be made costs neither the start nor a core", async () => {
  const { status, stderr } = await start(temporaryFolder(), "/proc/no/journal");
  expect(stderr).toContain("no-libvirt.sock");
  expect(status).toBe(1);
}, 60_000);
