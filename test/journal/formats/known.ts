/**
 * What a daemon knows after it has read a journal, in words that stay the same when the state's shape
 * changes: what each format's journals must come to, now and in each later version. Each migration is one
 * object, and the rest another.
 */
import { stalledForMs } from "../../../src/core/migration.ts";
import type { Segment } from "../../../src/journal/segments.ts";
import {
  decisionsIn,
  replay,
  type ReplayedMigration,
} from "../../../src/monitor/recovery/replay.ts";

export function known(segments: readonly Segment[], bootId: string): readonly object[] {
  const { migrations, events, reservations, coming, epoch, nextSeq, troubles } = replay(
    segments,
    bootId,
  );
  return [
    ...migrations.map((each) => ({
      ...migrationKnown(each),
      decisions: decisionsIn(segments, each.id).map(({ rule, what }) => `${rule}: ${what}`),
    })),
    {
      events: events.map(({ seq, method }) => `${seq} ${method}`),
      epoch,
      nextSeq,
      reservations,
      coming,
      troubles,
    },
  ];
}

function migrationKnown(replayed: ReplayedMigration): object {
  const { id, request, target, migration, acceptedAtWallMs, lastWallMs, lastAtMs, sameBoot } =
    replayed;
  const { admission, call, evidence, facts, limits, phase, sample } = migration;
  const { vmId, vmName, mode, destination, memoryBytes } = facts;
  const { downtime, schedule, bandwidth, postCopy, advance, stall, end } = migration;
  const { runState } = evidence;
  return {
    id,
    vm: { vmId, vmName, memoryBytes, runState },
    mode,
    destination,
    phase,
    request,
    target,
    sameBoot,
    clocks: {
      acceptedAtWallMs,
      lastWallMs,
      lastAtMs,
      uptimeSinceMs: replayed.uptimeSinceMs,
      acceptedAtMs: admission.acceptedAtMs,
      callAtMs: call.madeAtMs,
      dataSinceMs: sample.dataSinceMs,
      endedAtMs: end?.atMs ?? null,
      stalledForMs: stalledForMs(migration, lastAtMs ?? 0),
    },
    limits,
    downtime: downtime && {
      owner: downtime.owner,
      wantedMs: downtime.wantedMs,
      appliedMs: downtime.appliedMs,
      step: downtime.step,
      foundMs: downtime.foundMs,
    },
    schedule: schedule && { cursor: schedule.cursor, actions: schedule.schedule.stalling.length },
    capMiBps: bandwidth.capMiBps,
    progress: {
      percent: sample.progressPercent,
      pass: advance?.pass ?? null,
      verdict: advance?.verdict ?? null,
      bestPassBytes: advance?.bestPassBytes ?? null,
      processedBytes: advance?.processedBytes ?? null,
    },
    stallsAnnounced: stall.announcedCount,
    postCopy: {
      possible: postCopy.possible,
      wanted: postCopy.wanted,
      begun: postCopy.begun,
    },
    stop: migration.stop?.why ?? null,
    unwatched: call.returned?.unwatched ?? null,
    waiting: {
      retryAtMs: admission.retryAtMs,
      deferrals: admission.deferrals,
      deferralReason: admission.deferralReason,
      reservedThere: admission.reservedThere,
      destinationReached: admission.destinationReached,
      end: admission.ending?.why.kind ?? null,
    },
    guestStopped: evidence.guestStopped,
    outcome: end?.outcome ?? null,
    cleared: end?.cleared ?? false,
    departureOver: end?.departureOver ?? null,
  };
}
