/**
 * Two saves to one path: one of the guests would be gone. What is taken is held until its save ends,
 * by whatever name the other one comes, and nothing is undone but what is held.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { flock } from "posix";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { SaveFiles } from "../../../src/monitor/hibernation/save-files.ts";
import { SmallHost } from "../small-host.ts";
import { NO_JOB } from "../small-hypervisor.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";
const IN_USE = { code: "invalidParams", message: expect.stringMatching(/in use/) };

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "saves-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
});

const at = (name: string): string => path.join(folder, name);

function take(image = "image", parameters = "parameters"): Promise<SaveFiles> {
  return SaveFiles.take({ imagePath: at(image), parametersPath: at(parameters) }, folder);
}

function files(): readonly string[] {
  return readdirSync(folder).toSorted();
}

describe("files that a save has taken", () => {
  it.each([
    ["both", "image", "parameters"],
    ["the image", "image", "other"],
    ["the parameters", "other", "parameters"],
    ["its image as the other's parameters", "other", "image"],
    ["its parameters as the other's image", "parameters", "other"],
  ])("%s: nobody else's, and nothing is written", async (_name, image, parameters) => {
    for (const there of [false, true]) {
      if (there) writeFileSync(at("image"), "");
      const held = await take();
      const before = files();
      const refused = await take(image, parameters).catch((error: unknown) => error);
      expect(refused).toMatchObject(IN_USE);
      expect(String(refused)).toContain(folder);
      expect(files()).toEqual(before);
      await held.undo();
      await (await take(image, parameters)).undo();
      expect(files()).toEqual(there ? ["image"] : []);
    }
  });

  it("of many at once one has them", async () => {
    for (const there of [false, true]) {
      if (there) writeFileSync(at("image"), "");
      const all = await Promise.allSettled(Array.from({ length: 20 }, () => take()));
      const won = all.filter((each) => each.status === "fulfilled");
      expect(won).toHaveLength(1);
      for (const each of won) await each.value.undo();
      expect(files()).toEqual(there ? ["image"] : []);
    }
  });

  it("of many that come and go no two have them at a time", async () => {
    let holders = 0;
    let times = 0;
    const worker = async (): Promise<void> => {
      for (let tries = 0; tries < 40; tries += 1) {
        const held = await take().catch(() => null);
        if (held === null) continue;
        holders += 1;
        times += 1;
        expect(holders).toBe(1);
        await new Promise(setImmediate);
        expect(await held.areOurs()).toBe(true);
        holders -= 1;
        await held.undo();
      }
    };
    await Promise.all(Array.from({ length: 8 }, worker));
    expect(times).toBeGreaterThan(0);
    expect(files()).toEqual([]);
  });

  it("are somebody's who has merely locked the file", async () => {
    writeFileSync(at("image"), "");
    const handle = await open(at("image"));
    flock(handle.fd, { exclusive: true, nonBlocking: true });
    await expect(take()).rejects.toMatchObject(IN_USE);
    await handle.close();
    await (await take()).release();
  });

  it("are free once they are let go, and then what is in them counts", async () => {
    const held = await take();
    writeFileSync(at("image"), "a guest");
    await held.release();
    await expect(take()).rejects.toMatchObject({ message: expect.stringMatching(/not empty/) });
    expect(readFileSync(at("image"), "utf8")).toBe("a guest");
  });
});

describe("what is undone is what is held", () => {
  it("not what another one has made anew where libvirt had removed it", async () => {
    const first = await take();
    rmSync(at("image"));
    const second = await take("image", "other");
    await first.undo();
    expect(files()).toEqual(["image", "other"]);
    expect(await second.areOurs()).toBe(true);
    await expect(take("image", "third")).rejects.toMatchObject(IN_USE);
    await second.undo();
    expect(files()).toEqual([]);
  });

  it("not what somebody has written to the path meanwhile: it may be a guest", async () => {
    const held = await take();
    writeFileSync(at("image"), "a guest");
    expect(await held.areOurs()).toBe(false);
    const known = SaveFiles.known(held.prepared);
    await held.undo();
    expect(files()).toEqual(["image"]);
    writeFileSync(at("parameters"), "");
    expect(await known.takeAgain(false)).toBe(true);
    expect(await known.areOurs()).toBe(false);
    await known.undo();
    expect(files()).toEqual(["image"]);
  });

  it("what was there stays there, empty", async () => {
    writeFileSync(at("image"), "");
    writeFileSync(at("parameters"), "");
    const held = await take();
    held.begins();
    writeFileSync(at("image"), "half a guest");
    await held.undo();
    expect(files()).toEqual(["image", "parameters"]);
    expect(readFileSync(at("image"), "utf8")).toBe("");
  });
});

describe("the daemon after the one that took them", () => {
  it("takes them again, and undoes them", async () => {
    const killed = await take();
    writeFileSync(at("image"), "half a guest");
    await killed.release();
    const known = SaveFiles.known(killed.prepared);
    expect(await known.takeAgain(true)).toBe(true);
    await expect(take("other", "image")).rejects.toMatchObject(IN_USE);
    await known.undo();
    expect(files()).toEqual([]);
  });

  it("leaves alone what another one has meanwhile", async () => {
    const other = await take();
    const known = SaveFiles.known(other.prepared);
    expect(await known.takeAgain(true)).toBe(false);
    await known.undo();
    expect(files()).toEqual(["image", "parameters"]);
    await other.release();
  });
});

describe("two hibernations", () => {
  async function up(): Promise<SmallHost> {
    const host = await SmallHost.up({ vars: { hibernation_dir: folder } });
    host.hypervisor.put(VM);
    host.hypervisor.put(OTHER);
    return host;
  }
  const save = (host: SmallHost, vmId: string) =>
    host.migrate(vmId, { mode: "file", dst: at("image"), dstparams: at(`${vmId}.json`) });

  it("to one path at once: one is refused, and the other saves", async () => {
    const host = await up();
    const both = await Promise.allSettled([save(host, VM), save(host, OTHER)]);
    expect(both.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected"]);
    const failed = both.find((each) => each.status === "rejected");
    expect(failed?.reason).toMatchObject(IN_USE);
    expect(host.registry.live()).toHaveLength(1);
  });

  it("one after a cancel of the other: the path is free when the cancel is answered", async () => {
    const host = await up();
    for (const vmId of [VM, OTHER, VM]) {
      await save(host, vmId);
      await host.until(() => host.hypervisor.out.has(vmId) || undefined, "the call");
      expect(await host.service.cancel(vmId, "a test")).toBe(true);
      expect(files()).toEqual([]);
    }
  });

  it("one by hand while ours waits: it stays, and ours is not saved over it", async () => {
    const host = await up();
    const dump = { ...NO_JOB, type: "unbounded", operation: "dump" } as const;
    await save(host, VM);
    await host.service.cancel(VM, "a test");
    const vm = host.hypervisor.vms.get(VM);
    if (vm === undefined) throw new Error("it is there");
    host.hypervisor.onCall = (call) => {
      // Accepted, it finds a job in its way, and waits.
      if (call === `domainXml ${VM}`) vm.job = dump;
    };
    await save(host, VM);
    await host.event("VM_migration_deferred", VM);
    writeFileSync(at("image"), "a guest");
    await expect(host.service.cancel(VM, "a test")).resolves.toBe(true);
    expect(readFileSync(at("image"), "utf8")).toBe("a guest");
  });

  it("over a restart of the daemon while one goes on", async () => {
    const host = await up();
    await save(host, VM);
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    const next = await host.restarted();
    await expect(save(next, OTHER)).rejects.toMatchObject(IN_USE);
    expect(files()).toEqual([`${VM}.json`, "image"]);
  });
});
