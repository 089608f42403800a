/**
 * A file system that hangs: what a save waits for has an end, nothing of it occupies more than one
 * thread, and what comes late is undone. The file system stands still here by holding the turn that all
 * such work is done in.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { FileTurn, fileTurn } from "../../../src/monitor/hibernation/file-turn.ts";
import { imageState } from "../../../src/monitor/hibernation/save-files.ts";
import { SmallHost } from "../small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const OTHER = "22222222-2222-4222-8222-222222222222";
const NO_ANSWER = { code: "migrationFailed", message: expect.stringMatching(/does not answer/) };
/** Longer than any wait here has to be. */
const LONG_MS = 60_000;
const TEST_MAX_MS = 30_000;

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), "hangs-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
});

const at = (name: string): string => path.join(folder, name);

/** Until the returned function is called. */
function hang(in_: FileTurn = fileTurn): () => Promise<void> {
  let answer: () => void = () => undefined;
  const hanging = new Promise<void>((resolve) => {
    answer = resolve;
  });
  void in_.surely(LONG_MS, () => hanging);
  const answered = async (): Promise<void> => {
    answer();
    // All that was behind it, too.
    await in_.surely(LONG_MS, turn);
  };
  onTestFinished(answered);
  return answered;
}

describe("work on files", () => {
  it("is done one after the other, also after one that fails", async () => {
    const files = new FileTurn();
    const order: number[] = [];
    const work = (each: number) => async (): Promise<number> => {
      order.push(each);
      await turn();
      order.push(-each);
      if (each === 2) throw new Error("no space");
      return each;
    };
    const all = await Promise.allSettled([1, 2, 3].map((each) => files.ask(LONG_MS, work(each))));
    expect(all.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(order).toEqual([1, -1, 2, -2, 3, -3]);
  });

  it("whose turn does not come is left out, unless it must be done", async () => {
    const files = new FileTurn();
    const answered = hang(files);
    const done: string[] = [];
    const work = (name: string) => (): Promise<void> => Promise.resolve(void done.push(name));
    expect(await files.ask(1, work("asked"))).toBe("late");
    expect(await files.surely(1, work("surely"))).toBe("late");
    await answered();
    expect(done).toEqual(["surely"]);
  });

  it("that ends late is undone in the same turn, and its failure stops nobody", async () => {
    const files = new FileTurn();
    const done: string[] = [];
    const ends = new Map<string, () => void>();
    const slow = (name: string) => (): Promise<string> =>
      new Promise((resolve) => void ends.set(name, () => resolve(name)));
    const asked = files.ask(1, slow("first"), (late) => {
      done.push(`undone ${late}`);
      return Promise.reject(new Error("no such file"));
    });
    expect(await asked).toBe("late");
    const next = files.ask(LONG_MS, () => Promise.resolve(void done.push("next")));
    ends.get("first")?.();
    await next;
    expect(done).toEqual(["undone first", "next"]);
  });
});

const MAGIC = "complete";

it("an image that is a pipe holds no thread", async () => {
  const pipes = Array.from({ length: 8 }, (_each, index) => at(`pipe-${index}`));
  execFileSync("mkfifo", pipes);
  const states = await Promise.all(pipes.map((pipe) => imageState(pipe, MAGIC)));
  expect(states).toEqual(pipes.map(() => "notComplete"));
  await Promise.all(pipes.map((pipe) => stat(pipe)));
});

async function up(): Promise<SmallHost> {
  const host = await SmallHost.up({ vars: { hibernation_dir: folder } });
  host.hypervisor.put(VM);
  host.hypervisor.put(OTHER);
  return host;
}
const save = (host: SmallHost, vmId: string) =>
  host.migrate(vmId, { mode: "file", dst: at(`${vmId}.img`), dstparams: at(`${vmId}.json`) });

it(
  "saves are refused while it hangs, an image is neither complete nor not, and their VMs are as free as before",
  async () => {
    const host = await up();
    const answered = hang();
    const looked = imageState(at("image"), MAGIC);
    const refused = await Promise.allSettled([save(host, VM), save(host, OTHER)]);
    for (const each of refused) expect(each).toMatchObject({ reason: NO_ANSWER });
    expect(await looked).toBeNull();
    await host.migrate(VM);
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    await answered();
    expect(readdirSync(folder)).toEqual([]);
    await save(host, OTHER);
    expect(readdirSync(folder)).toEqual([`${OTHER}.img`, `${OTHER}.json`]);
  },
  TEST_MAX_MS,
);

it(
  "a save that hangs when it has ended holds neither its cancel nor its VM",
  async () => {
    const host = await up();
    await save(host, VM);
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    const answered = hang();
    expect(await host.service.cancel(VM, "a test")).toBe(true);
    await host.migrate(VM);
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    expect(readdirSync(folder)).toEqual([`${VM}.img`, `${VM}.json`]);
    await answered();
    expect(readdirSync(folder)).toEqual([]);
  },
  TEST_MAX_MS,
);

it(
  "a save that hangs before its call fails, and leaves nothing",
  async () => {
    const host = await up();
    let answered = (): Promise<void> => Promise.resolve();
    host.hypervisor.onCall = (call) => {
      if (call === `domainXml ${VM}`) answered = hang();
    };
    await save(host, VM);
    expect(await host.event("VM_migration_ended", VM)).toMatchObject({
      outcome: "failed",
      where: "source",
      message: expect.stringMatching(/does not answer/),
    });
    await answered();
    expect(readdirSync(folder)).toEqual([]);
  },
  TEST_MAX_MS,
);
