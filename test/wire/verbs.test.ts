/**
 * From what a caller writes to what the monitor is asked: names and nesting (the normaliser), then
 * types, ranges and units (the schemas), through the handlers as the dispatcher calls them. The
 * service at the end notes what it was given.
 */

import { describe, expect, it } from "vitest";
import { MonitorError } from "../../src/errors.ts";
import type { MigrationService } from "../../src/monitor/service.ts";
import { EventRing } from "../../src/rpc/event-ring.ts";
import { bindVerbs, type Handlers } from "../../src/rpc/handlers.ts";
import { createNormaliser } from "../../src/wire/normaliser.ts";
import type { Role } from "../../src/rpc/roles.ts";
import { migrationStatusFields } from "../../src/wire/migration-fields.ts";
import { openRpcDocument } from "../../src/wire/openrpc.ts";
import * as results from "../../src/wire/results.ts";
import { describeParam } from "../../src/wire/verb.ts";
import { verbRows, verbTable } from "../../src/wire/verbs.ts";
import { sampleOf } from "../wire/samples.ts";

const vm = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";
const other = "1b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";

const status = sampleOf(migrationStatusFields);
const stats = sampleOf(results.vmStatsFields);

function recorder() {
  const calls: unknown[][] = [];
  const note = async <T>(result: T, ...call: unknown[]): Promise<T> => {
    calls.push(call);
    return await Promise.resolve(result);
  };
  const service: MigrationService = {
    migrate: (request, by) => note(true as const, "migrate", request, by),
    changeParams: (vmId, changes, by) => note(true as const, "changeParams", vmId, changes, by),
    cancel: (vmId, by) => note(true as const, "cancel", vmId, by),
    migrationCreate: (request, source) =>
      note(sampleOf(results.migrationCreateFields), "migrationCreate", request, source),
    destroy: (vmId, ...options) => note(true as const, "destroy", vmId, ...options),
    migrateCheck: (request) => note([], "migrateCheck", request),
    migrationStatus: (vmId) => note(status, "migrationStatus", vmId),
    explain: (question) => note(sampleOf(results.explainFields), "explain", question),
    migrations: (...of) => note([], "migrations", ...of),
    vmStats: (vmId) => note(stats, "vmStats", vmId),
    allVmStats: () => note([stats], "allVmStats"),
    vmList: () => note([sampleOf(results.vmListFields)], "vmList"),
    hostStats: () => note(sampleOf(results.hostStatsFields), "hostStats"),
    capabilities: () => note(sampleOf(results.capabilitiesFields), "capabilities"),
  };
  return { service, calls };
}

function caller(role: Role) {
  return { source: "192.0.2.9", name: "CN=engine", role: () => role };
}

async function call(method: string, params: unknown, role: Role = "control") {
  const { service, calls } = recorder();
  const handlers: Handlers = bindVerbs(service, new EventRing(), "1.2.3");
  const normal = createNormaliser(verbTable)(method, params);
  const result = await handlers[normal.method]?.(normal.params, caller(role));
  return { result, call: calls[0] };
}

async function refusal(method: string, params: unknown): Promise<MonitorError> {
  try {
    await call(method, params);
  } catch (error) {
    if (error instanceof MonitorError) return error;
    throw error;
  }
  throw new Error("accepted");
}

const migrate = async (params: object) =>
  (await call("VM.migrate", { vmID: vm, params: { dst: "host-b", ...params } })).call?.[1];
const change = async (params: object) =>
  (await call("VM.migrateChangeParams", { vmID: vm, params })).call?.[2];

const plain = {
  vmId: vm,
  mode: "remote",
  dst: "host-b",
  compressed: false,
  autoConverge: false,
  abortOnError: false,
  encrypted: false,
  tunneled: false,
  unknownKeys: [],
};

