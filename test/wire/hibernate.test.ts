/** VM.hibernate and Host.ping: what VDSM's callers ask for in their way. */

import { describe, expect, it } from "vitest";
import { MonitorError } from "../../src/errors.ts";
import type { MigrateRequest, MigrationService } from "../../src/monitor/service.ts";
import { EventRing } from "../../src/rpc/event-ring.ts";
import { bindVerbs, type Handlers } from "../../src/rpc/handlers.ts";
import { createNormaliser } from "../../src/wire/normaliser.ts";
import type { Role } from "../../src/rpc/roles.ts";
import { verbTable } from "../../src/wire/verbs.ts";
import { watchingService } from "../fuzz/service.ts";

const vmID = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789a0";
const normalise = createNormaliser(verbTable);

async function call(method: string, params: unknown, migrate?: MigrationService["migrate"]) {
  const asked: MigrateRequest[] = [];
  const service: MigrationService = {
    ...watchingService(),
    migrate: async (request, by) => {
      asked.push(request);
      return (await migrate?.(request, by)) ?? true;
    },
  };
  const handlers: Handlers = bindVerbs(service, new EventRing(), "1.2.3");
  const normal = normalise(method, params);
  const caller = { source: "192.0.2.9", name: "CN=engine", role: (): Role => "control" };
  return { result: await handlers[normal.method]?.(normal.params, caller), asked };
}

describe("VM.hibernate", () => {
  it.each<[string, unknown]>([
    ["by names", { vmID, hibernationVolHandle: "/images/a" }],
    ["as vdsm-client nests it", { vmID, params: { hibernationVolHandle: "/images/a" } }],
    ["by positions", [vmID, "/images/a"]],
    ["with what VDSM does not know either", { vmID, hibernationVolHandle: "/images/a", x: 1 }],
  ])("saves to the path, %s", async (_how, params) => {
    const { result, asked } = await call("VM.hibernate", params);
    expect(result).toBe(true);
    expect(asked).toEqual([
      expect.objectContaining({
        vmId: vmID,
        mode: "file",
        dst: "/images/a",
        dstparams: "/images/a.json",
      }),
    ]);
  });

  it.each([
    "a1b2,c3d4,e5f6,0718,2930,4152",
    "images/a",
    "",
    "/a\0b",
    `/${"a".repeat(4092)}`,
    5,
    null,
    undefined,
    { domainID: "a" },
  ])("refuses %j as no path, and says what is wanted", async (hibernationVolHandle) => {
    const asked = call("VM.hibernate", { vmID, hibernationVolHandle });
    await expect(asked).rejects.toMatchObject({
      code: "invalidParams",
      details: { parameter: "hibernationVolHandle" },
      message: expect.stringMatching(
        /^hibernationVolHandle.*absolute path below vars.hibernation_dir/,
      ),
    });
  });

  it.each(["dst", "dstparams"])("names the handle where %s is refused", async (name) => {
    const asked = call("VM.hibernate", { vmID, hibernationVolHandle: "/images/a" }, async () => {
      await Promise.resolve();
      throw new MonitorError("invalidParams", `${name}: "/images/a": exists and is not empty`);
    });
    await expect(asked).rejects.toMatchObject({
      code: "invalidParams",
      details: { parameter: "hibernationVolHandle" },
      message: 'hibernationVolHandle: "/images/a": exists and is not empty',
    });
  });

  it("hands on every other refusal as it is", async () => {
    const busy = new MonitorError("migrationInProgress", `VM ${vmID} is already migrating`);
    const asked = call("VM.hibernate", { vmID, hibernationVolHandle: "/images/a" }, async () => {
      await Promise.resolve();
      throw busy;
    });
    await expect(asked).rejects.toBe(busy);
  });
});

it.each([undefined, {}, [], { any: 1 }])("Host.ping answers true (%j)", async (params) => {
  expect((await call("Host.ping", params)).result).toBe(true);
});
