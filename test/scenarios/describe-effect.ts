/**
 * One line for each effect, as the scripts show it: what the engine is told and what libvirt is asked
 * for. Every number has its unit, since the scripts are read as documentation.
 */
import type { Effect } from "../../src/core/effect.ts";
import type { CoreEvent, StallingEvent, VmStatus } from "../../src/core/event.ts";
import { MIB_BYTES } from "../../src/core/units.ts";

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)}s`;
const mib = (bytes: number): string => `${Math.round(bytes / MIB_BYTES)}MiB`;

/** The line of one effect, without its time. */
export function describeEffect(effect: Effect): string {
  switch (effect.kind) {
    case "call":
      return `call bandwidth=${effect.bandwidthMiBps}MiB/s postcopy=${effect.postcopy}`;
    case "setMaxBandwidth":
      return `setMaxBandwidth ${effect.maxBandwidthMiBps}MiB/s`;
    case "setMaxDowntime":
    case "putBackDowntime":
      return `${effect.kind} ${effect.maxDowntimeMs}ms`;
    case "readMaxBandwidth":
    case "startPostCopy":
    case "pausePostCopy":
    case "resumePostCopy":
    case "probeAddress":
    case "destroyPausedCopy":
    case "abort":
    case "locateGuest":
    case "removeImage":
      return effect.kind;
    case "event":
      return describeEvent(effect.event);
    case "log": {
      const fields = Object.entries(effect.fields).map(([name, value]) => `${name}=${value}`);
      return `log ${effect.level} "${effect.message}" ${fields.join(" ")}`;
    }
  }
}

function describeEvent(event: CoreEvent): string {
  switch (event.kind) {
    case "migrationStatus": {
      const downtime = event.downtimeMs === null ? "" : ` downtime=${event.downtimeMs}ms`;
      return `status ${event.progressPercent}%${event.postCopy ? " postcopy" : ""}${downtime}`;
    }
    case "vmStatus":
      return `vm ${describeVm(event.status)}`;
    case "stalling":
      return describeStalling(event.stalling);
    case "deferred":
      return `deferred ${event.deferrals} retryIn=${seconds(event.retryInMs)} "${event.reason}"`;
    case "ended": {
      const { outcome, reason, code, where, confirmed, message } = event.outcome;
      return `ended ${outcome} reason=${reason} code=${code} where=${where} confirmed=${confirmed} "${message}"`;
    }
  }
}

function describeVm(status: VmStatus): string {
  return status.kind === "down" ? `down ${status.why}` : status.kind;
}

function describeStalling(event: StallingEvent): string {
  const rate = `${mib(event.bytesPerSecond)}/s`;
  if (event.progressing) return `stalling progressing pass=${event.pass} rate=${rate}`;
  return [
    `stalling count=${event.count} stalledFor=${seconds(event.stalledForMs)} reason=${event.reason}`,
    `pass=${event.pass} remaining=${mib(event.dataRemainingBytes)} best=${mib(event.bestPassBytes)}`,
    `rate=${rate} cap=${event.capMiBps}MiB/s downtime=${event.maxDowntimeMs}ms`,
    `timeoutIn=${seconds(event.timeoutInMs)}`,
  ].join(" ");
}
