/** What an engine hears at once of a request that cannot be carried out: the VM is not one that migrates. */
import { describe, expect, it } from "vitest";
import { SmallHost } from "./small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";
const NOBODY = "00000000-0000-4000-8000-000000000000";

type Request = (host: SmallHost, vmId: string) => Promise<unknown>;

const migrate: Request = (host, vmId) => host.migrate(vmId);
const change: Request = (host, vmId) =>
  host.service.changeParams(vmId, { downtimeMs: 100 }, "a test");
const cancel: Request = (host, vmId) => host.service.cancel(vmId, "a test");
const status: Request = (host, vmId) => host.service.migrationStatus(vmId);
const stats: Request = (host, vmId) => host.service.vmStats(vmId);

async function hostWithVm(): Promise<SmallHost> {
  const host = await SmallHost.up();
  host.hypervisor.put(VM);
  return host;
}

it.each(Object.entries({ migrate, change, cancel, status, stats }))(
  "%s of a VM that nobody knows",
  async (_name, request) => {
    await expect(request(await hostWithVm(), NOBODY)).rejects.toMatchObject({ code: "noVm" });
  },
);

it.each<[string, Request, string, RegExp]>([
  ["change", change, "notMigrating", /not in progress/],
  ["cancel", cancel, "cancelFailed", /nothing is migrating/],
  ["status", status, "notMigrating", /./],
])("%s of a VM that does not migrate", async (_name, request, code, message) => {
  await expect(request(await hostWithVm(), VM)).rejects.toMatchObject({
    code,
    message: expect.stringMatching(message),
  });
});

describe("VM.migrate", () => {
  it("of a VM that is not running", async () => {
    const host = await hostWithVm();
    host.hypervisor.put(VM, { runState: "off" });
    await expect(host.migrate(VM)).rejects.toMatchObject({
      code: "noVm",
      message: expect.stringMatching(/not running/),
    });
  });

  it("of two at once for one VM accepts exactly one", async () => {
    const host = await hostWithVm();
    expect(await Promise.allSettled([host.migrate(VM), host.migrate(VM)])).toEqual([
      { status: "fulfilled", value: true },
      { status: "rejected", reason: expect.objectContaining({ code: "migrationInProgress" }) },
    ]);
  });

  it("with keys that nobody knows is accepted, and each is logged once", async () => {
    const host = await hostWithVm();
    for (let time = 0; time < 2; time += 1) {
      await host.migrate(VM, { unknownKeys: ["zerocopy", "convergenceFoo"] });
      await host.service.cancel(VM, "a test");
    }
    const told = host.lines.filter((line) => line.includes("unknown keys"));
    expect(told).toHaveLength(1);
    expect(told[0]).toContain('["zerocopy","convergenceFoo"]');
  });
});

describe("while the loop looks at the host in each cycle", () => {
  const OTHER = "22222222-2222-4222-8222-222222222222";

  /** Looks within so many questions in a row. */
  async function looksFor(host: SmallHost, questions: number): Promise<number> {
    const before = host.hypervisor.called.filter((call) => call.startsWith("scan")).length;
    for (let each = 0; each < questions; each += 1) await host.service.hostStats();
    return host.hypervisor.called.filter((call) => call.startsWith("scan")).length - before;
  }

  it("a question costs no look, until an event says that a guest has changed", async () => {
    const host = await SmallHost.up({ vars: { migration_monitor_interval: 60 } });
    host.hypervisor.put(VM);
    await host.migrate(VM);
    await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
    await host.service.hostStats();
    expect(await looksFor(host, 5)).toBe(0);
    host.hypervisor.put(OTHER);
    host.hypervisor.tell({ kind: "guest", vmId: OTHER, change: "started", incoming: false });
    expect(await host.service.hostStats()).toMatchObject({ vmCount: 2 });
  });
});
