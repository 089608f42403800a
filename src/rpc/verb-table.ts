/**
 * The verbs as data: names, parameters with units, defaults and ranges, results. The README's tables
 * are held to this file, the normaliser reads names, nesting and kinds from it, and the schemas name
 * its ranges in their errors. What a verb does is not known here (`handlers.ts` binds it).
 *
 * Names are VDSM's; the aliases are those of the feature page.
 */

import { changeParams, migrateParams, migrateRanges } from "./migrate-params.ts";
import { integer, type ParamRow, string, type VerbRow, vmID } from "./verb-row.ts";

/** Numbers of events; above, a JSON number is no longer exact. */
export const eventNumbers = { min: 0, max: Number.MAX_SAFE_INTEGER } as const;

const eventParams: readonly ParamRow[] = [
  integer("since", eventNumbers, {
    default: "0",
    doc: "The first number that is wanted: `next` of the last answer; 0 = all that are kept.",
  }),
  {
    name: "epoch",
    kind: "uuid",
    required: false,
    unit: "",
    default: "the present one",
    range: "UUID",
    doc: "The run of the daemon that `since` is from: `epoch` of the last answer.",
  },
];

const CONTROL = ["control"] as const;
/** Reads, and tells nothing that other users of the host may not know. */
const READERS = ["control", "read-only"] as const;
/** What a source asks of a destination. */
const PEERS = ["control", "peer"] as const;
const ALL = ["control", "peer", "read-only"] as const;

