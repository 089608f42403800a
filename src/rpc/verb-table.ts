/**
 * The verbs as data: names, parameters with units, defaults and ranges, results. The README's tables
 * are held to this file, the normaliser reads names, nesting and kinds from it, and the schemas name
 * its ranges in their errors. What a verb does is not known here (`handlers.ts` binds it).
 *
 * Names are VDSM's; the aliases are those of the feature page.
 */

import { ranges } from "../config.ts";
import type { VerbRole } from "./roles.ts";

export interface ParamRow {
  readonly name: string;
  readonly kind: "uuid" | "string" | "integer" | "boolean" | "enum" | "object";
  readonly required: boolean;
  /** "" where there is none. */
  readonly unit: string;
  /** In words, as for the README; "" for a required one. */
  readonly default: string;
  readonly range: string;
  readonly doc: string;
}

export interface VerbRow {
  readonly name: string;
  readonly aliases: readonly string[];
  /** Who may call it. */
  readonly roles: readonly VerbRole[];
  readonly params: readonly ParamRow[];
  /** Names of positional parameters where they are not the VM and an object with the rest. */
  readonly positions?: readonly string[];
  /** A key that the verb does not know: an error, dropped, or handed on to be logged. */
  readonly unknownKeys: "refuse" | "ignore" | "report";
  readonly result: string;
  readonly doc: string;
}

const vmID: ParamRow = {
  name: "vmID",
  kind: "uuid",
  required: true,
  unit: "",
  default: "",
  range: "UUID",
  doc: "The VM; `vmId` is understood too.",
};

type Text = Pick<ParamRow, "default" | "doc"> & { readonly unit?: string };

function integer(name: string, bounds: { min: number; max: number }, text: Text): ParamRow {
  const range = `${bounds.min} to ${bounds.max}`;
  return { name, kind: "integer", required: false, unit: "", range, ...text };
}

function string(name: string, range: string, text: Text): ParamRow {
  return { name, kind: "string", required: false, unit: "", range, ...text };
}

function boolean(name: string, doc: string): ParamRow {
  return {
    name,
    kind: "boolean",
    required: false,
    unit: "",
    default: "false",
    range: 'true or false ("true" and "false" too)',
    doc,
  };
}

function oneOf(name: string, values: readonly string[], text: Text): ParamRow {
  return { name, kind: "enum", required: false, unit: "", range: values.join(" | "), ...text };
}

/** Bounds of `VM.migrate` that the configuration does not share. */
export const migrateRanges = {
  /** 0 = the configured one. */
  maxBandwidth: { min: 0, max: ranges.bandwidthMiBps.max },
  /** 0 = off. libvirt's PARALLEL_CONNECTIONS; QEMU's multifd-channels is one byte. */
  parallel: { min: 0, max: 255 },
  stallingLimit: { min: 0, max: ranges.progressTimeoutSeconds.max },
  /** -1 = at the next new pass. */
  scheduleLimit: { min: -1, max: 1_000_000 },
  /** outgoingLimit, incomingLimit. */
  slots: { min: 1, max: 1_000 },
  scheduleItems: { max: 1_000 },
} as const;