describe("the verb table", () => {
  it("has a handler for each verb and no other", () => {
    const names = verbRows().map((verb) => verb.name);
    expect(Object.keys(bindVerbs(recorder().service, new EventRing(), "1.2.3")).toSorted()).toEqual(
      names.toSorted(),
    );
  });

  it("has no name twice", () => {
    const names = verbRows().flatMap((verb) => [verb.name, ...verb.aliases]);
    expect(new Set(names).size).toBe(names.length);
  });

  it("has a type and a sentence for each parameter", () => {
    for (const [name, field] of verbRows().flatMap(({ params }) => Object.entries(params))) {
      expect(describeParam(field), name).not.toBe("");
      expect(field.doc, name).toMatch(/\.$/);
      expect(field.optional, name).not.toBe("");
    }
  });
});

describe("one call, however it is written", () => {
  const shapes: readonly [string, string, unknown][] = [
    ["VDSM's nesting", "VM.migrate", { vmID: vm, params: { dst: "host-b", downtime: 500 } }],
    ["flat", "VM.migrate", { vmID: vm, dst: "host-b", downtime: 500 }],
    [
      "part nested, part flat",
      "VM.migrate",
      { vmID: vm, dst: "host-b", params: { downtime: 500 } },
    ],
    ["vmId", "VM.migrate", { vmId: vm, dst: "host-b", downtime: 500 }],
    [
      "the VM in both places",
      "VM.migrate",
      { vmID: vm, params: { vmId: vm, dst: "host-b", downtime: 500 } },
    ],
    ["the VM in capitals", "VM.migrate", { vmID: vm.toUpperCase(), dst: "host-b", downtime: 500 }],
    [
      "the VM in both places, once in capitals",
      "VM.migrate",
      { vmID: vm, vmId: vm.toUpperCase(), dst: "host-b", downtime: 500 },
    ],
    [
      "an equal value in both places",
      "VM.migrate",
      { vmID: vm, downtime: 500, params: { dst: "host-b", downtime: 500 } },
    ],
    ["positions", "VM.migrate", [vm, { dst: "host-b", downtime: 500 }]],
    ["without prefix", "migrate", { vmID: vm, dst: "host-b", downtime: 500 }],
    [
      "what is the default",
      "migrate",
      { vmID: vm, dst: "host-b", downtime: 500, mode: "remote", method: "online" },
    ],
  ];
  it.each(shapes)("%s", async (_what, method, params) => {
    expect(await call(method, params)).toEqual({
      result: true,
      call: ["migrate", { ...plain, downtimeMs: 500 }, "CN=engine"],
    });
  });

  it.each([
    [
      "migrateChangeParams",
      { vmID: vm, downtime: 5 },
      ["changeParams", vm, { downtimeMs: 5 }, "CN=engine"],
      true,
    ],
    ["migrateCancel", { vmId: vm }, ["cancel", vm, "CN=engine"], true],
    ["VM.migrateCancel", [vm], ["cancel", vm, "CN=engine"], true],
    ["VM.migrateCancel", { vmID: vm, params: {} }, ["cancel", vm, "CN=engine"], true],
    ["migrateStatus", { vmID: vm }, ["migrationStatus", vm], status],
    ["VM.getMigrationStatus", { vmID: vm }, ["migrationStatus", vm], status],
    ["VM.getStats", { vmID: vm }, ["vmStats", vm], [stats]],
    ["Host.getAllVmStats", undefined, ["allVmStats"], [stats]],
    ["Host.getVMList", { onlyUUID: false }, ["vmList"], [sampleOf(results.vmListFields)]],
    ["Host.getStats", [], ["hostStats"], sampleOf(results.hostStatsFields)],
    ["Host.getCapabilities", [], ["capabilities"], sampleOf(results.capabilitiesFields)],
    ["Host.getMigrations", {}, ["migrations", undefined], []],
    ["Host.getMigrations", { vmID: vm.toUpperCase() }, ["migrations", vm], []],
    ["Host.getMigrations", { params: { vmId: vm } }, ["migrations", vm], []],
    ["Host.getMigrations", [vm], ["migrations", vm], []],
    ["Host.ping2", undefined, undefined, true],
    ["rpc.discover", undefined, undefined, openRpcDocument("1.2.3")],
  ])("%s %j", async (method, params, expectedCall, result) => {
    expect(await call(method, params)).toEqual({ result, call: expectedCall });
  });
});

