/**
 * The verbs, each declared once: its names, who may call it, parameters, result, errors and what it
 * does. Dispatcher, roles, reference and OpenRPC document come from here; rpc/handlers.ts binds each
 * to what it does. Names are VDSM's; the aliases are those of the feature page.
 */
import { boolean, count, listOf, object, raw, text, uuid, type ObjectOf } from "./field.ts";
import { migrationFields, migrationStatusFields } from "./migration-fields.ts";
import {
  changeParams,
  eventsParams,
  explainParams,
  hibernateParams,
  migrateParams,
  migrationCreateParams,
  migrationsParams,
  vmParams,
} from "./params.ts";
import {
  capabilitiesFields,
  checkFields,
  explainFields,
  hostStatsFields,
  migrationCreateFields,
  vmListFields,
  vmStatsFields,
  yes,
} from "./results.ts";
import type { Verb, Verbs } from "./verb.ts";

const CONTROL = ["control"] as const;
/** Verbs that read, and reveal nothing that other users of the host may not know. */
const READERS = ["control", "read-only"] as const;
/** What a source asks of a destination. */
const PEERS = ["control", "peer"] as const;
const ALL = ["control", "peer", "read-only"] as const;

/** Host.getEvents. */
export const getEventsFields = {
  epoch: uuid("This run of numbers."),
  first: count("Number of the oldest event kept. Of a VM's VM_migration_status only the last is."),
  next: count("The `since` to ask with next time."),
  gone: boolean("Some of the events asked for are lost."),
  events: listOf(
    object(
      {
        seq: count("Its number."),
        method: text("As it was sent."),
        params: raw(object({}, "See events.md."), "As they were sent."),
      },
      "An event.",
    ),
    "Events from `since` on, see events.md.",
  ),
};

export type RecentEvents = ObjectOf<typeof getEventsFields>;

