/**
 * Events as they go on the wire: VDSM's names and envelope, whole numbers only (the engine casts them
 * to Integer), the fields that events.ts declares. An event about a migration names it, and every
 * event says when it happened.
 */
import type { CoreEvent, Outcome, StallingEvent } from "../core/event.ts";
import type { RunState } from "../core/run-state.ts";
import { msToSecondsCeil, msToSecondsFloor } from "../core/units.ts";
import type { EventName, events } from "./events.ts";
import type { ObjectOf, Scalar } from "./field.ts";
import type { outcomeFields } from "./migration-fields.ts";
import { isoTime, wireTimeMs, type Moment } from "./time.ts";
import { statusFields } from "./vm-answer.ts";

/** One notification to every client that may hear it. */
export interface EventMessage {
  /** `|virt|<name>|<vmId>` */
  readonly method: string;
  /** `{ [vmId]: {…}, notify_time }` */
  readonly params: Readonly<Record<string, number | EventFields>>;
}

export type EventFields = Readonly<Record<string, Exclude<Scalar, null> | undefined>>;

type FieldsOf<N extends EventName> = ObjectOf<(typeof events)[N]["fields"]>;

type OutcomeFields = ObjectOf<typeof outcomeFields>;

/** Which migration an event is about. */
export interface About {
  readonly vmId: string;
  readonly migrationId: string;
}

export function eventMessage(about: About, event: CoreEvent, now: Moment): EventMessage {
  const { vmId, migrationId } = about;
  const common = { migrationId, time: isoTime(now.wallMs) };
  switch (event.kind) {
    case "migrationStatus":
      return envelope("VM_migration_status", vmId, now, {
        progress: event.progressPercent,
        postcopy: event.postCopy,
        ...(event.downtimeMs === null ? {} : { downtime: Math.round(event.downtimeMs) }),
        ...common,
      });
    case "vmStatus":
      return envelope("VM_status", vmId, now, { ...statusFields(event.status), ...common });
    case "stalling":
      return envelope("VM_migration_stalling", vmId, now, {
        ...stallingFields(event.stalling),
        ...common,
      });
    case "deferred":
      return envelope("VM_migration_deferred", vmId, now, {
        reason: event.reason,
        deferrals: event.deferrals,
        retryIn: msToSecondsCeil(Math.max(0, event.retryInMs)),
        ...common,
      });
    case "ended":
      return envelope("VM_migration_ended", vmId, now, {
        ...outcomeAnswer(event.outcome),
        ...common,
      });
  }
}

/** A guest has arrived on this host: whose migration that was is not known here. */
export function arrivedMessage(vmId: string, runState: RunState, now: Moment): EventMessage {
  const status = statusFields({ kind: "staysHere", runState });
  return envelope("VM_status", vmId, now, { ...status, time: isoTime(now.wallMs) });
}

function envelope<N extends EventName>(
  name: N,
  vmId: string,
  now: Moment,
  fields: FieldsOf<N> & EventFields,
): EventMessage {
  const params = { [vmId]: fields, notify_time: wireTimeMs(now) };
  return { method: `|virt|${name}|${vmId}`, params };
}

function stallingFields(
  stalling: StallingEvent,
): Omit<FieldsOf<"VM_migration_stalling">, "migrationId" | "time"> {
  return {
    stalledFor: msToSecondsFloor(stalling.stalledForMs),
    stallingLimit: msToSecondsFloor(stalling.stallingLimitMs),
    count: stalling.count,
    reason: stalling.reason,
    pass: stalling.pass,
    dataRemaining: Math.round(stalling.dataRemainingBytes),
    bestPass: Math.round(stalling.bestPassBytes),
    bandwidthBytesPerSecond: Math.round(stalling.bytesPerSecond),
    dirtyRateBytesPerSecond: Math.round(stalling.dirtyRateBytesPerSecond),
    downtime: stalling.maxDowntimeMs,
    maxBandwidth: stalling.maxBandwidthMiBps,
    cap: stalling.capMiBps,
    timeoutIn: msToSecondsCeil(stalling.timeoutInMs),
    progressing: stalling.progressing,
    aborting: stalling.aborting,
  };
}

/** Also `outcome` in Host.getMigrations. */
export function outcomeAnswer(outcome: Outcome): OutcomeFields {
  return {
    outcome: outcome.outcome,
    reason: outcome.reason,
    code: outcome.code,
    message: outcome.message,
    where: outcome.where,
    confirmed: outcome.confirmed,
    duration: Math.round(outcome.durationMs ?? 0),
    downtime: outcome.downtimeMs === null ? -1 : Math.round(outcome.downtimeMs),
    dataProcessed: Math.round(outcome.dataProcessedBytes),
    passes: outcome.passes,
  };
}
