/**
 * One live migration between two simulated hosts, from the call to its end (phase.ts). What it does on
 * time it plans with the world's timers; what others do to it comes in by its methods.
 */
import type { JobStats } from "../../core/job-stats.ts";
import type { Refusal } from "../../core/refusal.ts";
import type { HypervisorEvent, MigrateCall } from "../port.ts";
import { DestinationHalf } from "./destination-half.ts";
import type { Domain, Job } from "./domain.ts";
import type { Flow } from "./links.ts";
import { FLOWING, type Phase } from "./phase.ts";
import { PreCopy, recordOf } from "./pre-copy.ts";
import { capBytesPerSecond, type QemuProfile } from "./qemu-profile.ts";
import * as refusals from "./refusals.ts";
import { type Done, OK, type Outcome, refused, type Surroundings } from "./surroundings.ts";
import type { Timer } from "./timers.ts";

/** TCP gives up on an address that swallows packets (tcp_syn_retries 6). */
const CONNECT_GIVEN_UP_MS = 127_000;
/** Between the word for post-copy and the guest's start over there. */
const POST_COPY_BEGINS_MS = 50;
/** What the guest asks for over there is reckoned anew so often. */
const FAULTS_EVERY_MS = 1000;
const NOT_BEGUN = { dataTotalBytes: 0, dataProcessedBytes: 0, dataRemainingBytes: 0 } as const;

export class Migration implements Job {
  readonly source: Domain;
  readonly to: string;
  readonly #call: MigrateCall;
  readonly #world: Surroundings;
  readonly #profile: QemuProfile;
  readonly #startedAtMs: number;
  #phase: Phase = "called";
  #half: DestinationHalf | null = null;
  #preCopy: PreCopy | null = null;
  #maxBandwidthMiBps: number;
  #done: Done<null> | null;
  /** Aborts that came too late, and are told so at the end. */
  #tooLate: Done<null>[] = [];
  /** Aborted while the destination's QEMU is stopped: ends when it goes on. */
  #abortWaits = false;
  #timer: Timer | null = null;
  #stoppedAtMs = 0;
  /** null: post-copy, where nobody measures it. */
  #downtimeMs: number | null = null;
  /** As it was at the call: one that is suspended later runs on arrival, as libvirt has it. */
  readonly #arrivesSuspended: boolean;
  /** libvirt here was restarted and has forgotten that the definition was to go. */
  #forgotten = false;
  /** Nothing is heard of the other side's libvirt any more. */
  #deaf = false;

  constructor(
    world: Surroundings,
    source: Domain,
    to: string,
    call: MigrateCall,
    done: Done<null>,
  ) {
    this.#world = world;
    this.source = source;
    this.to = to;
    this.#call = call;
    this.#done = done;
    this.#profile = world.profile(source.host);
    this.#startedAtMs = world.nowMs;
    this.#maxBandwidthMiBps = call.bandwidthMiBps;
    this.#arrivesSuspended = source.state !== "running";
    source.job = this;
    this.#then(this.#profile.jobAfterMs, () => this.#prepare());
  }

  get phase(): Phase {
    return this.#phase;
  }

  get destination(): Domain | null {
    return this.#half?.domain ?? null;
  }

  get inPostCopy(): boolean {
    return this.#phase === "postCopy" || this.#phase === "postCopyPaused";
  }

