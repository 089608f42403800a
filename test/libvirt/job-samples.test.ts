/**
 * Lists of domains that lanes work off, on libvirt's test driver: it has no job stats, so every domain
 * there refuses. What a list and its lanes promise holds all the same.
 */
import { type Connection, ErrorCode, JobSamples, LibvirtError, open } from "libvirt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CHILD_RSS, runChild, SilentDaemon } from "./support.ts";

const TEST_DEADLINE_MS = 120_000;
const NOBODY = "11111111-2222-3333-4444-555555555555";

let connections: readonly Connection[];
let uuid: string;

beforeEach(async () => {
  connections = await Promise.all(Array.from({ length: 3 }, () => open("test:///default")));
  uuid = (await only().lookupByName("test")).uuid;
});

afterEach(async () => {
  await Promise.all(connections.map((connection) => connection.close()));
});

function only(): Connection {
  const [first] = connections;
  if (first === undefined) throw new Error("unreachable");
  return first;
}

async function codeOf(call: Promise<unknown>): Promise<number> {
  const error: unknown = await call.then(
    () => undefined,
    (why: unknown) => why,
  );
  if (!(error instanceof LibvirtError)) throw new Error("it was not refused by libvirt");
  return error.code;
}

describe("a list", () => {
  it("is worked off by all lanes together, each domain once", async () => {
    const samples = new JobSamples(Array.from({ length: 300 }, () => uuid));
    expect(samples.left).toBe(300);
    await Promise.all(connections.map((connection) => connection.sampleJobs(samples)));
    expect([samples.left, samples.inFlight()]).toEqual([0, []]);
    expect(samples.take()).toHaveLength(300);
    expect(samples.take()).toEqual([]);
  });

  it("says of each domain why it refused, and by which call", async () => {
    const samples = new JobSamples([uuid, NOBODY, "no uuid"]);
    await only().sampleJobs(samples);
    const said = samples.take().map((sample) => {
      if (sample.kind === "stats") throw new Error("the test driver has no stats");
      return [sample.kind, sample.uuid, sample.error.operation, sample.error.code];
    });
    expect(said).toEqual([
      ["refused", uuid, "virDomainGetJobStats", ErrorCode.NO_SUPPORT],
      ["refused", NOBODY, "virDomainLookupByUUIDString", ErrorCode.NO_DOMAIN],
      ["refused", "no uuid", "virDomainLookupByUUIDString", ErrorCode.INVALID_ARG],
    ]);
  });

  it("that is closed or empty asks nobody", async () => {
    const closed = new JobSamples([uuid]);
    closed.close();
    expect(closed.left).toBe(0);
    await only().sampleJobs(closed);
    const empty = new JobSamples([]);
    await only().sampleJobs(empty);
    expect([...closed.take(), ...empty.take()]).toEqual([]);
  });

  it("takes nothing but strings that C can hold", () => {
    const wrong: readonly unknown[] = [7];
    expect(() => new JobSamples(wrong as readonly string[])).toThrow(TypeError);
    expect(() => new JobSamples(["a\0b"])).toThrow(RangeError);
  });
});

describe("a connection", () => {
  it("that is closed runs no lane, and one that is being closed ends its own", async () => {
    const other = await open("test:///default");
    const samples = new JobSamples(Array.from({ length: 100_000 }, () => uuid));
    const lane = codeOf(other.sampleJobs(samples));
    await other.close();
    expect(await lane).toBe(ErrorCode.INVALID_CONN);
    expect(samples.left).toBeGreaterThan(0);
    expect(await codeOf(other.sampleJobs(samples))).toBe(ErrorCode.INVALID_CONN);
  });

  it("has a domain that was defined anew under its UUID", async () => {
    const ask = async (): Promise<unknown> => {
      const samples = new JobSamples([NOBODY]);
      await only().sampleJobs(samples);
      const [sample] = samples.take();
      return sample?.kind === "refused" ? sample.error.code : sample?.kind;
    };
    const define = (name: string) =>
      only().defineXml(
        `<domain type="test"><name>${name}</name><uuid>${NOBODY}</uuid><memory>1024</memory>` +
          `<os><type>hvm</type></os></domain>`,
      );
    expect(await ask()).toBe(ErrorCode.NO_DOMAIN);
    const first = await define("first");
    expect(await ask()).toBe(ErrorCode.NO_SUPPORT);
    await first.undefine();
    expect(await ask()).toBe(ErrorCode.NO_DOMAIN);
    await define("second");
    expect(await ask()).toBe(ErrorCode.NO_SUPPORT);
  });
});

describe("the process", () => {
  it("ends at once and cleanly with lanes at work", { timeout: TEST_DEADLINE_MS }, async () => {
    const silent = await SilentDaemon.start();
    const source = `
      import { JobSamples, open } from "libvirt";
      open(process.argv[1]).catch(() => {});
      const connections = await Promise.all(Array.from({ length: 4 }, () => open("test:///default")));
      const { uuid } = await connections[0].lookupByName("test");
      const samples = new JobSamples(Array.from({ length: 200_000 }, () => uuid));
      for (const connection of connections) connection.sampleJobs(samples).catch(() => {});
      while (samples.left > 190_000) samples.take();
      console.log("ready");
      process.exit(7);`;
    for (let round = 0; round < 10; round++) {
      const end = await runChild(source, { args: [silent.uri] });
      expect(end).toMatchObject({ code: 7, signal: null, stderr: "" });
    }
    await silent.stop();
  });

  it("keeps nothing of lists, taken or not, nor of their connections", {
    timeout: TEST_DEADLINE_MS,
  }, async () => {
    const end = await runChild(
      `
      import { JobSamples, open, threads } from "libvirt";
      ${CHILD_RSS}
      const round = async (count) => {
        for (let i = 0; i < count; i++) {
          const connection = await open("test:///default");
          const { uuid } = await connection.lookupByName("test");
          const samples = new JobSamples(Array.from({ length: 20 }, () => uuid));
          await connection.sampleJobs(samples);
          if (i % 2 === 0) samples.take();
          if (i % 3 === 0) await connection.close();
        }
        await new Promise(setImmediate);
        return rssMiB();
      };
      await round(1000);
      const grown = [];
      let before = await round(500);
      for (let n = 0; n < 3; n++) {
        const after = await round(1000);
        grown.push(after - before);
        before = after;
      }
      console.log(Math.round((Math.min(...grown) * 1048576) / 1000));`,
      { nodeArgs: ["--expose-gc"] },
    );
    expect(end).toMatchObject({ code: 0, stderr: "" });
    // One leaked connection of the test driver is above 20 KB, a list that is not freed above 4 KB.
    expect(Number(end.stdout)).toBeLessThan(3_000);
  });
});
