/**
 * What VM.getMigrationStatus and Host.getMigrations say of a migration, and VM_migration_ended of its
 * end: every field with its type, unit and meaning.
 */
import { endReasons } from "../core/end-reasons.ts";
import { namesOf } from "../core/names.ts";
import {
  boolean,
  count,
  COUNT_MAX,
  integer,
  object,
  oneOf,
  optional,
  text,
  time,
  uuid,
} from "./field.ts";
import { foreignPhase, locations, phases, stallReasons } from "./states.ts";

export const percent = integer({ min: 0, max: 100 }, "Never decreases.", { unit: "%" });

const phase = oneOf([...namesOf(phases), ...namesOf(foreignPhase)], "See states.md.");
const reason = oneOf(namesOf(endReasons), "See outcomes-and-errors.md.");
const outcomeWord = oneOf(["completed", "failed", "cancelled"], "How it ended.");

/** Also what VM_migration_ended has. */
export const outcomeFields = {
  outcome: outcomeWord,
  reason,
  code: integer({ min: 0, max: COUNT_MAX }, "0 = completed."),
  message: text("For people."),
  where: oneOf(namesOf(locations), "Where the guest is."),
  confirmed: boolean("The host where the guest is has said so."),
  duration: count("Since the call to libvirt; 0 if there was none.", "ms"),
  downtime: integer(
    { min: -1, max: COUNT_MAX },
    "How long the guest stood still; -1 = not known.",
    { unit: "ms" },
  ),
  dataProcessed: count("Data sent.", "bytes"),
  passes: count("Number of passes."),
};

const deferralFields = {
  deferrals: optional(
    "if it was ever deferred",
    count(
      "How often it was sent back to the queue: the destination had no slot or did not answer.",
    ),
  ),
  deferralReason: optional("deferred, not yet started", text("Why, the last time.")),
  retryIn: optional("while it waits for the next try", count("Until it is tried again.", "s")),
};

export const migrationStatusFields = {
  status: object(
    {
      code: integer({ min: 0, max: COUNT_MAX }, "0 = in progress or completed."),
      message: text("For people."),
    },
    "As VDSM has it.",
  ),
  progress: percent,
  phase: oneOf(namesOf(phases), "See states.md."),
  postcopy: boolean("The guest runs on the destination."),
  stalledFor: count("Since the last advance.", "s"),
  ...deferralFields,
  downtime: optional("once ended, if known", count("How long the guest stood still.", "ms")),
  outcome: optional("once ended", outcomeWord),
  reason: optional("once ended", reason),
};

const parameters = object(
  {
    migrationProgressTimeout: count("The hard limit.", "s"),
    stallingLimit: count("0 = no stall events.", "s"),
    maxBandwidth: count("What the engine allows.", "MiB/s"),
    minBandwidth: count("The floor, from the configuration.", "MiB/s"),
    compressed: boolean("As requested."),
    autoConverge: boolean("As requested."),
    encrypted: boolean("As requested."),
    tunneled: boolean("As requested."),
    abortOnError: boolean("As requested."),
    parallel: count("Parallel connections; 0 = off."),
  },
  "What applies now.",
);

const schedule = object(
  {
    next: count("Index of the next item."),
    items: count("Number of items in `stalling`."),
    exhausted: boolean("Nothing is left of it."),
  },
  "The convergenceSchedule.",
);

const stopping = object(
  {
    why: oneOf(["cancel", "progressTimeout", "schedule"], "What ends it."),
    accepted: boolean("libvirt accepted the abort."),
    libvirtCode: optional(
      "if libvirt refused the last abort",
      integer({ min: -COUNT_MAX, max: COUNT_MAX }, "libvirt's error number."),
    ),
    libvirtMessage: optional("if libvirt refused the last abort", text("libvirt's message.")),
  },
  "The cancel or abort that is pursued.",
);

const OURS = "absent for foreign ones";

/** One entry of Host.getMigrations. */
export const migrationFields = {
  vmId: uuid("The VM."),
  vmName: text("libvirt's name of the domain."),
  migrationId: optional(OURS, uuid("This migration.")),
  mode: oneOf(["remote", "file"], "file: a hibernation."),
  phase,
  dst: text("As given to VM.migrate."),
  dstqemu: optional("if it was given", text("As given to VM.migrate.")),
  ...deferralFields,
  acceptedAt: optional(OURS, time("When VM.migrate was accepted.")),
  endedAt: optional("once ended", time("When it ended.")),
  progress: percent,
  parameters: optional(OURS, parameters),
  pass: count("Number of the pass, counted from 1; 0 = none has begun."),
  passSize: optional(OURS, count("What remained when this pass began; 0 = not known.", "bytes")),
  bestPass: optional(OURS, count("Size of the last productive pass.", "bytes")),
  unproductivePasses: optional(
    OURS,
    count(
      "In a row, each at least one sweep of the memory after the one before; 2 are one half of the evidence for an abort.",
    ),
  ),
  dataTotal: count("Memory and disk.", "bytes"),
  dataProcessed: count("Sent so far.", "bytes"),
  dataRemaining: count("Left in this pass.", "bytes"),
  bandwidthBytesPerSecond: count("Measured by QEMU.", "bytes/s"),
  dirtyRateBytesPerSecond: optional(
    OURS,
    count("How fast the guest dirties memory; 0 in pass 1.", "bytes/s"),
  ),
  expectedDowntime: optional(OURS, count("What QEMU estimates it needs for the rest.", "ms")),
  downtimeOwner: optional(
    OURS,
    oneOf(["engine", "schedule", "steps", "none"], "Who sets the downtime; none: a hibernation."),
  ),
  downtime: optional(OURS, count("The maximum downtime now.", "ms")),
  cap: optional(OURS, count("What the bandwidth rule allows; 0 = not decided yet.", "MiB/s")),
  capApplied: optional(OURS, count("What libvirt has accepted.", "MiB/s")),
  sourceMigrations: optional(OURS, count("Migrations on this host, incoming ones included.")),
  destination: optional(
    OURS,
    oneOf(["counted", "silent", "unknown"], "Whether its daemon answers; unknown: it never has."),
  ),
  destinationMigrations: optional(
    "while counted",
    count("Migrations on the destination, incoming and outgoing."),
  ),
  destinationSilentQueries: optional(
    "while silent or unknown",
    count("Queries without an answer, in a row."),
  ),
  floorExceedsMaximum: optional(
    OURS,
    boolean("The floor makes the sum of the caps larger than maxBandwidth."),
  ),
  postcopyPossible: optional(OURS, boolean("It can switch to post-copy.")),
  postcopyUnavailableReason: optional("if it is not possible", text("Why not.")),
  postcopyWanted: optional(OURS, boolean("Requested; libvirt has not accepted it yet.")),
  postcopy: boolean("The guest runs on the destination."),
  stalledFor: optional(OURS, count("Since the last advance.", "s")),
  stallReason: optional(
    "while stalledFor is 1 or more",
    oneOf(namesOf(stallReasons), "What a stall event would say now."),
  ),
  timeoutIn: optional(OURS, count("Until the hard limit.", "s")),
  schedule: optional("if the request had one", schedule),
  stopping: optional("while a cancel or an abort is pursued, and after it", stopping),
  outcome: optional("once ended", object(outcomeFields, "How it ended.")),
};
