/**
 * A VM on one of the simulated hosts, as its libvirt knows it: state, definition, settings, job and
 * record. During a migration a VM is a domain on both hosts.
 */
import type { JobStats } from "../../core/job-stats.ts";
import { isOff, type RunState } from "../../core/run-state.ts";
import type { JobView, VmDetails, VmView } from "../port.ts";
import type { Guest } from "./guest.ts";
import { PAGE_BYTES } from "./guest-memory.ts";
import { NOT_RUNNING } from "./refusals.ts";

/** QEMU's default. */
const MAX_DOWNTIME_MS = 300;
/** libvirt's, which is no limit in practice. */
const MAX_BANDWIDTH_MIBPS = 8_796_093_022_207;

/** What a domain is busy with on this host. */
export interface Job {
  /** As statistics show it now. */
  stats(nowMs: number): JobStats;
}

/** Why calls for the VM wait: its QEMU is stopped, or a call of libvirt's own holds its job lock. */
export type Hold = "qemuStopped" | "jobLocked";

export class Domain {
  readonly host: string;
  readonly guest: Guest;
  state: RunState;
  /** It has a definition that stays when it is off. */
  persistent: boolean;
  job: Job | null = null;
  /** It is the destination's half of a migration. `broken`: post-copy has failed. */
  incoming: "no" | "arriving" | "broken" = "no";
  /** In ms; the guest's next switchover keeps to it. */
  maxDowntimeMs = MAX_DOWNTIME_MS;
  maxBandwidthMiBps = MAX_BANDWIDTH_MIBPS;
  record: JobStats | null = null;
  #hold: Hold | null = null;
  #waiting: (() => void)[] = [];

  constructor(host: string, guest: Guest, state: RunState, persistent: boolean) {
    this.host = host;
    this.guest = guest;
    this.state = state;
    this.persistent = persistent;
  }

  get hold(): Hold | null {
    return this.#hold;
  }

  /** null: whoever waited goes on. */
  set hold(hold: Hold | null) {
    this.#hold = hold;
    if (hold !== null) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) call();
  }

  /** Waits for the VM to be free. */
  whenFree(call: () => void): void {
    this.#waiting.push(call);
  }

  /** Gives up waiting. False: it was its turn already. */
  noLongerWaits(call: () => void): boolean {
    const waited = this.#waiting.includes(call);
    this.#waiting = this.#waiting.filter((each) => each !== call);
    return waited;
  }

  get vmId(): string {
    return this.guest.spec.vmId;
  }

  get isActive(): boolean {
    return !isOff(this.state);
  }

  view(): VmView {
    return { vmId: this.vmId, name: this.guest.spec.name, runState: this.state };
  }

  details(): VmDetails {
    const { memory, graphics, vcpus, numaNodes } = this.guest.spec;
    return {
      ...this.view(),
      persistent: this.persistent,
      memoryBytes: memory.pages * PAGE_BYTES,
      graphics,
      vcpus,
      numaNodes,
    };
  }

  jobView(nowMs: number): JobView {
    if (this.hold !== null) return { kind: "noAnswer" };
    if (!this.isActive) return { kind: "refused", refusal: NOT_RUNNING };
    if (this.incoming === "broken") return { kind: "incoming", broken: true };
    if (this.incoming === "arriving") return { kind: "incoming" };
    return { kind: "stats", stats: this.job?.stats(nowMs) ?? NO_JOB_STATS, atMs: nowMs };
  }
}

/** What statistics show where there is no job, or no record of one. */
export const NO_JOB_STATS: JobStats = {
  type: "none",
  operation: "unknown",
  timeElapsedMs: 0,
  dataTotalBytes: 0,
  dataProcessedBytes: 0,
  dataRemainingBytes: 0,
};
