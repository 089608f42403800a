/** How a host judges a CPU: its own, a guest's, and one that it cannot provide. */
import { type Connection, CompareCpuFlag, CpuCompareResult, ErrorCode, open } from "libvirt";
import { afterAll, afterEach, beforeAll, expect, it } from "vitest";
import { sharedLab } from "../../lab/shared-lab.ts";

const lab = sharedLab();
let connection: Connection;
beforeAll(async () => {
  connection = await open(lab.b.libvirtUri);
});
afterAll(() => connection.close());
afterEach(() => lab.clear());

const TCG = { virtType: "qemu", arch: "x86_64", machine: "pc" } as const;
/** A model that QEMU's emulated CPU never matches, whatever the machine. */
const IMPOSSIBLE =
  "<cpu mode='custom' match='exact'><model>EPYC</model><feature policy='require' name='avx512f'/></cpu>";

const cpuIn = (xml: string): string => /<cpu[ >][^]*?<\/cpu>/.exec(xml)?.[0] ?? "";

it("is compared with the host's, and with what a guest can have there", async () => {
  const guest = await lab.a.startGuest();
  const cpu = cpuIn(await lab.a.virsh("dumpxml", guest.uuid));
  const own = cpuIn(await connection.capabilities());

  expect(await connection.compareCpu(own)).toBe(CpuCompareResult.IDENTICAL);
  expect(await connection.compareHypervisorCpu(cpu, TCG)).toBe(CpuCompareResult.SUPERSET);
  expect(await connection.compareHypervisorCpu(IMPOSSIBLE, TCG)).toBe(
    CpuCompareResult.INCOMPATIBLE,
  );
  await expect(
    connection.compareHypervisorCpu(IMPOSSIBLE, TCG, CompareCpuFlag.FAIL_INCOMPATIBLE),
  ).rejects.toMatchObject({
    code: ErrorCode.CPU_INCOMPATIBLE,
    libvirtMessage: expect.stringContaining("avx512f"),
  });
});
