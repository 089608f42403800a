/**
 * The port's simulated adapter, for one host of the simulated world. The world answers; here are the
 * deadlines, the books of calls in flight, and the file that a save leaves.
 */
import { rmSync, writeFileSync } from "node:fs";
import type { JobStats } from "../../core/job-stats.ts";
import type { RunState } from "../../core/run-state.ts";
import { ExclusiveCalls, SharedReads, withinDeadline } from "../in-flight.ts";
import type {
  CallResult,
  DestinationHost,
  GuestDevices,
  Hypervisor,
  HypervisorEvent,
  JobView,
  MigrateCall,
  ScannedVm,
  ScanOptions,
  VmDetails,
} from "../port.ts";
import type { CallArgs, CallName, CallValue, WorldLink } from "./world-link.ts";

const COMPLETE_IMAGE = "SimulatedSave";
const PARTIAL_IMAGE = "SimulatedPart";

export class SimulatedHypervisor implements Hypervisor {
  readonly completeImageMagic = COMPLETE_IMAGE;
  readonly #link: WorldLink;
  readonly #callTimeoutMs: () => number;
  readonly #reads = new SharedReads();
  readonly #changes = new ExclusiveCalls();

  constructor(link: WorldLink, callTimeoutMs: () => number) {
    this.#link = link;
    this.#callTimeoutMs = callTimeoutMs;
  }

  start(onEvent: (event: HypervisorEvent) => void): Promise<void> {
    return this.#link.connect(onEvent);
  }

  // oxlint-disable-next-line typescript/require-await -- nothing has to be waited for.
  async stop(): Promise<void> {
    this.#link.close();
  }

  /** A VM that hangs is told as such at once: the world needs nobody to wait for it. */
  scan({ only, notAsked }: ScanOptions): Promise<CallResult<readonly ScannedVm[]>> {
    return this.#once("scan", {
      ...(only === undefined ? {} : { only: [...only] }),
      ...(notAsked === undefined ? {} : { notAsked: [...notAsked] }),
    });
  }

  jobView(vmId: string): Promise<CallResult<JobView>> {
    return this.#read("jobView", vmId);
  }

  vmDetails(vmId: string): Promise<CallResult<VmDetails>> {
    return this.#read("vmDetails", vmId);
  }

  runState(vmId: string): Promise<CallResult<RunState>> {
    return this.#read("runState", vmId);
  }

  domainXml(vmId: string): Promise<CallResult<string>> {
    return this.#read("domainXml", vmId);
  }

  guestDevices(vmId: string): Promise<CallResult<GuestDevices>> {
    return this.#read("guestDevices", vmId);
  }

  destinationHost(vmId: string, destinationUri: string): Promise<CallResult<DestinationHost>> {
    return this.#read("destinationHost", vmId, destinationUri);
  }

  hasKvm(): Promise<CallResult<boolean>> {
    return this.#read("hasKvm");
  }

  hostUuid(): Promise<CallResult<string | null>> {
    return this.#read("hostUuid");
  }

  migrate(vmId: string, call: MigrateCall): Promise<CallResult<null>> {
    return this.#link.call("migrate", vmId, call);
  }

  async save(vmId: string, imagePath: string): Promise<CallResult<null>> {
    // Without a VM nothing is written over.
    const known = await this.#link.call("runState", vmId);
    if (known.kind !== "ok") return known;
    writeFileSync(imagePath, PARTIAL_IMAGE, { mode: 0o600 });
    const result = await this.#link.call("save", vmId);
    if (result.kind === "ok") writeFileSync(imagePath, COMPLETE_IMAGE);
    else if (result.kind === "refused") rmSync(imagePath, { force: true });
    return result;
  }

  abortJob(vmId: string): Promise<CallResult<null>> {
    return this.#change("abortJob", vmId);
  }

  setMaxBandwidth(vmId: string, maxBandwidthMiBps: number): Promise<CallResult<null>> {
    return this.#change("setMaxBandwidth", vmId, maxBandwidthMiBps);
  }

  maxBandwidthMiBps(vmId: string): Promise<CallResult<number>> {
    return this.#read("maxBandwidthMiBps", vmId);
  }

  setMaxDowntime(vmId: string, maxDowntimeMs: number): Promise<CallResult<null>> {
    return this.#change("setMaxDowntime", vmId, maxDowntimeMs);
  }

  maxDowntimeMs(vmId: string): Promise<CallResult<number>> {
    return this.#read("maxDowntimeMs", vmId);
  }

  startPostCopy(vmId: string): Promise<CallResult<null>> {
    return this.#change("startPostCopy", vmId);
  }

  pausePostCopy(vmId: string): Promise<CallResult<null>> {
    return this.#change("pausePostCopy", vmId);
  }

  destroyPausedCopy(vmId: string, undefine: boolean): Promise<CallResult<null>> {
    return this.#change("destroyPausedCopy", vmId, undefine);
  }

  undefineMigrated(vmId: string, wasPersistent: boolean): Promise<CallResult<boolean>> {
    return this.#read("undefineMigrated", vmId, wasPersistent);
  }

  completedJob(vmId: string): Promise<CallResult<JobStats>> {
    return this.#read("completedJob", vmId);
  }

  #once<Name extends CallName>(
    name: Name,
    ...args: CallArgs<Name>
  ): Promise<CallResult<CallValue<Name>>> {
    return withinDeadline(this.#link.call(name, ...args), this.#callTimeoutMs());
  }

  #read<Name extends CallName>(
    name: Name,
    ...args: CallArgs<Name>
  ): Promise<CallResult<CallValue<Name>>> {
    return this.#reads.ask(JSON.stringify([name, ...args]), (settled) =>
      withinDeadline(this.#link.call(name, ...args), this.#callTimeoutMs(), settled),
    );
  }

  /** Of one VM: whatever else it carries, another call of this kind has to wait. */
  #change<Name extends CallName>(
    name: Name,
    ...args: CallArgs<Name>
  ): Promise<CallResult<CallValue<Name>>> {
    return this.#changes.make(JSON.stringify([name, args[0]]), (settled) =>
      withinDeadline(this.#link.call(name, ...args), this.#callTimeoutMs(), settled),
    );
  }
}
