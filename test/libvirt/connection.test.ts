/** Connections, domains and events on libvirt's test driver, which needs no daemon and no root. */
import {
  type Connection,
  type Domain,
  type DomainEvents,
  DomainEvent,
  DomainState,
  DefinedDetail,
  ErrorCode,
  JobSamples,
  LibvirtError,
  ListDomainsFlag,
  open,
  PausedReason,
  RunningReason,
  ShutoffReason,
  UndefinedDetail,
  XmlFlag,
} from "libvirt";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

const xmlOf = (name: string): string =>
  `<domain type='test'><name>${name}</name><memory>8192</memory><os><type>hvm</type></os></domain>`;

let connection: Connection;

beforeEach(async () => {
  connection = await open("test:///default");
});

afterEach(async () => {
  // The test driver's domains belong to the process: leave it as it was.
  for (const domain of await connection.listDomains()) {
    if (domain.name === "test") continue;
    if (await domain.isActive()) await domain.destroy();
    if (await domain.isPersistent()) await domain.undefine();
  }
  await connection.close();
});

async function failureOf(call: Promise<unknown>): Promise<LibvirtError> {
  try {
    await call;
  } catch (error) {
    if (error instanceof LibvirtError) return error;
    throw error;
  }
  throw new Error("the call succeeded");
}

describe("a connection", () => {
  it("says where it is", async () => {
    expect(connection.uri).toBe("test:///default");
    expect(await connection.isAlive()).toBe(true);
    expect(await connection.hostname()).not.toBe("");
    expect(await connection.version()).toBe(2);
    expect(await connection.libVersion()).toBeGreaterThan(8_000_000);
    expect(await connection.capabilities()).toContain("<capabilities>");
  });

  it("can be opened to look only", async () => {
    const reader = await open("test:///default", { readOnly: true });
    expect(await reader.listDomains()).toHaveLength(1);
    const { code } = await failureOf(reader.defineXml(xmlOf("nothing")));
    expect(code).toBe(ErrorCode.OPERATION_DENIED);
    await reader.close();
  });

  it("that cannot be made rejects with libvirt's reason, and prints nothing", async () => {
    const failure = await failureOf(open("qemu+unix:///system?socket=/nowhere/sock"));
    expect(failure).toMatchObject({
      name: "LibvirtError",
      code: ErrorCode.SYSTEM_ERROR,
      domain: 7, // VIR_FROM_RPC
      level: 2,
      operation: "virConnectOpen",
    });
    expect(failure.libvirtMessage).toContain("/nowhere/sock");
    expect(failure.message).toBe(`virConnectOpen: ${failure.libvirtMessage}`);
    expect(failure.stack).toContain("connection.test.ts");
  });

  it("without a peer that answers pings says so", async () => {
    const { code } = await failureOf(connection.setKeepAlive(5, 3));
    expect(code).toBe(ErrorCode.NO_SUPPORT);
  });
});