const migrateParams: readonly ParamRow[] = [
  vmID,
  {
    ...string("dst", "host, host:port, [v6]:port; mode file: absolute path", {
      default: "",
      doc: "The destination's daemon; for mode file the hibernation image.",
    }),
    required: true,
  },
  string("dstparams", "absolute path", {
    default: "none",
    doc: "Parameters file of a hibernation; required for mode file, ignored for remote.",
  }),
  oneOf("mode", ["remote", "file"], { default: "remote", doc: "Migrate, or hibernate to a file." }),
  oneOf("method", ["online"], { default: "online", doc: "The guest runs meanwhile." }),
  integer("downtime", ranges.downtimeMs, {
    unit: "ms",
    default: "automatic steps up to vars.migration_downtime",
    doc: "Maximal downtime; given, the caller owns it and there are no automatic steps.",
  }),
  string("consoleAddress", "host", {
    default: "none: libvirt does not move the graphics clients",
    doc: "Where graphics clients are sent.",
  }),
  string("dstqemu", "host", {
    default: "the host of dst",
    doc: "The destination's address in the migration network.",
  }),
  boolean("compressed", "Compress repeated pages."),
  boolean("autoConverge", "Let QEMU throttle the guest until it converges."),
  boolean("abortOnError", "Abort if the guest has an I/O error meanwhile."),
  boolean("encrypted", "Encrypt the guest's data with TLS."),
  boolean("tunneled", "Send the guest's data through libvirt's connection; no post-copy."),
  integer("parallel", migrateRanges.parallel, {
    default: "0",
    doc: "Number of parallel connections; 0 or null = off; no post-copy.",
  }),
  integer("migrationProgressTimeout", ranges.progressTimeoutSeconds, {
    unit: "s",
    default: "vars.migration_progress_timeout",
    doc: "Without advance for this long the host aborts the migration.",
  }),
  integer("stallingLimit", migrateRanges.stallingLimit, {
    unit: "s",
    default: "0",
    doc: "Without advance for this long, and each multiple, a stall event is sent; 0 = off.",
  }),
  integer("maxBandwidth", migrateRanges.maxBandwidth, {
    unit: "MiB/s",
    default: "vars.migration_max_bandwidth",
    doc: "What is shared out among the host's migrations; 0 or null = the default.",
  }),
  {
    name: "convergenceSchedule",
    kind: "object",
    required: false,
    unit: "",
    default: "none",
    range:
      "{init: [action], stalling: [{limit, action}]}, an action {name: setDowntime | postcopy | abort, params: [ms]}",
    doc: "The host acts by it: one action a cycle once more than limit new passes have begun, -1 = at the next.",
  },
  integer("outgoingLimit", migrateRanges.slots, {
    default: "vars.max_outgoing_migrations",
    doc: "Stands for it in this migration's own admission.",
  }),
  integer("incomingLimit", migrateRanges.slots, {
    default: "the destination's vars.max_incoming_migrations",
    doc: "Handed to the destination, where it stands for its own.",
  }),
];

const changeParams: readonly ParamRow[] = [
  vmID,
  integer("downtime", ranges.downtimeMs, {
    unit: "ms",
    default: "unchanged",
    doc: "Maximal downtime; from now on the caller owns it.",
  }),
  oneOf("migrationTechnique", ["pre-copy", "post-copy"], {
    default: "unchanged",
    doc: "post-copy: the guest goes over now, and there is no way back.",
  }),
  integer("stallingLimit", migrateRanges.stallingLimit, {
    unit: "s",
    default: "unchanged",
    doc: "0 = no stall events.",
  }),
  integer("maxBandwidth", ranges.bandwidthMiBps, {
    unit: "MiB/s",
    default: "unchanged",
    doc: "What is shared out among the host's migrations.",
  }),
  integer("migrationProgressTimeout", ranges.progressTimeoutSeconds, {
    unit: "s",
    default: "unchanged",
    doc: "Below the time without advance so far: aborted at the next cycle.",
  }),
];

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
      "object: status {code, message}, progress (%), phase, postcopy, stalledFor (s); ended: outcome, reason, downtime (ms)",
    doc: "How far the migration is, or how the last one ended.",
  },
  {
    name: "VM.getStats",
    aliases: [],
    roles: ALL,
    params: [vmID],
    unknownKeys: "refuse",
    result: "array of one object",
    doc: "Status of one VM.",
  },
  {
    name: "Host.getAllVmStats",
    aliases: [],
    roles: READERS,
    params: [],
    unknownKeys: "ignore",
    result: "array of objects",
    doc: "The same of all VMs.",
  },
  {
    name: "Host.getVMList",
    aliases: [],
    roles: READERS,
    params: [],
    unknownKeys: "ignore",
    result: "array of {vmId, status, statusTime}",
    doc: "The VMs of this host.",
  },
  {
    name: "Host.getStats",
    aliases: [],
    roles: ALL,
    params: [],
    unknownKeys: "ignore",
    result:
      "object: vmCount, vmActive, vmMigrating, incomingVmMigrations, outgoingVmMigrations, queuedVmMigrations, journal (ok, or why it is not written), dateTime",
    doc: "The host's counts; what libvirt shows to be transferring, whoever started it.",
  },
  {
    name: "Host.getCapabilities",
    aliases: [],
    roles: READERS,
    params: [],
    unknownKeys: "ignore",
    result:
      "object: hostName, vmTypes, kvmEnabled (a string, as VDSM's), zerocopy_migrations, refresh_disk_supported, max_outgoing_migrations, max_incoming_migrations",
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
    doc: "Why a migration went as it did: every decision with its rule, numbers and time, also after a restart.",
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

/** A parameter's type, range and unit in one phrase: `integer, 1 to 2000000, ms`. */
export function describeParam({ kind, range, unit }: ParamRow): string {
  const type = ["enum", "boolean", "uuid", "object"].includes(kind) ? [] : [kind];
  return [...type, range, ...(unit === "" ? [] : [unit])].join(", ");
}