export const verbTable = [
  {
    name: "VM.migrate",
    aliases: ["migrate"],
    roles: CONTROL,
    params: migrateParams,
    unknownKeys: "report",
    result: "true",
    doc: "Begins a migration or, with mode file, a hibernation; answers once it is accepted.",
  },
  {
    name: "VM.migrateCheck",
    aliases: ["migrateCheck"],
    roles: CONTROL,
    params: migrateParams,
    unknownKeys: "report",
    result: "array of {check, ok (true, false, or null: not to be told), detail}",
    doc: "What would stand in the way of this VM.migrate; asks both hosts, does nothing.",
  },
  {
    name: "VM.migrateChangeParams",
    aliases: ["migrateChangeParams"],
    roles: CONTROL,
    params: changeParams,
    unknownKeys: "refuse",
    result: "true",
    doc: "Changes a queued or running migration: all of it, or nothing if a part is impossible.",
  },
  {
    name: "VM.migrateCancel",
    aliases: ["migrateCancel"],
    roles: CONTROL,
    params: [vmID],
    unknownKeys: "refuse",
    result: "true",
    doc: "Cancels; answers when the outcome is known, after 10 s at the latest.",
  },
  {
    name: "VM.hibernate",
    aliases: [],
    roles: CONTROL,
    params: [
      vmID,
      {
        ...string("hibernationVolHandle", "absolute path below vars.hibernation_dir", {
          default: "",
          doc: "The image; the parameters file is beside it, with .json behind its name. Volumes of oVirt's storage are refused.",
        }),
        required: true,
      },
    ],
    positions: ["vmID", "hibernationVolHandle"],
    unknownKeys: "ignore",
    result: "true",
    doc: "VM.migrate with mode file, as VDSM's callers ask for it.",
  },
  {
    name: "VM.migrationCreate",
    aliases: [],
    roles: PEERS,
    params: [
      vmID,
      integer("incomingLimit", migrateRanges.slots, {
        default: "vars.max_incoming_migrations",
        doc: "Slots of this host for this request.",
      }),
      string("xml", "domain XML", { default: "none", doc: "Handed back, as VDSM does." }),
    ],
    positions: ["vmID", "params", "incomingLimit"],
    unknownKeys: "ignore",
    result: "object: migrationPort (0), params {vmId, status, statusTime, xml}",
    doc: "A source asks this host for a slot; what else VDSM's definition of the VM holds is not looked at.",
  },
  {
    name: "VM.destroy",
    aliases: [],
    roles: PEERS,
    params: [vmID],
    unknownKeys: "ignore",
    result: "true",
    doc: "Forgets a VM that has left, or frees a reservation (role peer: its own, nothing else); a VM that is active is refused (51).",
  },
  {
    name: "VM.getMigrationStatus",
    aliases: ["migrateStatus"],
    roles: READERS,
    params: [vmID],
    unknownKeys: "refuse",
    result:
      "object: status {code, message}, progress (%), phase, postcopy, stalledFor (s); deferred: deferrals, deferralReason, retryIn (s); ended: outcome, reason, downtime (ms)",
    doc: "How far the migration is, or how the last one ended; of a VM that left and came back, nothing of before.",
  },
  {
    name: "VM.getStats",
    aliases: [],
    roles: ALL,
    params: [vmID],
    unknownKeys: "refuse",
    result: "array of one object",
    doc: "Status of one VM. One that has left is Down, with how it left, until VM.destroy or for an hour.",
  },
  {
    name: "Host.getAllVmStats",
    aliases: [],
    roles: READERS,
    params: [],
    unknownKeys: "ignore",
    result: "array of objects",
    doc: "The same of all VMs, those that have left included.",
  },
  {
    name: "Host.getVMList",
    aliases: [],
    roles: READERS,
    params: [],
    unknownKeys: "ignore",
    result: "array of {vmId, status, statusTime}, if Down with exitCode, exitMessage, exitReason",
    doc: "The VMs of this host, those that have left included.",
  },
  {
    name: "Host.getStats",
    aliases: [],
    roles: ALL,
    params: [],
    unknownKeys: "ignore",
    result:
      "object: vmCount, vmActive, vmMigrating, incomingVmMigrations, outgoingVmMigrations, queuedVmMigrations, incomingSlotsInUse, max_incoming_migrations, version (the daemon's), journal (ok, or why it is not written), dateTime",
    doc: "The host's counts, of VMs that are here; what libvirt shows to be transferring, whoever started it.",
  },
  {
    name: "Host.getCapabilities",
    aliases: [],
    roles: READERS,
    params: [],
    unknownKeys: "ignore",
    result:
      "object: hostName, version (the daemon's), vmTypes, kvmEnabled (a string, as VDSM's), zerocopy_migrations, refresh_disk_supported, max_outgoing_migrations, max_incoming_migrations",
    doc: "What the host can do, as far as migrations go.",
  },
  {
    name: "Host.getMigrations",
    aliases: [],
    roles: READERS,
    params: [],
    unknownKeys: "ignore",
    result: "array of objects",
    doc: "Every running, queued and lately ended migration.",
  },
  {
    name: "VM.explainMigration",
    aliases: [],
    roles: READERS,
    params: [
      vmID,
      {
        name: "migrationId",
        kind: "uuid",
        required: false,
        unit: "",
        default: "the VM's last",
        range: "UUID",
        doc: "Of Host.getMigrations, or of `others` in an answer.",
      },
    ],
    positions: ["vmID", "migrationId"],
    unknownKeys: "refuse",
    result:
      "object: migrationId, acceptedAt, dst, outcome, reason, decisions (array of {time, afterMs, rule, what, numbers}), complete, omitted, journal, others",
    doc: "Why a migration went as it did: every decision with its rule, numbers and time, also after a restart. afterMs is null where the host was restarted in between.",
  },
  {
    name: "Host.getEvents",
    aliases: [],
    roles: READERS,
    params: eventParams,
    unknownKeys: "refuse",
    result:
      "object: epoch, first, next, gone, events (array of {seq, method, params}); gone = some of those asked for are lost",
    doc: "The events of late, for a client that was away.",
  },
  {
    name: "Host.ping",
    aliases: [],
    roles: ALL,
    params: [],
    unknownKeys: "ignore",
    result: "true",
    doc: "Answers; what VDSM's source asks before it migrates.",
  },
  {
    name: "Host.ping2",
    aliases: [],
    roles: ALL,
    params: [],
    unknownKeys: "ignore",
    result: "true",
    doc: "Answers.",
  },
] as const satisfies readonly VerbRow[];

export type VerbName = (typeof verbTable)[number]["name"];

/** The rows in the README's order. */
export function verbRows(): readonly VerbRow[] {
  return verbTable;
}
