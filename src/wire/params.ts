/**
 * The parameters of the verbs: names, types, units, ranges, defaults and meaning. The check of a
 * request, its error messages, the reference and the OpenRPC document all come from here. What a
 * parameter does is not known here. Names are VDSM's and the feature page's.
 */
import {
  boolean,
  integer,
  listOf,
  object,
  oneOf,
  optional,
  orNull,
  raw,
  text,
  uuid,
  type BooleanField,
} from "./field.ts";
import { ranges, verbRanges } from "./ranges.ts";

const vmID = uuid("The VM; `vmId` is accepted too.");

/** Verbs about one VM. */
export const vmParams = { vmID };

const action = object(
  {
    name: oneOf(["setDowntime", "postcopy", "abort"], "What to do; `init` takes no abort."),
    params: optional(
      "none",
      listOf(
        integer(ranges.downtimeMs, "The new maximum downtime.", { unit: "ms" }),
        "Of setDowntime: one value.",
      ),
    ),
  },
  "An action.",
);

const schedule = object(
  {
    init: optional(
      "none",
      listOf(action, "Carried out when the migration starts.", {
        maxItems: verbRanges.scheduleItems.max,
      }),
    ),
    stalling: optional(
      "none",
      listOf(
        object(
          {
            limit: integer(
              verbRanges.scheduleLimit,
              "New passes that must have begun before it; -1 = the next one.",
            ),
            action,
          },
          "An action and when it is due.",
        ),
        "Carried out one a cycle, in order.",
        { maxItems: verbRanges.scheduleItems.max },
      ),
    ),
  },
  "A convergenceSchedule as oVirt's engine writes it.",
);

function flag(doc: string): BooleanField & { readonly optional: string } {
  return optional("false", boolean(doc));
}

export const migrateParams = {
  vmID,
  dst: text(
    "The destination's daemon, never this host itself; for mode file the image to save to.",
    {
      range: "host, host:port, [v6]:port, v6; mode file: absolute path",
    },
  ),
  dstparams: optional(
    "none",
    text("The parameters file of a hibernation; required for mode file, ignored for remote.", {
      range: "absolute path",
    }),
  ),
  mode: optional("remote", oneOf(["remote", "file"], "Migrate, or hibernate to a file.")),
  method: optional("online", oneOf(["online"], "The guest keeps running.")),
  downtime: optional(
    "automatic steps up to vars.migration_downtime",
    integer(
      verbRanges.downtimeMs,
      "Maximum downtime. If given, the caller owns it and there are no automatic steps; 0 or null = the default.",
      { unit: "ms" },
    ),
  ),
  consoleAddress: optional(
    "none: libvirt does not relocate graphics clients",
    text("Where graphics clients are sent.", { range: "host", format: "host" }),
  ),
  dstqemu: optional(
    "the host of dst",
    text("The destination's address in the migration network.", { range: "host", format: "host" }),
  ),
  compressed: flag("Compress repeated pages."),
  autoConverge: flag("Let QEMU throttle the guest until the migration converges."),
  abortOnError: flag("Abort if the guest has an I/O error meanwhile."),
  encrypted: flag("Encrypt the guest's data with TLS."),
  tunneled: flag("Send the guest's data through libvirt's connection; rules out post-copy."),
  parallel: optional(
    "0",
    integer(
      verbRanges.parallel,
      "Number of parallel connections; 0 or null = off; rules out post-copy.",
    ),
  ),
  migrationProgressTimeout: optional(
    "vars.migration_progress_timeout",
    integer(
      ranges.progressTimeoutSeconds,
      "The host aborts the migration after this long without advance.",
      { unit: "s" },
    ),
  ),
  stallingLimit: optional(
    "0",
    integer(
      verbRanges.stallingLimit,
      "After this long without advance, and at each multiple, a stall event is sent; 0 = off.",
      { unit: "s" },
    ),
  ),
  maxBandwidth: optional(
    "vars.migration_max_bandwidth",
    integer(
      verbRanges.maxBandwidth,
      "What is shared among the host's migrations; 0 or null = the default.",
      { unit: "MiB/s" },
    ),
  ),
  convergenceSchedule: optional(
    "none",
    raw(
      schedule,
      "The host acts on it: one action a cycle, once more than limit new passes have begun, -1 = at the next; numbers may be strings of digits.",
      {
        range:
          "{init: [action], stalling: [{limit, action}]}, an action {name: setDowntime | postcopy | abort, params: [ms]}",
      },
    ),
  ),
  cpusets: optional(
    "as on this host",
    listOf(
      text("A set of host CPUs: `0-3,5`, `0-7,^2`."),
      "Where the vCPUs are pinned on the destination: `0-3,5`, `0-7,^2`.",
      {
        range: "list of sets of host CPUs, one for each vCPU",
        maxItems: verbRanges.placementItems.max,
      },
    ),
  ),
  numaNodesets: optional(
    "as on this host",
    listOf(text("A set of host NUMA nodes."), "Which NUMA nodes its memory is bound to there.", {
      range: "list of sets of host NUMA nodes, one for each NUMA node of the VM",
      maxItems: verbRanges.placementItems.max,
    }),
  ),
  outgoingLimit: optional(
    "vars.max_outgoing_migrations",
    integer(verbRanges.slots, "Overrides vars.max_outgoing_migrations for this migration."),
  ),
  incomingLimit: optional(
    "the destination's vars.max_incoming_migrations",
    integer(
      verbRanges.slots,
      "Passed to the destination, where it overrides vars.max_incoming_migrations for this migration.",
    ),
  ),
};