describe("VM.migrate turns the wire's units into ours", () => {
  it.each([
    [{ downtime: 1 }, { downtimeMs: 1 }],
    [{ downtime: 2_000_000 }, { downtimeMs: 2_000_000 }],
    [{ downtime: null }, {}],
    [{ migrationProgressTimeout: 1 }, { progressTimeoutMs: 1000 }],
    [{ stallingLimit: 0 }, { stallingLimitMs: 0 }],
    [{ stallingLimit: 7 }, { stallingLimitMs: 7000 }],
    [{ maxBandwidth: 1 }, { maxBandwidthMiBps: 1 }],
    [{ maxBandwidth: 1_048_576 }, { maxBandwidthMiBps: 1_048_576 }],
    [{ maxBandwidth: 0 }, {}],
    [{ maxBandwidth: null }, {}],
    [{ parallel: 0 }, {}],
    [{ parallel: null }, {}],
    [{ parallel: 1 }, { parallel: 1 }],
    [{ parallel: 255 }, { parallel: 255 }],
    [{ compressed: "true", autoConverge: "false" }, { compressed: true }],
    [
      { encrypted: "True", tunneled: true },
      { encrypted: true, tunneled: true },
    ],
    [{ abortOnError: null }, {}],
    [{ dst: "HOST-B:54321" }, { dst: "host-b:54321" }],
    [{ dst: "[fe80::1]:54321" }, { dst: "[fe80::1]:54321" }],
    [{ dstqemu: "[FE80::1]" }, { dstqemu: "fe80::1" }],
    [{ dstqemu: "", consoleAddress: null }, {}],
    [{ consoleAddress: "10.0.0.1" }, { consoleAddress: "10.0.0.1" }],
    [{ dstparams: "relative" }, {}],
    [
      { mode: "file", dst: "/i/a.img", dstparams: "/i/a.json" },
      { mode: "file", dst: "/i/a.img", dstparams: "/i/a.json" },
    ],
    [{ zerocopy: false, constructor: 1 }, { unknownKeys: ["zerocopy", "constructor"] }],
  ])("%j", async (params, expected) => {
    expect(await migrate(params)).toEqual({ ...plain, ...expected });
  });
});

