/**
 * The process around the addon: how it ends with calls in flight, what keeps it alive, that other
 * JavaScript threads may come and go, that garbage collection closes what was left open.
 */
import { LibvirtError, open, threads } from "libvirt";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CHILD_RSS, runChild, SilentDaemon } from "./support.ts";

const AT_ONCE_MS = 1_000;
const TEST_DEADLINE_MS = 120_000;

let silent: SilentDaemon;

beforeAll(async () => {
  silent = await SilentDaemon.start();
});

afterAll(async () => silent.stop());

/** A call that blocks for ever, then whatever follows. */
const blocked = (then: string): string => `
  import { open } from "libvirt";
  const connection = await open("test:///default");
  open(process.argv[1]).then(() => console.log("opened"), (error) => console.log("failed", error.code));
  ${then}`;

describe("with a call in flight", () => {
  it("process.exit ends the process at once", { timeout: TEST_DEADLINE_MS }, async () => {
    const source = blocked(`console.log("ready"); process.exit(7);`);
    const end = await runChild(source, { args: [silent.uri] });
    expect(end).toMatchObject({ code: 7, signal: null, stdout: "ready\n", stderr: "" });
    expect(end.endedAfterMs).toBeLessThan(AT_ONCE_MS);
  });

  it("so do SIGTERM and an uncaught exception", { timeout: TEST_DEADLINE_MS }, async () => {
    const killed = await runChild(blocked(`console.log("ready");`), {
      args: [silent.uri],
      onReady: (pid) => process.kill(pid, "SIGTERM"),
    });
    expect(killed).toMatchObject({ code: null, signal: "SIGTERM" });
    expect(killed.endedAfterMs).toBeLessThan(AT_ONCE_MS);
    const thrown = await runChild(blocked(`console.log("ready"); throw new Error("mine");`), {
      args: [silent.uri],
    });
    expect(thrown.code).toBe(1);
    expect(thrown.stderr).toContain("Error: mine");
    expect(thrown.endedAfterMs).toBeLessThan(AT_ONCE_MS);
  });

  it("the end is clean under load, every time", { timeout: TEST_DEADLINE_MS }, async () => {
    const source = blocked(`
      const [domain] = await connection.listDomains();
      await connection.onDomainEvent("lifecycle", () => {});
      const loop = async (step) => { for (;;) await step().catch(() => {}); };
      for (let i = 0; i < 16; i++) loop(async () => (await connection.listDomains())[0].getXml());
      loop(() => domain.suspend());
      loop(() => domain.resume());
      let events = 0;
      await connection.onDomainEvent("lifecycle", () => {
        if (++events === 40) { console.log("ready"); process.exit(7); }
      });`);
    for (let round = 0; round < 20; round++) {
      const end = await runChild(source, { args: [silent.uri] });
      expect(end).toMatchObject({ code: 7, signal: null, stderr: "" });
    }
  });

  it("the process waits for it", { timeout: TEST_DEADLINE_MS }, async () => {
    const hangsUp = await SilentDaemon.start();
    const source = blocked(`console.log("ready");`);
    const end = await runChild(source, {
      args: [hangsUp.uri],
      onReady: () => void hangsUp.stop(),
    });
    expect(end).toMatchObject({ code: 0, stderr: "" });
    expect(end.stdout).toBe("ready\nfailed 38\n");
  });

  it("others are not delayed, however many block", async () => {
    const waiting = Array.from({ length: 40 }, async () => {
      const daemon = await SilentDaemon.start();
      const called = daemon.caller();
      const call = open(daemon.uri);
      await called;
      return { daemon, call };
    });
    const stuck = await Promise.all(waiting);
    const connection = await open("test:///default");
    expect(await connection.listDomains()).toHaveLength(1);
    expect(threads().threads).toBeGreaterThanOrEqual(40);
    for (const { daemon, call } of stuck) {
      await daemon.stop();
      await expect(call).rejects.toBeInstanceOf(LibvirtError);
    }
    await connection.close();
  });
});

