/**
 * What the verbs return, but for what migration-fields.ts says of a migration: VMs, the host, the
 * explanation of a migration. Every field with its type, unit and meaning.
 */
import { checkNames } from "../core/migrate-check.ts";
import {
  allOptional,
  boolean,
  count,
  integer,
  listOf,
  map,
  object,
  oneOf,
  optional,
  orNull,
  text,
  time,
  uuid,
  type ObjectOf,
  type TrueField,
} from "./field.ts";
import { percent } from "./migration-fields.ts";

export const yes: TrueField = { kind: "true", doc: "Done, or accepted." };

/** vmexitreason. Source: VDSM. */
export const exitReasons = {
  lostQemuConnection: 2,
  migrationSucceeded: 4,
  saveStateSucceeded: 5,
  adminShutdown: 6,
  userShutdown: 7,
  migrationFailed: 8,
  postCopyMigrationFailed: 12,
} as const;

/** VDSM's words for a VM's status, those that a migration can lead to. */
export const statusWords = [
  "Up",
  "Paused",
  "Down",
  "Powering down",
  "Saving State",
  "WaitForLaunch",
  "Migration Source",
  "Migration Destination",
] as const;

const exitFields = allOptional("with status Down", {
  exitCode: integer({ min: 0, max: 1 }, "0 = normal, 1 = error."),
  exitMessage: text("For people."),
  exitReason: count(
    "VDSM's number: 2 QEMU lost, 4 migrated, 5 saved, 6 stopped by somebody, 7 shut down by the guest, 8 lost in a migration, 12 lost in post-copy.",
  ),
});

/** Also what VM_status has. */
export const vmStatusFields = {
  status: oneOf(statusWords, "VDSM's word."),
  pauseCode: optional(
    "with status Paused",
    oneOf(
      ["NOERR", "EIO", "EOTHER", "POSTCOPY"],
      "EIO: storage error; POSTCOPY: the guest runs on the destination.",
    ),
  ),
  ...exitFields,
};

const statusTime = text(
  "Milliseconds of the clock that notify_time has, in digits: only good for order.",
  { range: "string of digits" },
);

/** VM.getStats. */
export const vmStatsFields = {
  vmId: uuid("The VM."),
  vmName: text("libvirt's name of the domain."),
  ...vmStatusFields,
  statusTime,
  migrationProgress: optional("while it leaves this host", percent),
  absentHere: optional(
    "true, while its migration has not ended and it is not on this host",
    boolean("It is leaving, and not here any more."),
  ),
  arrivedHere: optional(
    "true, if it had arrived here before it ended",
    boolean("It came by a migration, and has ended since."),
  ),
  lastIncomingMigration: optional(
    "of a VM that came by a migration, in VM.getStats",
    object(
      {
        downtime: optional("if libvirt has it", count("How long the guest stood still.", "ms")),
        downtimeNet: optional("if libvirt has it", count("The same without the network.", "ms")),
        dataProcessed: count("Data received.", "bytes"),
      },
      "libvirt's record of the migration that brought it here.",
    ),
  ),
};

/** One entry of Host.getVMList. */
export const vmListFields = {
  vmId: uuid("The VM."),
  status: vmStatusFields.status,
  statusTime,
  ...exitFields,
};

/** Host.getStats. */
export const hostStatsFields = {
  vmCount: count("VMs on this host."),
  vmActive: count("Of these, with status Up."),
  vmMigrating: count("Incoming and outgoing."),
  incomingVmMigrations: count("Migrations that arrive here, whoever started them."),
  outgoingVmMigrations: count("Migrations that libvirt is sending, whoever started them."),
  queuedVmMigrations: count("Accepted, waiting for a slot."),
  incomingSlotsInUse: count("Incoming migrations and reservations."),
  max_incoming_migrations: count("Configured."),
  version: text("The daemon's."),
  journal: text("ok, or why it cannot be written."),
  dateTime: text("This host's time.", { range: "YYYY-MM-DDTHH:MM:SS GMT" }),
};

export type HostStats = ObjectOf<typeof hostStatsFields>;

/** Host.getCapabilities. */
export const capabilitiesFields = {
  hostName: text("This host's name."),
  version: text("The daemon's."),
  hypervisor: oneOf(
    ["libvirt", "simulated"],
    "simulated: no guest of this host is real, and neither is any figure about one.",
  ),
  vmTypes: listOf(text("kvm."), "Always kvm."),
  kvmEnabled: oneOf(["true", "false"], "A string, as in VDSM."),
  zerocopy_migrations: boolean("Always false."),
  refresh_disk_supported: boolean("Always false."),
  max_outgoing_migrations: count("Configured."),
  max_incoming_migrations: count("Configured."),
};

export type Capabilities = ObjectOf<typeof capabilitiesFields>;

/** VM.migrationCreate. */
export const migrationCreateFields = {
  migrationPort: count("Always 0: libvirt chooses one."),
  params: object(
    {
      vmId: uuid("The VM."),
      status: oneOf(["Migration Destination"], "VDSM's word."),
      statusTime,
      xml: optional("if it was given", text("As given.")),
    },
    "The VM to come.",
  ),
};

export type MigrationCreated = ObjectOf<typeof migrationCreateFields>;

/** One entry of VM.migrateCheck. */
export const checkFields = {
  check: oneOf(checkNames, "What was looked at."),
  ok: orNull(boolean("null = it cannot be told.")),
  detail: text("For people."),
};

const summaryFields = {
  migrationId: uuid("The migration."),
  acceptedAt: time("When VM.migrate was accepted."),
  dst: text("As given to VM.migrate."),
  outcome: oneOf(["completed", "failed", "cancelled", "none"], "none: it has not ended."),
  reason: text("A reason of outcomes-and-errors.md, or none."),
};

/** VM.explainMigration. */
export const explainFields = {
  ...summaryFields,
  vmId: uuid("The VM."),
  journal: text("ok, or why it cannot be written."),
  complete: boolean("false: older parts of the journal are gone, and the beginning with them."),
  omitted: count("Decisions left out of the middle of a long list."),
  decisions: listOf(
    object(
      {
        time: time("When."),
        afterMs: orNull(
          integer(
            { min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER },
            "Since the first decision; null if the host was restarted in between.",
            { unit: "ms" },
          ),
        ),
        rule: text("See decisions.md."),
        what: text("What was decided."),
        numbers: map("What it was decided on; each name ends with its unit."),
      },
      "A decision.",
    ),
    "Every decision, in order.",
  ),
  others: listOf(
    object(summaryFields, "A migration."),
    "Other migrations of this VM in the journal, the latest 50.",
  ),
};

export type Explanation = ObjectOf<typeof explainFields>;
