/** What the contract of the hypervisor's port is tried on: two hosts, their adapters, and guests. */
import { expect, onTestFinished } from "vitest";
import type {
  CallResult,
  Hypervisor,
  HypervisorEvent,
  JobView,
  MigrateCall,
} from "../../src/hypervisor/port.ts";
import { until } from "../lab/until.ts";

export type Side = "a" | "b";

/** Quiet ones write nothing; endless ones write more than a small cap can carry. */
export type GuestKind = "quiet" | "endless";

export interface Stage {
  readonly a: Hypervisor;
  readonly b: Hypervisor;
  /** By which a source's hypervisor reaches host-b's. */
  readonly destinationUri: string;
  /** By which this process reaches it. */
  readonly lookUri: string;
  /** Where data go. */
  readonly migrateUri: string | undefined;
  /** On host-a; its ID. */
  startGuest(kind: GuestKind, persistent?: boolean): Promise<string>;
  /** Defined on host-a, and off. */
  defineGuest(): Promise<string>;
  /** What is asked of it on host-a waits. Returns how it goes on. */
  hang(vmId: string): Promise<() => Promise<void>>;
  suspend(vmId: string): Promise<void>;
  destroy(vmId: string): Promise<void>;
  cutMigrationLink(): Promise<() => Promise<void>>;
  killHypervisor(side: Side): Promise<() => Promise<void>>;
  /** A path on host-a for an image, and the file as this process sees it. */
  image(): { readonly path: string; readonly seen: string };
}

const DEADLINE_MS = 20_000;
export const NOBODY = "33333333-3333-4333-8333-333333333333";

/** At this cap an endless guest goes on for ever, and a quiet one for some seconds. */
export const SLOW_MIBPS = 4;
export const FAST_MIBPS = 64;

export function callTo(stage: Stage, call: Partial<MigrateCall> = {}): MigrateCall {
  return {
    destinationUri: stage.destinationUri,
    ...(stage.migrateUri !== undefined && { migrateUri: stage.migrateUri }),
    bandwidthMiBps: SLOW_MIBPS,
    postcopyBandwidthMiBps: 0,
    postcopy: false,
    compressed: false,
    autoConverge: false,
    abortOnError: false,
    encrypted: false,
    tunneled: false,
    persistent: false,
    destinationHosts: [],
    ...call,
  };
}

/** Begins a migration that lasts; it is aborted at the test's end if nothing else has ended it. */
export function begin({ a }: Stage, vmId: string, call: MigrateCall): Promise<CallResult<null>> {
  const ended = a.migrate(vmId, call);
  onTestFinished(async () => {
    await a.abortJob(vmId);
    await ended;
  });
  return ended;
}

/** Until its job on host-a has data that flow. */
export async function flowing({ a }: Stage, vmId: string): Promise<void> {
  await jobIs(a, vmId, (job) => job.kind === "stats" && job.stats.dataProcessedBytes > 0);
}

export function jobIs(
  hypervisor: Hypervisor,
  vmId: string,
  passes: (job: JobView) => boolean,
): Promise<JobView> {
  let seen: unknown;
  return until(
    async () => {
      const answer = await hypervisor.jobView(vmId);
      seen = answer;
      return answer.kind === "ok" && passes(answer.value) ? answer.value : undefined;
    },
    DEADLINE_MS,
    () => `the job, which is ${JSON.stringify(seen)}`,
  );
}

export function stateIs(hypervisor: Hypervisor, vmId: string, state: string): Promise<true> {
  let seen: unknown;
  return until(
    async () => {
      const answer = await hypervisor.runState(vmId);
      seen = answer;
      if (answer.kind === "ok") return answer.value === state || undefined;
      return refusalOf(answer) === state || undefined;
    },
    DEADLINE_MS,
    () => `${state}, and not ${JSON.stringify(seen)}`,
  );
}

export function refusalOf(result: CallResult<unknown>): string {
  return result.kind === "refused" ? result.refusal.kind : result.kind;
}

export function expectOk<T>(result: CallResult<T>): T {
  expect(result).toMatchObject({ kind: "ok" });
  if (result.kind !== "ok") throw new Error("unreachable");
  return result.value;
}

/** As libvirt's documentation would name them. */
export function shortly(events: readonly HypervisorEvent[], vmId: string): readonly string[] {
  return events.flatMap((event) => {
    if (!("vmId" in event) || event.vmId !== vmId) return [];
    if (event.kind !== "guest") return event.kind === "passBegan" ? [] : [event.kind];
    switch (event.change) {
      case "started":
        return [event.incoming ? "started incoming" : "started"];
      case "resumed":
        return [event.byMigration ? "resumed by migration" : "resumed"];
      case "stopped":
        return [`stopped ${event.how}`];
      case "suspended":
      case "other":
        return [event.change];
    }
  });
}
