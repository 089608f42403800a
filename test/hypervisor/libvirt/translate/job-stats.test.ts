/** What the core is told of a job: libvirt's fields by name, and none where libvirt has no answer. */
import { JobOperation, JobType } from "libvirt";
import { expect, it } from "vitest";
import { handledPagesBytes } from "../../../../src/core/job-stats.ts";
import { jobStatsFromLibvirt } from "../../../../src/hypervisor/libvirt/translate/job-stats.ts";

const RUNNING = { type: JobType.UNBOUNDED, operation: JobOperation.MIGRATION_OUT };

it.each([
  ["none said", undefined, undefined],
  ["a figure", 8_719, 8_719],
  ["QEMU 11 before it has measured", 9_223_372_036_854_775_807n, undefined],
  ["the same in a sample", Number.MAX_SAFE_INTEGER, undefined],
])("expected downtime: %s", (_name, downtimeMs, expected) => {
  const given = downtimeMs === undefined ? RUNNING : { ...RUNNING, downtimeMs };
  expect(jobStatsFromLibvirt(given).downtimeMs).toBe(expected);
});

it("pages handled are whole, constant and compressed ones; unknown before libvirt counts them", () => {
  const counted = {
    ...RUNNING,
    memoryNormalPages: 100,
    memoryConstantPages: 20,
    compressionPages: 3,
    memoryPageSizeBytes: 4_096,
    memoryRemainingBytes: 8_192n,
  };
  const stats = jobStatsFromLibvirt(counted);
  expect(handledPagesBytes(stats)).toBe(123 * 4_096);
  expect(stats.memoryRemainingBytes).toBe(8_192);
  expect(handledPagesBytes(jobStatsFromLibvirt(RUNNING))).toBeUndefined();
});