describe("domains", () => {
  it("are listed by what they are", async () => {
    await connection.defineXml(xmlOf("idle"));
    const names = async (flags: number): Promise<string[]> =>
      (await connection.listDomains(flags)).map((domain) => domain.name).toSorted();
    expect(await names(0)).toEqual(["idle", "test"]);
    expect(await names(ListDomainsFlag.ACTIVE)).toEqual(["test"]);
    expect(await names(ListDomainsFlag.INACTIVE)).toEqual(["idle"]);
  });

  it("active ones are listed as data, and asked for their states together", async () => {
    const idle = await connection.defineXml(xmlOf("idle"));
    const paused = await connection.createXml(xmlOf("paused"));
    await paused.suspend();
    const test = await connection.lookupByName("test");
    const active = (await connection.listActive()).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    expect(active).toEqual([
      { uuid: paused.uuid, name: "paused", running: false },
      { uuid: test.uuid, name: "test", running: true },
    ]);
    const nobody = "00000000-0000-4000-8000-000000000001";
    const asked = [paused.uuid, nobody, test.uuid, idle.uuid];
    const states = [
      { state: DomainState.PAUSED, reason: PausedReason.USER },
      null,
      { state: DomainState.RUNNING, reason: RunningReason.UNKNOWN },
      { state: DomainState.SHUTOFF, reason: ShutoffReason.UNKNOWN },
    ];
    expect(await connection.getStates(asked)).toEqual(states);
    // Their handles are known by now; one is gone, and then back.
    await idle.undefine();
    expect(await connection.getStates(asked)).toEqual([...states.slice(0, 3), null]);
    const again = `<uuid>${idle.uuid}</uuid><memory>`;
    await connection.defineXml(xmlOf("again").replace("<memory>", again));
    expect(await connection.getStates(asked)).toEqual(states);
    await paused.destroy();
  });

  it("are found by name and by UUID, or not", async () => {
    const byName = await connection.lookupByName("test");
    const byUuid = await connection.lookupByUuid(byName.uuid);
    expect(byUuid).toMatchObject({ name: "test", uuid: byName.uuid, id: 1 });
    const unknown = "00000000-0000-4000-8000-000000000001";
    expect((await failureOf(connection.lookupByUuid(unknown))).code).toBe(ErrorCode.NO_DOMAIN);
    expect(await failureOf(connection.lookupByName("nobody"))).toMatchObject({
      code: ErrorCode.NO_DOMAIN,
      operation: "virDomainLookupByName",
    });
    expect((await failureOf(connection.lookupByUuid("no uuid"))).code).toBe(ErrorCode.INVALID_ARG);
  });

  it("persistent: define, create, suspend, resume, destroy, undefine", async () => {
    const domain = await connection.defineXml(xmlOf("lasting"));
    expect([domain.id, await domain.isActive(), await domain.isPersistent()]).toEqual([
      null,
      false,
      true,
    ]);
    await domain.create();
    expect(domain.id).toBeGreaterThan(0);
    await domain.suspend();
    expect(await domain.getState()).toEqual({
      state: DomainState.PAUSED,
      reason: PausedReason.USER,
    });
    await domain.resume();
    expect((await domain.getState()).state).toBe(DomainState.RUNNING);
    expect(await domain.getInfo()).toMatchObject({ state: 1, maxMemoryKiB: 8192, vcpus: 1 });
    expect(await domain.getXml(XmlFlag.INACTIVE)).toContain("<name>lasting</name>");
    await domain.destroy();
    expect(await domain.getState()).toEqual({
      state: DomainState.SHUTOFF,
      reason: ShutoffReason.DESTROYED,
    });
    await domain.undefine();
    expect((await failureOf(domain.getState())).code).toBe(ErrorCode.NO_DOMAIN);
  });

  it("transient: gone when destroyed", async () => {
    const domain = await connection.createXml(xmlOf("passing"));
    expect([await domain.isActive(), await domain.isPersistent()]).toEqual([true, false]);
    await domain.shutdown();
    expect((await failureOf(connection.lookupByName("passing"))).code).toBe(ErrorCode.NO_DOMAIN);
  });
});

describe("events", () => {
  /** Collects until `count` have come. */
  function collect(count: number): {
    readonly listener: (event: DomainEvents["lifecycle"]) => void;
    readonly all: Promise<DomainEvents["lifecycle"][]>;
  } {
    const seen: DomainEvents["lifecycle"][] = [];
    let done: (events: DomainEvents["lifecycle"][]) => void = () => {};
    const all = new Promise<DomainEvents["lifecycle"][]>((resolve) => {
      done = resolve;
    });
    const listener = (event: DomainEvents["lifecycle"]): void => {
      seen.push(event);
      if (seen.length === count) done(seen);
    };
    return { listener, all };
  }

  it("come in order, with the domain they are about", async () => {
    const { listener, all } = collect(2);
    const stop = await connection.onDomainEvent("lifecycle", listener);
    const domain = await connection.defineXml(xmlOf("seen"));
    await domain.undefine();
    const about = { uuid: domain.uuid, name: "seen", id: null };
    expect(await all).toEqual([
      { domain: about, event: DomainEvent.DEFINED, detail: DefinedDetail.ADDED },
      { domain: about, event: DomainEvent.UNDEFINED, detail: UndefinedDetail.REMOVED },
    ]);
    await stop();
  });

  it("stop for the listener that stops, and for it alone", async () => {
    const first = collect(1);
    const second = collect(2);
    const stopFirst = await connection.onDomainEvent("lifecycle", first.listener);
    const stopSecond = await connection.onDomainEvent("lifecycle", second.listener);
    await connection.defineXml(xmlOf("one"));
    await first.all;
    await stopFirst();
    await stopFirst(); // A second time is nothing.
    await connection.defineXml(xmlOf("two"));
    expect((await second.all).map((event) => event.domain.name)).toEqual(["one", "two"]);
    expect(await first.all).toHaveLength(1);
    await stopSecond();
  });

  it("of kinds that the driver lacks are refused", async () => {
    // The test driver takes every kind of registration; it raises none of these.
    const stop = await connection.onDomainEvent("migrationIteration", () => {});
    await stop();
  });
});

