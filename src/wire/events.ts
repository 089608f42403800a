/**
 * The events that clients are sent: when, and every field with its type, unit and meaning. Around the
 * fields is VDSM's envelope: method `|virt|<event>|<vmId>`, params `{"<vmId>": {fields},
 * "notify_time": ms}`.
 */
import { namesOf } from "../core/names.ts";
import { boolean, count, oneOf, optional, text, time, uuid, type Fields } from "./field.ts";
import { outcomeFields, percent } from "./migration-fields.ts";
import { vmStatusFields } from "./results.ts";
import { stallReasons } from "./states.ts";

export interface EventRow {
  /** When it is sent. */
  readonly when: string;
  readonly fields: Fields;
}

/** Every event says when it happened. */
const eventTime = { time: time("When it happened.") };

/** Every event about a migration also names it. */
const aboutMigration = {
  migrationId: uuid("The migration, as in Host.getMigrations."),
  ...eventTime,
};

export const events = {
  VM_status: {
    when: "When a VM's status changes because of a migration: when one is accepted, when it enters post-copy, when it ends, and on the destination when a guest arrives, whoever sent it.",
    fields: {
      ...vmStatusFields,
      migrationId: optional("absent for a guest that has arrived", aboutMigration.migrationId),
      ...eventTime,
    },
  },
  VM_migration_status: {
    when: "Once a cycle from the call to libvirt on, and a last time at the end.",
    fields: {
      progress: percent,
      postcopy: boolean("The guest runs on the destination."),
      downtime: optional(
        "in the last event of a migration that arrived",
        count("How long the guest stood still.", "ms"),
      ),
      ...aboutMigration,
    },
  },
  VM_migration_stalling: {
    when: "When `stalledFor` reaches `stallingLimit`, and at each further multiple; once with `progressing` when the migration advances again; once with `aborting` when the host gives up. In post-copy also when no data has arrived for `vars.postcopy_stall_timeout`; nothing is aborted there.",
    fields: {
      stalledFor: count("Since the last advance.", "s"),
      stallingLimit: count("0 = off.", "s"),
      count: count("Which multiple of the limit; 0 with progressing."),
      reason: oneOf(namesOf(stallReasons), "Why, see states.md."),
      pass: count("Number of the pass, counted from 1; 0 = none has begun."),
      dataRemaining: count("Left in this pass.", "bytes"),
      bestPass: count("Size of the smallest productive pass.", "bytes"),
      bandwidthBytesPerSecond: count("Measured by QEMU.", "bytes/s"),
      dirtyRateBytesPerSecond: count("How fast the guest dirties memory; 0 in pass 1.", "bytes/s"),
      downtime: count("The maximum downtime now.", "ms"),
      maxBandwidth: count("What the engine allows.", "MiB/s"),
      cap: count("What libvirt holds; 0 = nothing set yet.", "MiB/s"),
      timeoutIn: count("Until the hard limit; 0 = reached.", "s"),
      progressing: boolean("The stall is over."),
      aborting: boolean("The host has decided to abort."),
      ...aboutMigration,
    },
  },
  VM_migration_deferred: {
    when: "When a migration cannot start yet and is sent back to the queue: the first time, and when the reason changes; not at every attempt.",
    fields: {
      reason: text("Why it cannot start yet."),
      deferrals: count("How often it was sent back to the queue."),
      retryIn: count("Until it is tried again.", "s"),
      ...aboutMigration,
    },
  },
  VM_migration_ended: {
    when: "Once for each migration, after its last other event.",
    fields: { ...outcomeFields, ...aboutMigration },
  },
};

export type EventName = keyof typeof events;

/** The same, for who walks over all of them. */
export const eventTable: Readonly<Record<string, EventRow>> = events;