export const verbs = {
  "VM.migrate": {
    aliases: ["migrate"],
    roles: CONTROL,
    params: migrateParams,
    unknownKeys: "report",
    result: yes,
    errors: [
      "noVm",
      "migrationInProgress",
      "migrationFailed",
      "invalidParameter",
      "libvirtUnavailable",
    ],
    doc: "Starts a migration or, with mode file, a hibernation; answers as soon as it is accepted.",
  },
  "VM.migrateCheck": {
    aliases: ["migrateCheck"],
    roles: CONTROL,
    params: migrateParams,
    unknownKeys: "report",
    result: listOf(object(checkFields, "A check."), "All checks, in order."),
    errors: ["noVm", "invalidParameter", "libvirtUnavailable"],
    doc: "Says what would stand in the way of this VM.migrate; asks both hosts, changes nothing.",
  },
  "VM.migrateChangeParams": {
    aliases: ["migrateChangeParams"],
    roles: CONTROL,
    params: changeParams,
    unknownKeys: "refuse",
    result: yes,
    errors: ["noVm", "notMigrating", "impossibleInState", "libvirtUnavailable"],
    doc: "Changes a queued or running migration: all of it, or nothing if any part is impossible.",
  },
  "VM.migrateCancel": {
    aliases: ["migrateCancel"],
    roles: CONTROL,
    params: vmParams,
    unknownKeys: "refuse",
    result: yes,
    errors: ["noVm", "cancelFailed", "libvirtUnavailable"],
    doc: "Cancels; answers when the outcome is known, after 10 s at the latest.",
  },
  "VM.hibernate": {
    aliases: [],
    roles: CONTROL,
    params: hibernateParams,
    positions: ["vmID", "hibernationVolHandle"],
    unknownKeys: "ignore",
    result: yes,
    errors: ["noVm", "migrationInProgress", "migrationFailed", "libvirtUnavailable"],
    doc: "VM.migrate with mode file, in the form that VDSM's callers use.",
  },
  "VM.migrationCreate": {
    aliases: [],
    roles: PEERS,
    params: migrationCreateParams,
    positions: ["vmID", "params", "incomingLimit"],
    unknownKeys: "ignore",
    result: object(migrationCreateFields, "As VDSM answers."),
    errors: ["exists", "noSlot", "libvirtUnavailable"],
    doc: "A source asks this host for a slot; anything else in VDSM's definition of the VM is ignored.",
  },
  "VM.destroy": {
    aliases: [],
    roles: PEERS,
    params: vmParams,
    unknownKeys: "ignore",
    result: yes,
    errors: ["noVm", "migrationInProgress", "libvirtUnavailable"],
    doc: "Forgets a VM that has left, or frees a reservation (role peer: its own, nothing else); refused (51) for a VM that is active.",
  },
  "VM.getMigrationStatus": {
    aliases: ["migrateStatus"],
    roles: READERS,
    params: vmParams,
    unknownKeys: "refuse",
    result: object(migrationStatusFields, "The migration's state."),
    errors: ["noVm", "notMigrating", "libvirtUnavailable"],
    doc: "How far the migration is, or how the last one ended; for a VM that left and came back, nothing from before.",
  },
  "VM.getStats": {
    aliases: [],
    roles: ALL,
    params: vmParams,
    unknownKeys: "refuse",
    result: listOf(object(vmStatsFields, "The VM."), "Exactly one."),
    errors: ["noVm", "libvirtUnavailable"],
    doc: "Status of one VM. One that has left is Down, with how it left, for an hour or until VM.destroy.",
  },
  "Host.getAllVmStats": {
    aliases: [],
    roles: READERS,
    params: {},
    unknownKeys: "ignore",
    result: listOf(object(vmStatsFields, "A VM."), "All VMs."),
    errors: ["libvirtUnavailable"],
    doc: "The same for all VMs, including those that have left.",
  },
  "Host.getVMList": {
    aliases: [],
    roles: READERS,
    params: {},
    unknownKeys: "ignore",
    result: listOf(object(vmListFields, "A VM."), "All VMs."),
    errors: ["libvirtUnavailable"],
    doc: "The VMs of this host, including those that have left.",
  },
  "Host.getStats": {
    aliases: [],
    roles: ALL,
    params: {},
    unknownKeys: "ignore",
    result: object(hostStatsFields, "The host's counts."),
    errors: ["libvirtUnavailable"],
    doc: "The host's counts, of VMs that are here and of what libvirt is transferring, whoever started it.",
  },
  "Host.getCapabilities": {
    aliases: [],
    roles: READERS,
    params: {},
    unknownKeys: "ignore",
    result: object(capabilitiesFields, "What the host can do."),
    errors: [],
    doc: "What the host can do, as far as migrations are concerned.",
  },
  "Host.getMigrations": {
    aliases: [],
    roles: READERS,
    params: migrationsParams,
    unknownKeys: "ignore",
    result: listOf(
      object(migrationFields, "A migration."),
      "Running and queued ones first, then those that ended in the last hour (at most 200), then foreign ones.",
    ),
    errors: [],
    doc: "Every running, queued and recently ended migration, of one VM or of all. A VM without any has an empty list, also one that does not exist.",
  },
  "VM.explainMigration": {
    aliases: [],
    roles: READERS,
    params: explainParams,
    positions: ["vmID", "migrationId"],
    unknownKeys: "refuse",
    result: object(explainFields, "The explanation."),
    errors: ["noVm"],
    doc: "Why a migration went the way it did: every decision with its rule, numbers and time, also after a restart.",
  },
  "Host.getEvents": {
    aliases: [],
    roles: READERS,
    params: eventsParams,
    unknownKeys: "refuse",
    result: object(getEventsFields, "Events."),
    errors: [],
    doc: "Recent events, for clients that were disconnected.",
  },
  "rpc.discover": {
    aliases: [],
    roles: ALL,
    params: {},
    unknownKeys: "ignore",
    result: raw(object({}, "An OpenRPC document."), "An OpenRPC document."),
    errors: [],
    doc: "This reference for programs: every verb with its parameters, result and errors, and every event.",
  },
  "Host.ping": {
    aliases: [],
    roles: ALL,
    params: {},
    unknownKeys: "ignore",
    result: yes,
    errors: [],
    doc: "Answers; VDSM's source calls it before it migrates.",
  },
  "Host.ping2": {
    aliases: [],
    roles: ALL,
    params: {},
    unknownKeys: "ignore",
    result: yes,
    errors: [],
    doc: "Answers.",
  },
} as const satisfies Verbs;

export type VerbName = keyof typeof verbs;

/** The same, for who walks over all of them or looks one up by any name. */
export const verbTable: Verbs = verbs;

/** Every verb with its name, in the order of the table. */
export function verbRows(table: Verbs = verbTable): readonly (Verb & { readonly name: string })[] {
  return Object.entries(table).map(([name, verb]) => ({ name, ...verb }));
}