  /** Data that flow now; null: none. */
  get flow(): Flow | null {
    if (!FLOWING.has(this.#phase) || this.#isStuck) return null;
    return { from: this.source.host, to: this.to, capBytesPerSecond: this.#flowCap() };
  }

  /** The link gives so much from now on; 0: no data get through. */
  rate(bytesPerSecond: number): void {
    if (this.#preCopy === null || this.#preCopy.bytesPerSecond === bytesPerSecond) return;
    this.#preCopy.rate(this.#world.nowMs, bytesPerSecond);
    this.#plan();
  }

  stats(nowMs: number): JobStats {
    const begun = {
      type: this.#phase === "called" ? "none" : "unbounded",
      operation: "migrationOut",
      timeElapsedMs: Math.round(nowMs - this.#startedAtMs),
    } as const;
    if (this.#preCopy === null) return { ...begun, ...NOT_BEGUN };
    this.#preCopy.settle(nowMs);
    return { ...begun, ...this.#preCopy.figures(this.source.maxDowntimeMs) };
  }

  abort(done: Done<null>): void {
    switch (this.#phase) {
      case "called":
      case "connecting":
      case "ended":
        done(refused(refusals.NO_JOB));
        return;
      case "preparing":
        done(OK);
        this.#then(this.#profile.abortInPrepareMs, () => this.fail(refusals.ABORTED));
        return;
      case "sending":
        done(OK);
        this.#abortWaits = true;
        this.changed();
        return;
      case "switching":
      case "finishing":
        this.#tooLate.push(done);
        return;
      case "postCopy":
      case "postCopyPaused":
        done(refused(refusals.IN_POST_COPY));
    }
  }

  /** MiB/s as libvirt takes them, 0: no limit. null before the first data: the domain's own holds. */
  get maxBandwidthMiBps(): number | null {
    return FLOWING.has(this.#phase) ? this.#maxBandwidthMiBps : null;
  }

  setMaxBandwidth(maxBandwidthMiBps: number): void {
    this.#maxBandwidthMiBps = maxBandwidthMiBps;
    this.#world.flowsChanged();
  }

  /** The downtime limit has another value, or one of the VMs was stopped or goes on. */
  changed(): void {
    if (this.#abortWaits && this.#half?.isStopped !== true) {
      this.fail(refusals.ABORTED);
      return;
    }
    this.#preCopy?.settle(this.#world.nowMs);
    this.#world.flowsChanged();
    this.#plan();
  }

  /** null: taken. */
  startPostCopy(): Refusal | null {
    if (this.#phase !== "sending") return refusals.NO_JOB;
    if (!this.#call.postcopy) return refusals.NO_POST_COPY;
    this.#then(POST_COPY_BEGINS_MS, () => this.#beginPostCopy());
    return null;
  }

  /** Gives up the dead connection. null: taken. */
  pausePostCopy(): Refusal | null {
    if (this.#phase !== "postCopy") return refusals.NO_JOB;
    this.#enter("postCopyPaused");
    this.source.state = "postCopyFailed";
    this.#half?.breakPostCopy();
    this.#answer(refused(refusals.CLIENT_CLOSED));
    return null;
  }

  /** null: it goes on, and `done` hears of its end. */
  resume(done: Done<null>): Refusal | null {
    if (this.#phase !== "postCopyPaused") return refusals.HAS_JOB;
    if (!this.#world.linkUp(this.source.host, this.to, "migration")) return refusals.UNREACHABLE;
    this.#done = done;
    this.#deaf = false;
    this.source.state = "postCopy";
    this.#half?.resumePostCopy();
    this.#enter("postCopy");
    return null;
  }

  /** It comes to nothing, and the guest goes on here. Not in post-copy: from there is no way back. */
  fail(refusal: Refusal): void {
    if (this.#phase === "ended" || this.#phase === "finishing" || this.inPostCopy) return;
    const stood = this.source.state === "switching";
    this.#end();
    this.source.guest.throttle(this.#world.nowMs, 0);
    if (stood) {
      this.source.state = "running";
      this.#guestRuns(true);
      this.#tell({ kind: "guest", vmId: this.source.vmId, change: "resumed", byMigration: true });
    }
    this.#answer(refused(refusal));
    this.#half?.takeApartIn(this.#profile.cleanUpMs);
  }

  /** The other host's libvirt is dead, or keepalive gave up on it. */
  lostContact(): void {
    if (!this.inPostCopy) {
      this.fail(refusals.CLIENT_CLOSED);
      return;
    }
    this.#deaf = true;
    this.source.state = "postCopyFailed";
    this.#answer(refused(refusals.CLIENT_CLOSED));
  }

  /** libvirt of this host was killed. Whoever had called is gone. */
  forgottenHere(): void {
    this.#forgotten = true;
    this.#done = null;
    this.#tooLate = [];
  }

  /** The guest's QEMU here is gone, with all that it had not sent. */
  sourceGone(): void {
    if (this.#phase === "finishing") return;
    const lost = this.inPostCopy;
    this.#end();
    this.#answer(refused(refusals.QEMU_GONE));
    if (lost) this.#half?.breakPostCopy();
    else this.#half?.takeApartIn(this.#profile.cleanUpMs);
    this.#guestRuns(false);
  }

  destinationGone(): void {
    this.#half?.forget();
    if (this.#phase === "finishing") return;
    if (!this.inPostCopy) {
      this.fail(refusals.DESTINATION_GONE);
      return;
    }
    this.#guestRuns(false);
    this.source.state = "postCopyFailed";
    this.#end();
    this.#answer(refused(refusals.DESTINATION_GONE));
  }

  get #isStuck(): boolean {
    const { source, to } = this;
    const stopped = source.hold === "qemuStopped" || this.#half?.isStopped === true;
    return stopped || !this.#world.linkUp(source.host, to, "migration");
  }

  #flowCap(): number {
    if (this.#phase === "switching") return Infinity;
    const cap = capBytesPerSecond(this.#profile, this.#maxBandwidthMiBps);
    if (this.#phase !== "postCopy") return cap;
    // A page that the guest waits for goes out at once, whatever the cap.
    return Math.max(cap, this.#preCopy?.faultedBytesPerSecond() ?? 0);
  }

  #enter(phase: Phase): void {
    this.#preCopy?.settle(this.#world.nowMs);
    this.#phase = phase;
    this.#timer?.cancel();
    this.#world.flowsChanged();
    this.#plan();
  }

  #then(delayMs: number, run: () => void): void {
    this.#timer?.cancel();
    this.#timer = this.#world.in(delayMs, run);
  }

  #tell(event: HypervisorEvent): void {
    this.#world.tell(this.source.host, event);
  }

  #answer(outcome: Outcome<null>): void {
    const done = this.#done;
    this.#done = null;
    done?.(outcome);
  }

  #guestRuns(runs: boolean): void {
    this.source.guest.run(this.#world.nowMs, runs);
  }

  #prepare(): void {
    this.#phase = "preparing";
    const { incomingAfterMs, jobAfterMs, dataAfterMs } = this.#profile;
    this.#then(incomingAfterMs - jobAfterMs, () => {
      this.#half = new DestinationHalf(this.#world, this.source, this.to);
      this.#then(dataAfterMs - incomingAfterMs, () => this.#connect());
    });
  }

  #connect(): void {
    if (this.#world.linkUp(this.source.host, this.to, "migration")) {
      this.#preCopy = new PreCopy(this.source.guest, this.#profile, this.#call, this.#world.nowMs);
      this.#tellPass(this.#preCopy);
      this.#enter("sending");
      return;
    }
    this.#phase = "connecting";
    this.source.hold ??= "jobLocked";
    this.#then(CONNECT_GIVEN_UP_MS, () => this.fail(refusals.UNREACHABLE));
  }

  #tellPass({ pass }: PreCopy): void {
    if (pass < this.#profile.firstPassTold) return;
    this.#tell({ kind: "passBegan", vmId: this.source.vmId, pass });
  }

  /** When, at the present rate and limits, the next thing is to happen. */
  #plan(): void {
    const preCopy = this.#preCopy;
    if (preCopy === null) return;
    const { switchoverMs } = this.#profile;
    if (this.#phase === "sending") {
      this.#then(preCopy.looksInMs(this.source.maxDowntimeMs), () => this.#look(preCopy));
    } else if (this.#phase === "switching") {
      this.#then(preCopy.sentInMs() + switchoverMs, () => this.#arrive());
    } else if (this.#phase === "postCopy") {
      const sentInMs = preCopy.sentInMs();
      if (sentInMs <= FAULTS_EVERY_MS) this.#then(sentInMs, () => this.#arrive());
      else this.#then(FAULTS_EVERY_MS, () => this.#enter("postCopy"));
    }
  }

  #look(preCopy: PreCopy): void {
    preCopy.look(this.#world.nowMs);
    this.#tellPass(preCopy);
    if (preCopy.fits(this.source.maxDowntimeMs)) this.#switchOver(preCopy);
    else this.#plan();
  }

  #switchOver(preCopy: PreCopy): void {
    const { nowMs } = this.#world;
    this.#stoppedAtMs = nowMs;
    this.#guestRuns(false);
    if (this.source.state === "running") {
      this.source.state = "switching";
      this.#tell({ kind: "guest", vmId: this.source.vmId, change: "suspended" });
    }
    // QEMU counts the guest's last pages as one more pass.
    preCopy.look(nowMs);
    this.#tellPass(preCopy);
    this.#enter("switching");
  }

  #beginPostCopy(): void {
    const preCopy = this.#preCopy;
    if (preCopy === null || this.#phase !== "sending") return;
    preCopy.look(this.#world.nowMs);
    this.source.state = "postCopy";
    this.#tell({ kind: "guest", vmId: this.source.vmId, change: "suspended" });
    if (this.#call.parallelConnections !== undefined) {
      // QEMU over there asserts, and libvirt calls it a success.
      this.#guestRuns(false);
      this.#half?.takeApart();
      this.#leave();
      return;
    }
    this.#maxBandwidthMiBps = this.#call.postcopyBandwidthMiBps;
    this.#half?.beginPostCopy();
    this.#guestRuns(true);
    this.#enter("postCopy");
  }

  /** The whole guest is over there. */
  #arrive(): void {
    const { nowMs } = this.#world;
    if (this.#phase === "switching") this.#downtimeMs = Math.round(nowMs - this.#stoppedAtMs);
    this.#enter("finishing");
    this.source.guest.throttle(nowMs, 0);
    this.#half?.arrive(this.#arrivesSuspended, this.#call.persistent, this.source.maxDowntimeMs);
    this.#guestRuns(this.#half?.domain.state === "running");
    // Without a word from over there the paused copy stays, for somebody to take away.
    this.#then(this.#profile.finishMs, () => (this.#deaf ? this.#end() : this.#leave()));
  }

  #leave(): void {
    const { source } = this;
    const stats = this.stats(this.#world.nowMs);
    const record = recordOf(stats, this.#downtimeMs, this.#profile.switchoverMs);
    this.#end();
    source.record = record;
    source.state = "offMigrated";
    this.#half?.record(record);
    if (!source.persistent || (this.#call.persistent && !this.#forgotten))
      this.#world.remove(source);
    this.#tell({ kind: "guest", vmId: this.source.vmId, change: "stopped", how: "migrated" });
    this.#tell({ kind: "jobCompleted", vmId: this.source.vmId, stats: record });
    this.#answer(OK);
  }

  #end(): void {
    this.#enter("ended");
    this.source.job = null;
    if (this.source.hold === "jobLocked") this.source.hold = null;
    for (const each of this.#tooLate) each(refused(refusals.TOO_LATE));
    this.#tooLate = [];
  }
}
