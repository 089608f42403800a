/** What asking where a guest is costs, and that it has an end. */
import { expect, it } from "vitest";
import { SmallHost, WELCOMING } from "../small-host.ts";

const VM = "11111111-1111-4111-8111-111111111111";

it("where a guest is is asked again and again without its definition", async () => {
  const host = await SmallHost.up({ destination: WELCOMING });
  host.hypervisor.put(VM);
  await host.migrate(VM);
  await host.until(() => host.hypervisor.out.has(VM) || undefined, "the call");
  const { called } = host.hypervisor;
  called.length = 0;
  host.hypervisor.leave(VM);
  expect(await host.event("VM_migration_ended", VM)).toMatchObject({ outcome: "completed" });
  await expect(host.service.cancel(VM, "a test")).rejects.toMatchObject({ code: "cancelFailed" });
  expect(called).toContain(`runState ${VM}`);
  expect(called.filter((call) => /^(vmDetails|domainXml) /.test(call))).toEqual([]);
});