describe("VM.migrate refuses, naming the parameter", () => {
  it.each([
    ["dst", { dst: undefined }],
    ["dst", { dst: 5 }],
    ["dst", { dst: "" }],
    ["dst", { dst: null }],
    ["dst", { dst: "host-b/system" }],
    ["dst", { dst: "-host" }],
    ["dst", { mode: "file", dst: "images/a", dstparams: "/i/a.json" }],
    ["dst", { mode: "file", dst: "/i/a\0", dstparams: "/i/a.json" }],
    ["dstparams", { mode: "file", dst: "/i/a" }],
    ["dstparams", { mode: "file", dst: "/i/a", dstparams: "a.json" }],
    ["mode", { mode: "tape" }],
    ["method", { method: "offline" }],
    ["downtime", { downtime: -1 }],
    ["downtime", { downtime: 2_000_001 }],
    ["downtime", { downtime: 1.5 }],
    ["migrationProgressTimeout", { migrationProgressTimeout: 0 }],
    ["migrationProgressTimeout", { migrationProgressTimeout: 0.5 }],
    ["stallingLimit", { stallingLimit: -1 }],
    ["stallingLimit", { stallingLimit: 1.5 }],
    ["maxBandwidth", { maxBandwidth: -1 }],
    ["maxBandwidth", { maxBandwidth: 1_048_577 }],
    ["parallel", { parallel: 256 }],
    ["parallel", { parallel: -1 }],
    ["compressed", { compressed: "yes" }],
    ["compressed", { compressed: 1 }],
    ["dstqemu", { dstqemu: "host-b:49152" }],
    ["dstqemu", { dstqemu: "a,b=c" }],
    ["consoleAddress", { consoleAddress: "tls-port=1" }],
  ])("%s %j", async (parameter, params) => {
    const error = await refusal("VM.migrate", { vmID: vm, params: { dst: "host-b", ...params } });
    expect(error.code).toBe("invalidParams");
    expect(error.details).toEqual({ parameter });
    expect(error.message).toMatch(new RegExp(`^${parameter}[ :]`));
  });

  it.each([
    ["vmID", "VM.migrate", { dst: "host-b" }],
    ["vmID", "VM.migrate", undefined],
    ["vmID", "VM.migrate", []],
    ["vmID", "VM.migrate", { vmID: null, dst: "host-b" }],
    ["vmID", "VM.migrate", { vmID: "not-a-uuid", dst: "host-b" }],
    ["vmID", "VM.migrate", { vmID: `${vm}0`, dst: "host-b" }],
    ["vmID", "VM.migrate", { vmID: vm, vmId: other, dst: "host-b" }],
    ["vmID", "VM.migrate", { vmID: vm, params: { vmId: other, dst: "host-b" } }],
    ["downtime", "VM.migrate", { vmID: vm, downtime: 1, params: { dst: "host-b", downtime: 2 } }],
    ["dst", "VM.migrate", { vmID: vm, dst: "a", params: { dst: "b" } }],
    ["params", "VM.migrate", { vmID: vm, params: "dst" }],
    ["params", "VM.migrate", { vmID: vm, params: [] }],
    ["params", "VM.migrate", { vmID: vm, params: null }],
    ["params", "VM.migrate", [vm, {}, {}]],
    ["params", "VM.migrate", "dst"],
    ["params", "Host.ping2", null],
    ["params", "Host.ping2", [1]],
    ["vmID", "VM.migrateCancel", {}],
    ["vmID", "VM.getStats", {}],
    ["force", "VM.migrateCancel", { vmID: vm, force: true }],
  ])("%s of %s %j", async (parameter, method, params) => {
    const error = await refusal(method, params);
    expect(error.code).toBe("invalidParams");
    expect(error.details).toEqual({ parameter });
  });

  it("says what is missing, what was given and what is allowed", async () => {
    const missing = await refusal("VM.migrate", { vmID: vm });
    expect(missing.message).toMatch(/^dst is missing: string, host/);
    const beyond = await refusal("VM.migrate", { vmID: vm, dst: "b", downtime: "5x" });
    expect(beyond.message).toBe(
      'downtime: "5x" is invalid; expected: integer or string of digits, 0 to 2000000, ms',
    );
  });

  it("shows no more than a piece of a long value", async () => {
    const error = await refusal("VM.migrate", { vmID: vm, dst: "/".repeat(100_000) });
    expect(error.message.length).toBeLessThan(300);
  });
});

describe("VM.migrateChangeParams takes", () => {
  it.each([
    [{ downtime: 1 }, { downtimeMs: 1 }],
    [{ downtime: 2_000_000 }, { downtimeMs: 2_000_000 }],
    [{ migrationTechnique: "post-copy" }, { migrationTechnique: "post-copy" }],
    [{ migrationTechnique: "pre-copy" }, { migrationTechnique: "pre-copy" }],
    [{ stallingLimit: 0 }, { stallingLimitMs: 0 }],
    [{ maxBandwidth: 1 }, { maxBandwidthMiBps: 1 }],
    [{ migrationProgressTimeout: 1 }, { progressTimeoutMs: 1000 }],
    [
      { stallingLimit: 2, downtime: 3 },
      { stallingLimitMs: 2000, downtimeMs: 3 },
    ],
  ])("%j", async (params, expected) => {
    expect(await change(params)).toEqual(expected);
  });
});