describe("what keeps the process alive", () => {
  it("an open connection does not", async () => {
    const source = `import { open } from "libvirt"; await open("test:///default"); console.log("ready");`;
    expect(await runChild(source)).toMatchObject({ code: 0, stdout: "ready\n", stderr: "" });
  });

  it("an event listener does, until it stops", { timeout: TEST_DEADLINE_MS }, async () => {
    const end = await runChild(`
      import { open } from "libvirt";
      const connection = await open("test:///default");
      const domain = await connection.lookupByName("test");
      const stop = await connection.onDomainEvent("lifecycle", async ({ event }) => {
        console.log("event", event);
        await stop();
      });
      process.on("exit", () => console.log("end"));
      domain.suspend();`);
    expect(end).toMatchObject({ code: 0, stdout: "event 3\nend\n", stderr: "" });
  });

  it("a listener that throws is an uncaught exception of its own", {
    timeout: TEST_DEADLINE_MS,
  }, async () => {
    const end = await runChild(`
      import { open } from "libvirt";
      process.on("uncaughtException", (error) => console.log("caught", error.message));
      const connection = await open("test:///default");
      const domain = await connection.lookupByName("test");
      await connection.onDomainEvent("lifecycle", () => { throw new Error("mine"); });
      await new Promise((resolve) => {
        connection.onDomainEvent("lifecycle", resolve).then(() => domain.suspend());
      });
      await connection.close();`);
    expect(end).toMatchObject({ code: 0, stdout: "caught mine\n", stderr: "" });
  });
});

describe("threads of JavaScript", () => {
  it("may end with calls in flight", { timeout: TEST_DEADLINE_MS }, async () => {
    const end = await runChild(
      `
      import { Worker } from "node:worker_threads";
      const inWorker = \`
        import { parentPort, workerData } from "node:worker_threads";
        import { open } from "libvirt";
        open(workerData).catch(() => {});
        const connection = await open("test:///default");
        const loop = async (step) => { for (;;) await step().catch(() => {}); };
        for (let i = 0; i < 8; i++) loop(async () => (await connection.listDomains())[0].getXml());
        await connection.onDomainEvent("lifecycle", () => parentPort.postMessage("seen"));
        const domain = await connection.lookupByName("test");
        loop(() => domain.suspend());
        loop(() => domain.resume());\`;
      for (let i = 0; i < 10; i++) {
        const worker = new Worker(inWorker, { eval: true, workerData: process.argv[1] });
        await new Promise((resolve, reject) => {
          worker.once("message", resolve);
          worker.once("error", reject);
        });
        await worker.terminate();
      }
      const { open } = await import("libvirt");
      const connection = await open("test:///default");
      console.log((await connection.listDomains()).length);
      process.exit(0);`,
      { args: [silent.uri] },
    );
    expect(end).toMatchObject({ code: 0, signal: null, stdout: "1\n", stderr: "" });
  });
});

describe("garbage collection", () => {
  it("closes what was left open, and leaks nothing", { timeout: TEST_DEADLINE_MS }, async () => {
    const end = await runChild(
      `
      import { open, threads } from "libvirt";
      ${CHILD_RSS}
      const round = async (count, close) => {
        for (let i = 0; i < count; i++) {
          const connection = await open("test:///default");
          const [domain] = await connection.listDomains();
          await domain.getState();
          if (close) {
            await connection.onDomainEvent("lifecycle", () => {});
            connection.onClose(() => {});
            await connection.close();
          }
        }
        await new Promise(setImmediate);
        return rssMiB();
      };
      for (const close of [false, true]) {
        await round(1000, close);
        // A leak shows in every round; the kernel takes and gives back pages in some.
        const grown = [];
        let before = await round(500, close);
        for (let n = 0; n < 3; n++) {
          const after = await round(1000, close);
          grown.push(after - before);
          before = after;
        }
        console.log(Math.round((Math.min(...grown) * 1048576) / 1000));
      }`,
      { nodeArgs: ["--expose-gc"] },
    );
    expect(end).toMatchObject({ code: 0, stderr: "" });
    const bytesEach = end.stdout.trim().split("\n").map(Number);
    expect(bytesEach).toHaveLength(2);
    // One leaked connection of the test driver is above 20 KB.
    for (const bytes of bytesEach) expect(bytes).toBeLessThan(4_000);
  });
});
