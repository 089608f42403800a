/** VM.migrateCheck beside what only two hosts can show: each thing in the way, and that nothing is done. */
import { describe, expect, it } from "vitest";
import { NOT_BEGUN } from "../../core/fixtures.ts";
import { requestOf } from "../../journal/fixtures.ts";
import { SmallHost, WELCOMING, type SmallHostOptions } from "../small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";

async function hostWith(options: SmallHostOptions = {}): Promise<SmallHost> {
  const host = await SmallHost.up({ destination: WELCOMING, ...options });
  host.hypervisor.put(VM);
  return host;
}

async function checks(host: SmallHost, fields = {}): Promise<Map<unknown, unknown>> {
  // No resolver is needed for it, and the system refuses a connect to it at once.
  const request = { ...requestOf(VM), dst: "255.255.255.255", ...fields };
  const found = await host.service.migrateCheck(request);
  return new Map(found.map(({ check, ok, detail }) => [check, [ok, detail]]));
}

describe("VM.migrateCheck", () => {
  it("calls nothing that changes anything", async () => {
    const host = await hostWith();
    await checks(host);
    const reads = ["vmDetails", "jobView", "guestDevices", "destinationHost", "scan"];
    const names = host.hypervisor.called.map((call) => call.split(" ")[0] ?? "");
    expect(names.filter((name) => !reads.includes(name))).toEqual([]);
    expect(host.events).toEqual([]);
    expect(host.registry.live()).toEqual([]);
  });

  it("sees a job, a VM that is arriving, and one that migrates already", async () => {
    const host = await hostWith();
    const vm = host.hypervisor.vms.get(VM);
    if (vm === undefined) throw new Error("unreachable");
    vm.job = { ...NOT_BEGUN, operation: "backup" };
    expect((await checks(host)).get("job")).toEqual([false, expect.stringMatching(/backup/)]);
    vm.job = "incoming";
    expect((await checks(host)).get("job")).toEqual([false, expect.stringMatching(/arriving/)]);
    host.hypervisor.put(VM);
    await host.migrate(VM);
    expect((await checks(host)).get("job")).toEqual([false, expect.stringMatching(/already/)]);
  });

  it.each(["asleep", "ioError", "off"] as const)("a VM that is %s may not go", async (runState) => {
    const host = await hostWith();
    host.hypervisor.put(VM, { runState });
    expect((await checks(host)).get("vm")).toEqual([false, expect.any(String)]);
  });

  it("of a VM that is off it cannot be told whether post-copy is possible", async () => {
    const host = await hostWith();
    host.hypervisor.put(VM, { runState: "off" });
    expect((await checks(host)).get("postCopy")).toEqual([null, "the VM is off"]);
    host.hypervisor.put(VM, { runState: "suspended" });
    expect((await checks(host)).get("postCopy")).toEqual([false, "the guest is paused"]);
  });

  it("the slots of this host, and what waits for them", async () => {
    const host = await hostWith({ vars: { max_outgoing_migrations: 1 } });
    expect((await checks(host)).get("outgoingSlot")).toEqual([true, "0 of 1 in use"]);
    const [one, two] = [
      "22222222-2222-4222-8222-222222222222",
      "33333333-3333-4333-8333-333333333333",
    ];
    host.hypervisor.put(one ?? "");
    host.hypervisor.put(two ?? "");
    await host.migrate(one ?? "");
    await host.migrate(two ?? "");
    expect((await checks(host)).get("outgoingSlot")).toEqual([
      false,
      "1 of 1 in use, 1 waiting: it would wait",
    ]);
  });

  it("a stock VDSM tells neither version nor slots", async () => {
    const found = await checks(await hostWith());
    expect(found.get("daemon")).toEqual([true, expect.any(String)]);
    expect(found.get("version")).toEqual([null, expect.stringMatching(/stock VDSM/)]);
    expect(found.get("incomingSlot")).toEqual([null, expect.any(String)]);
  });

  it("a VM of that id over there", async () => {
    // WELCOMING has every VM.
    expect((await checks(await hostWith())).get("absentThere")).toEqual([
      false,
      expect.stringMatching(/runs there/),
    ]);
  });

  it("with peer.mode none nobody is asked, and that is said", async () => {
    const host = await SmallHost.up();
    host.hypervisor.put(VM);
    const found = await checks(host);
    for (const name of ["daemon", "version", "incomingSlot", "absentThere", "certificates"]) {
      expect(found.get(name)).toEqual([null, expect.stringMatching(/peer\.mode is none/)]);
    }
    expect(found.get("libvirt")).toEqual([true, expect.stringMatching(/host2: libvirt 9/)]);
  });

  it("what a defect leaves out is said, and the others are there", async () => {
    const host = await hostWith();
    host.hypervisor.faults.add(`guestDevices ${VM}`);
    const found = await checks(host);
    expect(found.get("disks")?.toString()).toMatch(/a defect in guestDevices/);
    expect(found.get("libvirt")?.toString()).toMatch(/^true/);
  });

  it("is for mode remote, and for VMs that are here", async () => {
    const host = await hostWith();
    await expect(checks(host, { mode: "file" })).rejects.toMatchObject({ code: "invalidParams" });
    await expect(
      checks(host, { vmId: "44444444-4444-4444-8444-444444444444" }),
    ).rejects.toMatchObject({ code: "noVm" });
  });
});
