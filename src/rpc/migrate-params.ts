/**
 * The parameters of `VM.migrate` and `VM.migrateChangeParams` as data: names, units, defaults and
 * ranges. The README's tables and the schemas are held to them; what they do is not known here.
 */

import { ranges } from "../config/config.ts";
import { boolean, integer, list, oneOf, type ParamRow, string, vmID } from "./verb-row.ts";

/** Bounds of `VM.migrate` that the configuration does not share. */
export const migrateRanges = {
  /** 0 = the automatic steps. */
  downtimeMs: { min: 0, max: ranges.downtimeMs.max },
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
  /** Items of cpusets and numaNodesets: more than libvirt takes vCPUs. */
  placementItems: { max: 16_384 },
} as const;

export const migrateParams: readonly ParamRow[] = [
  vmID,
  {
    ...string("dst", "host, host:port, [v6]:port, v6; mode file: absolute path", {
      default: "",
      doc: "The destination's daemon, never this host itself; for mode file the hibernation image.",
    }),
    required: true,
  },
  string("dstparams", "absolute path", {
    default: "none",
    doc: "Parameters file of a hibernation; required for mode file, ignored for remote.",
  }),
  oneOf("mode", ["remote", "file"], { default: "remote", doc: "Migrate, or hibernate to a file." }),
  oneOf("method", ["online"], { default: "online", doc: "The guest runs meanwhile." }),
  integer("downtime", migrateRanges.downtimeMs, {
    unit: "ms",
    default: "automatic steps up to vars.migration_downtime",
    doc: "Maximal downtime; given, the caller owns it and there are no automatic steps; 0 or null = the default.",
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
    doc: "The host acts by it: one action a cycle once more than limit new passes have begun, -1 = at the next; numbers may be strings of digits.",
  },
  list("cpusets", "sets of host CPUs, one for each vCPU", {
    default: "as on this host",
    doc: "Where the vCPUs are pinned on the destination: `0-3,5`, `0-7,^2`.",
  }),
  list("numaNodesets", "sets of host NUMA nodes, one for each NUMA node of the VM", {
    default: "as on this host",
    doc: "Where its memory is bound there.",
  }),
  integer("outgoingLimit", migrateRanges.slots, {
    default: "vars.max_outgoing_migrations",
    doc: "Stands for it in this migration's own admission.",
  }),
  integer("incomingLimit", migrateRanges.slots, {
    default: "the destination's vars.max_incoming_migrations",
    doc: "Handed to the destination, where it stands for its own.",
  }),
];

export const changeParams: readonly ParamRow[] = [
  vmID,
  integer("downtime", ranges.downtimeMs, {
    unit: "ms",
    default: "unchanged",
    doc: "Maximal downtime; from now on the caller owns it, so there is no 0 for the default.",
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