describe("VM.migrateChangeParams refuses, naming the parameter", () => {
  it.each([
    ["params", {}],
    ["downtime", { downtime: 0 }],
    ["downtime", { downtime: 2_000_001 }],
    ["downtime", { downtime: null }],
    ["migrationTechnique", { migrationTechnique: "postcopy" }],
    ["stallingLimit", { stallingLimit: -1 }],
    ["stallingLimit", { stallingLimit: null }],
    ["maxBandwidth", { maxBandwidth: 0 }],
    ["maxBandwidth", { maxBandwidth: null }],
    ["maxBandwidth", { maxBandwidth: 1_048_577 }],
    ["migrationProgressTimeout", { migrationProgressTimeout: 0 }],
    ["parallel", { parallel: 2, downtime: 5 }],
    ["dst", { dst: "host-b" }],
    ["toString", { toString: 1, downtime: 5 }],
  ])("%s %j", async (parameter, params) => {
    const error = await refusal("VM.migrateChangeParams", { vmID: vm, params });
    expect(error.code).toBe("invalidParams");
    expect(error.details).toEqual({ parameter });
  });

  it("an own key named __proto__", async () => {
    const params = JSON.parse(`{"vmID":"${vm}","downtime":5,"__proto__":{"downtime":6}}`);
    const error = await refusal("VM.migrateChangeParams", params);
    expect(error.details).toEqual({ parameter: "__proto__" });
  });
});

describe("VM.destroy", () => {
  it.each<[Role, readonly unknown[]]>([
    ["control", ["destroy", vm]],
    ["peer", ["destroy", vm, { onlyReservationOf: "192.0.2.9" }]],
    // Neither gets here; if they did, they would get no more than a peer.
    ["read-only", ["destroy", vm, { onlyReservationOf: "192.0.2.9" }]],
    ["none", ["destroy", vm, { onlyReservationOf: "192.0.2.9" }]],
  ])("of role %s asks for %j", async (role, asked) => {
    expect((await call("VM.destroy", { vmID: vm }, role)).call).toEqual(asked);
  });
});

describe("Host.getEvents", () => {
  it("answers with the events from since on, and says which run of the daemon they are of", async () => {
    const { service } = recorder();
    const events = new EventRing();
    const shown = ["a", "b"].map((name) => ({ method: name, params: { [vm]: {} } }));
    for (const event of shown) events.add(event);
    const handlers: Handlers = bindVerbs(service, events, "1.2.3");
    const normalise = createNormaliser(verbTable);
    const ask = async (params: unknown) =>
      await handlers["Host.getEvents"]?.(
        normalise("Host.getEvents", params).params,
        caller("control"),
      );
    const [a, b] = shown.map((event, index) => ({ seq: index + 1, ...event }));
    const { epoch } = events;
    const rest = { epoch, first: 1, next: 3, gone: false };
    expect(await ask(undefined)).toEqual({ ...rest, events: [a, b] });
    expect(await ask({ since: 2 })).toEqual({ ...rest, events: [b] });
    expect(await ask([3])).toEqual({ ...rest, events: [] });
    expect(await ask({ since: 2, epoch })).toEqual({ ...rest, events: [b] });
    expect(await ask([2, vm])).toEqual({ ...rest, gone: true, events: [a, b] });
  });

  it.each([
    ["since", { since: -1 }],
    ["since", { since: 1.5 }],
    ["since", { since: 2 ** 53 }],
    ["epoch", { epoch: "now" }],
    ["from", { from: 1 }],
    ["params", [1, vm, 3]],
  ])("refuses %s %j", async (parameter, params) => {
    const error = await refusal("Host.getEvents", params);
    expect([error.code, error.details]).toEqual(["invalidParams", { parameter }]);
  });
});

it.each(["VM.nope", "", "constructor", "__proto__", "rpc.describe", "vm.migrate"])(
  "no verb is called %j",
  async (method) => {
    expect((await refusal(method, {})).code).toBe("methodNotFound");
  },
);
