/** Answers and events have the fields that are declared for them, in every phase, and no others. */
import { describe, expect, it } from "vitest";
import type { CoreEvent } from "../../src/core/event.ts";
import { PLAIN_OPTIONS } from "../../src/monitor/service.ts";
import { eventMessage } from "../../src/wire/event-message.ts";
import { object } from "../../src/wire/field.ts";
import { foreignEntry, migrationEntry, migrationStatus } from "../../src/wire/migration-answer.ts";
import { migrationFields, migrationStatusFields } from "../../src/wire/migration-fields.ts";
import { verbs } from "../../src/wire/verbs.ts";
import { ALL_PHASES, inPhase, LIMITS, NOT_BEGUN, sample, type Run } from "../core/fixtures.ts";
import { SmallHost, WELCOMING } from "../monitor/small-host.ts";
import { expectAsDeclared, expectEventAsDeclared } from "./samples.ts";

const VM = "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";
const OTHER = "1b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";
const ID = "2b6f2f0e-5a0c-4f7e-9d0e-0123456789ab";
const NOW = { monotonicMs: 5_000, wallMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678) };

describe.each(ALL_PHASES)("in phase %s", (phase) => {
  const run = inPhase(phase);
  const migration = { ...run.migration, facts: { ...run.migration.facts, vmId: VM } };

  it("VM.getMigrationStatus", () => {
    expectAsDeclared(object(migrationStatusFields, ""), migrationStatus(migration, run.nowMs));
  });

  it("Host.getMigrations", () => {
    const entry = migrationEntry(
      {
        id: ID,
        migration,
        request: { vmId: VM, mode: "remote", dst: "host-b", ...PLAIN_OPTIONS },
        acceptedAtWallMs: NOW.wallMs,
        endedAtWallMs: phase === "ended" ? NOW.wallMs : null,
      },
      run.nowMs,
    );
    expectAsDeclared(object(migrationFields, ""), entry);
  });
});

/** Half of what the engine allows, since there are two; then libvirt answers no more. */
function stalled(): Run {
  const run = inPhase("running", { limits: { ...LIMITS, stallingLimitMs: 2_000 } });
  run.cycle(sample(), { sourceMigrations: 2 });
  run.accepted("setMaxBandwidth", 26);
  for (let seconds = 0; seconds < 3; seconds += 1) {
    run.nowMs += 1_000;
    run.cycle(null, { sourceMigrations: 2 });
  }
  return run;
}

function deferred(): Run {
  const run = inPhase("preparing");
  run.give({ kind: "deferred", retryAtMs: run.nowMs + 5_000, reason: "full" });
  return run;
}

describe("every event of a migration", () => {
  const events: readonly (readonly [string, CoreEvent | undefined])[] = [
    ["VM_status", inPhase("running").events("vmStatus")[0]],
    ["VM_migration_status", stalled().events("migrationStatus")[0]],
    ["VM_migration_stalling", stalled().events("stalling")[0]],
    ["VM_migration_deferred", deferred().events("deferred")[0]],
    ["VM_migration_ended", inPhase("ended").events("ended")[0]],
  ];

  it.each(events)("%s: as declared, with migrationId and time", (name, event) => {
    if (event === undefined) throw new Error("there was none");
    const message = eventMessage({ vmId: VM, migrationId: ID }, event, NOW);
    expect(message.method).toBe(`|virt|${name}|${VM}`);
    expectEventAsDeclared(message);
    expect(message.params[VM]).toMatchObject({
      migrationId: ID,
      time: "2026-01-02T03:04:05.678Z",
    });
  });

  it("VM_migration_stalling: maxBandwidth is the engine's, cap is what libvirt holds", () => {
    const [event] = stalled().events("stalling");
    if (event === undefined) throw new Error("there was none");
    const message = eventMessage({ vmId: VM, migrationId: ID }, event, NOW);
    expect(message.params[VM]).toMatchObject({ maxBandwidth: 52, cap: 26, pass: 1 });
  });
});

describe("a migration that somebody else started", () => {
  const entry = (iteration: number | undefined, firstIteration: number | null) =>
    foreignEntry({
      vmId: VM,
      vmName: "vm1",
      stats: iteration === undefined ? NOT_BEGUN : sample({ memoryIteration: iteration }),
      firstIteration,
      inPostCopy: false,
    });

  it.each([
    [undefined, null, 0],
    [1, 1, 1],
    [7, 7, 1],
    [9, 7, 3],
    [0, 7, 0],
  ])("iteration %s, the first seen %s: pass %i", (iteration, first, pass) => {
    expectAsDeclared(object(migrationFields, ""), entry(iteration, first));
    expect(entry(iteration, first).pass).toBe(pass);
  });
});

it("a host's answers, with a VM here and one that has left", async () => {
  const host = await SmallHost.up({ destination: WELCOMING });
  host.hypervisor.put(VM);
  host.hypervisor.put(OTHER);
  await host.depart(OTHER);
  const { service } = host;
  expectAsDeclared(verbs["VM.getStats"].result, [await service.vmStats(VM)]);
  expectAsDeclared(verbs["Host.getAllVmStats"].result, await service.allVmStats());
  expectAsDeclared(verbs["Host.getVMList"].result, await service.vmList());
  expectAsDeclared(verbs["Host.getStats"].result, await service.hostStats());
  expectAsDeclared(verbs["Host.getCapabilities"].result, await service.capabilities());
  expectAsDeclared(verbs["Host.getMigrations"].result, await service.migrations());
  expect(await service.migrations(VM)).toEqual([]);
  expect(await service.migrations(OTHER)).toHaveLength(1);
  const explained = await service.explain({ vmId: OTHER, migrationId: null });
  expectAsDeclared(verbs["VM.explainMigration"].result, explained);
});