describe("after close", () => {
  let domain: Domain;

  beforeEach(async () => {
    const other = await open("test:///default");
    domain = await other.lookupByName("test");
    await other.close();
  });

  const everyDomainCall: readonly (readonly [string, (domain: Domain) => Promise<unknown>])[] = [
    ["getState", (d) => d.getState()],
    ["getXml", (d) => d.getXml()],
    ["getInfo", (d) => d.getInfo()],
    ["isPersistent", (d) => d.isPersistent()],
    ["isActive", (d) => d.isActive()],
    ["create", (d) => d.create()],
    ["destroy", (d) => d.destroy()],
    ["undefine", (d) => d.undefine()],
    ["shutdown", (d) => d.shutdown()],
    ["suspend", (d) => d.suspend()],
    ["resume", (d) => d.resume()],
    ["migrateToUri3", (d) => d.migrateToUri3("qemu+tcp://nowhere/system", { bandwidth: 1 }, 3)],
    ["getJobStats", (d) => d.getJobStats()],
    ["abortJob", (d) => d.abortJob()],
    ["abortJobFlags", (d) => d.abortJobFlags(1)],
    ["migrateSetMaxSpeed", (d) => d.migrateSetMaxSpeed(1)],
    ["migrateGetMaxSpeed", (d) => d.migrateGetMaxSpeed()],
    ["migrateSetMaxDowntime", (d) => d.migrateSetMaxDowntime(1)],
    ["migrateGetMaxDowntime", (d) => d.migrateGetMaxDowntime()],
    ["migrateStartPostCopy", (d) => d.migrateStartPostCopy()],
    ["migrateSetCompressionCache", (d) => d.migrateSetCompressionCache(1)],
    ["migrateGetCompressionCache", (d) => d.migrateGetCompressionCache()],
    ["save", (d) => d.save("/nowhere/x")],
    ["saveParams", (d) => d.saveParams({ file: "/nowhere/x" })],
  ];

  it.each(everyDomainCall)("a domain's %s rejects with INVALID_CONN", async (_, call) => {
    expect((await failureOf(call(domain))).code).toBe(ErrorCode.INVALID_CONN);
  });

  it("the list above has every method of a domain", () => {
    const methods = Object.getOwnPropertyNames(Object.getPrototypeOf(domain));
    const calls = methods.filter((name) => name !== "constructor" && name !== "id");
    expect(everyDomainCall.map(([name]) => name).toSorted()).toEqual(calls.toSorted());
  });

  it("what is known without a call stays readable", () => {
    expect([domain.name, domain.uuid.length, domain.id]).toEqual(["test", 36, 1]);
  });

  const everyConnectionCall: readonly (readonly [string, (c: Connection) => Promise<unknown>])[] = [
    ["isAlive", (c) => c.isAlive()],
    ["setKeepAlive", (c) => c.setKeepAlive(5, 3)],
    ["hostname", (c) => c.hostname()],
    ["version", (c) => c.version()],
    ["libVersion", (c) => c.libVersion()],
    ["capabilities", (c) => c.capabilities()],
    ["compareCpu", (c) => c.compareCpu("<cpu/>")],
    ["compareHypervisorCpu", (c) => c.compareHypervisorCpu("<cpu/>", {})],
    ["listDomains", (c) => c.listDomains()],
    ["listActive", (c) => c.listActive()],
    ["getStates", (c) => c.getStates(["6695eb01-f6a4-8304-79aa-97f2502e193f"])],
    ["sampleJobs", (c) => c.sampleJobs(new JobSamples([]))],
    ["lookupByUuid", (c) => c.lookupByUuid("6695eb01-f6a4-8304-79aa-97f2502e193f")],
    ["lookupByName", (c) => c.lookupByName("test")],
    ["defineXml", (c) => c.defineXml(xmlOf("late"))],
    ["createXml", (c) => c.createXml(xmlOf("late"))],
    ["restore", (c) => c.restore("/nowhere/x")],
    ["restoreParams", (c) => c.restoreParams({ file: "/nowhere/x" })],
    ["onDomainEvent", (c) => c.onDomainEvent("lifecycle", () => {})],
  ];

  it.each(everyConnectionCall)("a connection's %s rejects with INVALID_CONN", async (_, call) => {
    const closed = await open("test:///default");
    await closed.close();
    expect((await failureOf(call(closed))).code).toBe(ErrorCode.INVALID_CONN);
  });

  it("closing is once, however often and at the same time", async () => {
    const closed = await open("test:///default");
    await Promise.all([closed.close(), closed.close()]);
    await closed.close();
  });

  it("what was in flight ends as if nothing had happened, or says that it was too late", async () => {
    const busy = await open("test:///default");
    const target = await busy.lookupByName("test");
    const calls = Array.from({ length: 64 }, () => target.getXml());
    const registering = failureOf(busy.onDomainEvent("lifecycle", () => {}));
    await busy.close();
    expect((await Promise.all(calls)).every((xml) => xml.includes("<name>test</name>"))).toBe(true);
    expect((await registering).code).toBe(ErrorCode.INVALID_CONN);
    expect((await failureOf(target.getXml())).code).toBe(ErrorCode.INVALID_CONN);
  });
});