export const changeParams = {
  vmID,
  downtime: optional(
    "unchanged",
    integer(
      ranges.downtimeMs,
      "Maximum downtime; from now on the caller owns it, so there is no 0 for the default.",
      { unit: "ms" },
    ),
  ),
  migrationTechnique: optional(
    "unchanged",
    oneOf(
      ["pre-copy", "post-copy"],
      "post-copy: the guest switches to the destination now, and there is no way back. In post-copy: recover it now.",
    ),
  ),
  stallingLimit: optional(
    "unchanged",
    integer(verbRanges.stallingLimit, "0 = no stall events.", { unit: "s" }),
  ),
  maxBandwidth: optional(
    "unchanged",
    integer(ranges.bandwidthMiBps, "What is shared among the host's migrations.", {
      unit: "MiB/s",
    }),
  ),
  migrationProgressTimeout: optional(
    "unchanged",
    integer(
      ranges.progressTimeoutSeconds,
      "If less than the time without advance so far, the migration is aborted in the next cycle.",
      { unit: "s" },
    ),
  ),
};

export const hibernateParams = {
  vmID,
  hibernationVolHandle: text(
    "The image; the parameters file is next to it, with .json appended to its name. Volumes of oVirt's storage are refused.",
    { range: "absolute path below vars.hibernation_dir", format: "path" },
  ),
};

export const migrationCreateParams = {
  vmID,
  incomingLimit: optional(
    "vars.max_incoming_migrations",
    orNull(integer(verbRanges.slots, "Overrides this host's limit for this request.")),
  ),
  xml: optional("none", text("Returned as it came, as VDSM does.", { range: "domain XML" })),
};

/** Host.getMigrations. */
export const migrationsParams = {
  vmID: optional("every VM", uuid("Only the migrations of this VM.")),
};

export const explainParams = {
  vmID,
  migrationId: optional(
    "the VM's last",
    uuid("From Host.getMigrations, or from `others` in an answer."),
  ),
};

export const eventsParams = {
  since: optional(
    "0",
    integer(
      verbRanges.events,
      "The first number wanted: `next` of the last answer; 0 = all that are kept.",
    ),
  ),
  epoch: optional(
    "the current one",
    uuid("The run of the daemon that `since` comes from: `epoch` of the last answer."),
  ),
};
