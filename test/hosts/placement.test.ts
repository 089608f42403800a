/**
 * A guest pinned to the destination's CPUs and NUMA nodes that the caller names, with a console
 * that listens on the destination's address instead of the source's: both in the running and in the
 * persistent definition, the rest of which is unchanged.
 */
import { expect, it } from "vitest";
import type { Guest, Host } from "../lab/api.ts";
import { expectRunsOn, refusal, useDaemons } from "./pair.ts";

const pair = useDaemons();
const PASSWORD = "s3cret";

function startPinned(): Promise<Guest> {
  const listen = pair.lab.a.controlAddress;
  return pair.lab.a.startGuest({
    persistent: true,
    vcpus: 2,
    domainXml: `
  <metadata><n:note xmlns:n='urn:note'><![CDATA[<listen address='${listen}'/>]]></n:note></metadata>
  <cputune><vcpupin vcpu='0' cpuset='0'/><vcpupin vcpu='1' cpuset='0'/><emulatorpin cpuset='0'/></cputune>
  <numatune><memnode cellid='0' mode='preferred' nodeset='0'/></numatune>
  <cpu><numa><cell id='0' cpus='0-1' memory='48' unit='MiB'/></numa></cpu>`,
    devicesXml: `<graphics type='vnc' port='-1' listen='${listen}' passwd='${PASSWORD}'/>`,
  });
}

async function xmlOf(guest: Guest, host: Host, ...options: string[]): Promise<string> {
  return host.virsh("dumpxml", "--security-info", ...options, guest.uuid);
}

it("cpusets and numaNodesets that do not fit are refused (91), and nothing moves", async () => {
  const guest = await startPinned();
  const migrate = (params: Record<string, unknown>): Promise<unknown> =>
    pair.a.call("VM.migrate", { vmID: guest.uuid, params: { dst: "host-b", ...params } });

  await expect(migrate({ cpusets: ["1"] })).rejects.toMatchObject(refusal(91, /2 vCPUs/));
  await expect(migrate({ cpusets: ["1", "1'/>"] })).rejects.toMatchObject(
    refusal(91, /cpusets\[1\]/),
  );
  await expect(migrate({ numaNodesets: ["0", "0"] })).rejects.toMatchObject(
    refusal(91, /1 NUMA nodes/),
  );
  await expect(migrate({ cpusets: "0" })).rejects.toMatchObject(refusal(-32602, /cpusets/));
  await expectRunsOn(guest, pair.lab.a);
});

it("a guest arrives pinned as asked for, and listens on the destination's address", async () => {
  const guest = await startPinned();

  await pair.a.call("VM.migrate", {
    vmID: guest.uuid,
    params: { dst: "host-b", cpusets: ["1", "0,1"], numaNodesets: ["0"] },
  });

  expect(await pair.a.ended(guest.uuid)).toMatchObject({ outcome: "completed" });
  await expectRunsOn(guest, pair.lab.b);
  const pins = (await pair.lab.b.virsh("vcpupin", guest.uuid)).match(/\S+/g);
  expect(pins).toEqual(["0", "1", "1", "0-1"]);
  for (const options of [[], ["--inactive"]]) {
    const xml = await xmlOf(guest, pair.lab.b, ...options);
    expect(xml).toContain(`<listen type='address' address='${pair.lab.b.controlAddress}'/>`);
    expect(xml).toContain(`passwd='${PASSWORD}'`);
    expect(xml).toMatch(/<vcpupin vcpu='0' cpuset='1'\/>\s*<vcpupin vcpu='1' cpuset='0-1'\/>/);
    expect(xml).toContain("<emulatorpin cpuset='0'/>");
    expect(xml).toContain("<memnode cellid='0' mode='preferred' nodeset='0'/>");
    // Foreign metadata is left alone.
    expect(xml).toContain(`listen address='${pair.lab.a.controlAddress}'`);
  }
});
