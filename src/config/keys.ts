/**
 * Every configuration key, declared once: unit, range, default, meaning, and whether it can change
 * without a restart. A test holds `conf/vdsm.json` and the reference to this file; config.ts
 * checks files against it. This file reads nothing and does not know what the values are used for.
 *
 * Keys that exist in VDSM's vdsm.conf have the same name here.
 */

import { isIP } from "node:net";
import { isAbsolute, normalize } from "node:path";
import { ranges } from "../wire/ranges.ts";

export const logLevels = ["debug", "info", "warn", "error"] as const;

/** The roles a client can have by default; the verb table says what each may call. */
export const accessRoles = ["control", "peer", "read-only", "none"] as const;

export type Key<T> = {
  readonly doc: string;
  readonly unit: string;
  readonly range: string;
  readonly default: T;
  /** Can change on SIGHUP; otherwise only by a restart. */
  readonly reloadable: boolean;
  /** Throws if the value is invalid. A function, so that convict never converts types. */
  readonly format: (value: unknown) => void;
};

type KeyText<T> = Pick<Key<T>, "default" | "doc"> & { readonly unit?: string };

function key<T>(text: KeyText<T>, range: string, allowed: (value: unknown) => boolean): Key<T> {
  const format = (value: unknown): void => {
    if (!allowed(value)) throw new Error(`${show(value)} is invalid; expected ${range}`);
  };
  return { unit: "", reloadable: true, ...text, range, format };
}

/** Only a restart changes it. */
function restartOnly<T>(spec: Key<T>): Key<T> {
  return { ...spec, reloadable: false };
}

type Bounds = { readonly min: number; readonly max: number };

const between = (min: number, max: number): Bounds => ({ min, max });

function integer(bounds: Bounds, text: KeyText<number>): Key<number> {
  const range = `integer, ${bounds.min} to ${bounds.max}`;
  return key(text, range, (value) => Number.isInteger(value) && within(value, bounds));
}

function fraction(bounds: Bounds, text: KeyText<number>): Key<number> {
  const range = `number, ${bounds.min} to ${bounds.max}`;
  return key(text, range, (value) => within(value, bounds));
}

const within = (value: unknown, { min, max }: Bounds): boolean =>
  typeof value === "number" && value >= min && value <= max;

function flag(text: KeyText<boolean>): Key<boolean> {
  return key(text, "true or false", (value) => typeof value === "boolean");
}

function text(range: string, text: KeyText<string>, allowed: (value: string) => boolean) {
  return key<string>(text, range, (value) => typeof value === "string" && allowed(value));
}

function oneOf<const T extends string>(values: readonly T[], text: KeyText<T>): Key<T> {
  return key(text, values.join(" | "), (value) => values.some((each) => each === value));
}

/** Without `..` and doubled slashes, because the hibernation rules compare paths by prefix. */
function isPlainPath(path: string): boolean {
  return isAbsolute(path) && path !== "/" && normalize(path) === path && !path.includes("\0");
}

/**
 * A subject in RFC 2253 form, as `openssl x509 -noout -subject -nameopt RFC2253` prints it.
 * Subjects are compared as text, so one spelled differently would never match; it is rejected here.
 */
const subjectPattern = (() => {
  const plain = String.raw`[^,+"\\<>;\x00-\x1f\x7f-\uffff]`;
  const escaped = String.raw`\\[,+"\\<>;# ]|\\[0-9A-F]{2}`;
  const value = String.raw`(?![ #])(?:${plain}|${escaped})*(?<!(?<!\\) )`;
  const attribute = `[A-Za-z0-9][A-Za-z0-9.-]*=${value}`;
  return new RegExp(`^${attribute}(?:[,+]${attribute})*$`);
})();

function subjects(text: Omit<KeyText<readonly string[]>, "default">): Key<readonly string[]> {
  return key<readonly string[]>(
    { default: [], ...text },
    "list of subjects as openssl prints them with -nameopt RFC2253",
    (value) =>
      Array.isArray(value) &&
      value.every((each) => typeof each === "string" && subjectPattern.test(each)),
  );
}

function isSocketPath(path: string): boolean {
  return isPlainPath(path) && Buffer.byteLength(path) <= SOCKET_PATH_BYTES;
}

function path(text: KeyText<string>): Key<string> {
  return key(
    text,
    "absolute path in its shortest form",
    (value) => typeof value === "string" && isPlainPath(value),
  );
}

/** The maximum length of a Unix socket's path on Linux (sun_path is 108 bytes with the NUL). */
const SOCKET_PATH_BYTES = 107;

const fileOrNone = (spec: KeyText<string>): Key<string> =>
  text(
    "absolute path in its shortest form, or empty",
    spec,
    (value) => value === "" || isPlainPath(value),
  );

const socketOrNone = (spec: KeyText<string>): Key<string> =>
  text(
    `absolute path, at most ${SOCKET_PATH_BYTES} bytes, or empty`,
    spec,
    (value) => value === "" || isSocketPath(value),
  );

const uriPattern = /^[a-z][a-z0-9]*(\+[a-z0-9]+)?:\/\/\S*$/;
const vars = {
  migration_max_bandwidth: integer(ranges.bandwidthMiBps, {
    unit: "MiB/s",
    default: 52,
    doc: "What the migrations of a host may use together: the maxBandwidth of a migration that gives none.",
  }),
  min_migration_bandwidth: integer(ranges.bandwidthMiBps, {
    unit: "MiB/s",
    default: 10,
    doc: "Floor of a migration's cap. If a migration's maxBandwidth is lower, that is its floor.",
  }),
  migration_progress_timeout: integer(ranges.progressTimeoutSeconds, {
    unit: "s",
    default: 240,
    doc: "Hard limit: without advance for this long the host aborts the migration, unless it has its own migrationProgressTimeout. Cannot be switched off.",
  }),
  migration_monitor_interval: fraction(between(0.1, 60), {
    unit: "s",
    default: 1,
    doc: "Time between two cycles of the MonitorThread.",
  }),
  migration_downtime: integer(ranges.downtimeMs, {
    unit: "ms",
    default: 500,
    doc: "Last of the automatic downtime steps.",
  }),
  migration_downtime_steps: integer(between(2, 100), {
    default: 5,
    doc: "Number of automatic downtime steps up to migration_downtime.",
  }),
  migration_downtime_delay: integer(between(0, 3600), {
    unit: "s per GiB",
    default: 100,
    doc: "Wait between two downtime steps: this x GiB of guest memory / steps, at most 60 s. 0 = a step in each cycle.",
  }),
  max_outgoing_migrations: integer(between(1, 1_000), {
    default: 2,
    doc: "Outgoing migrations at a time; others are queued. Each occupies one of libvirtd's workers: with libvirt 15 at most.",
  }),
  max_incoming_migrations: integer(between(1, 100), {
    default: 2,
    doc: "Incoming migrations at a time, unless the source's request has its own incomingLimit.",
  }),
  migration_retry_timeout: integer(between(1, 3_600), {
    unit: "s",
    default: 10,
    doc: "How long a deferred migration waits before it asks the destination again, give or take a quarter.",
  }),
  migration_admission_timeout: integer(between(0, 2_147_483), {
    unit: "s",
    default: 3_600,
    doc: "Longest time from acceptance to the call to libvirt; then the migration has failed with reason noSlot. 0 = no limit.",
  }),
  migration_listener_timeout: integer(between(1, 3_600), {
    unit: "s",
    default: 30,
    doc: "A reserved slot lapses if no incoming migration has begun within this time.",
  }),
  migration_allow_postcopy: flag({
    default: true,
    doc: "Start migrations in such a way that they can switch to post-copy.",
  }),
  migration_postcopy_bandwidth: integer(between(0, ranges.bandwidthMiBps.max), {
    unit: "MiB/s",
    default: 0,
    doc: "Bandwidth of a migration in post-copy. 0 = no limit.",
  }),
  postcopy_stall_timeout: integer(between(1, 3_600), {
    unit: "s",
    default: 30,
    doc: "Post-copy with no data for this long counts as stalled: an event is sent and recovery is attempted.",
  }),
  peer_timeout: fraction(between(0.1, 60), {
    unit: "s",
    default: 2,
    doc: "A destination's daemon that does not answer within this time counts as silent.",
  }),
  hibernation_dir: path({
    default: "/var/lib/vdsm-migrationd/images",
    doc: "Folder that every hibernation image and parameters file must be below.",
  }),
};

const addresses = {
  management_ip: restartOnly(
    key(
      {
        default: "",
        doc: "Address of the TCP listener. Empty = no TCP listener, Unix sockets only.",
      },
      "IPv4 or IPv6 address, or empty",
      (value) => value === null || value === "" || (typeof value === "string" && isIP(value) !== 0),
    ),
  ),
  management_port: restartOnly(
    integer(between(1, 65_535), {
      default: 54_321,
      doc: "Port of the TCP listener, and of a destination's daemon if dst gives none.",
    }),
  ),
  unix_socket: restartOnly(
    text(
      `absolute path, at most ${SOCKET_PATH_BYTES} bytes`,
      {
        default: "/run/vdsm-migrationd/rpc.sock",
        doc: "Unix socket for control, mode 0600, or 0660 with unix_socket_group.",
      },
      isSocketPath,
    ),
  ),
  unix_socket_group: restartOnly(
    text(
      "name in /etc/group, or group id, or empty",
      { default: "", doc: "Group that may control through unix_socket. Empty = its owner only." },
      (value) => /^([A-Za-z0-9_][A-Za-z0-9_.-]{0,31})?$/.test(value),
    ),
  ),
  unix_socket_ro: restartOnly(
    socketOrNone({
      default: "/run/vdsm-migrationd/rpc-ro.sock",
      doc: "Unix socket for reading, mode 0666: open to every user of the host. Empty = none.",
    }),
  ),
};

const access = {
  control: subjects({ doc: "Subjects of certificates that may call every verb." }),
  peer: subjects({
    doc: "Subjects of certificates that may do only what a source asks of a destination: other hosts.",
  }),
  read_only: subjects({
    doc: "Subjects of certificates that may call verbs that only read, and receive events.",
  }),
  default_role: oneOf(accessRoles, {
    default: "control",
    doc: "Role of every other certificate signed by ssl.ca; over TCP without TLS, of everybody.",
  }),
};

const ssl = {
  enabled: restartOnly(
    flag({
      default: true,
      doc: "Mutual TLS, 1.2 or later, on the TCP listener and to destinations.",
    }),
  ),
  allow_plaintext: restartOnly(
    flag({
      default: false,
      doc: "Allows a TCP listener without TLS if ssl.enabled is false. Everybody who reaches it has access.default_role.",
    }),
  ),
  verify_peer_name: restartOnly(
    flag({
      default: false,
      doc: "Require a destination's certificate to contain the host name or address given in dst. false, as in VDSM: any certificate signed by ssl.ca will do.",
    }),
  ),
  ca: restartOnly(
    path({
      default: "/etc/pki/vdsm/certs/cacert.pem",
      doc: "Certificate of the authority that signs those of hosts and clients.",
    }),
  ),
  cert: restartOnly(
    path({ default: "/etc/pki/vdsm/certs/vdsmcert.pem", doc: "This host's certificate." }),
  ),
  key: restartOnly(
    path({ default: "/etc/pki/vdsm/keys/vdsmkey.pem", doc: "Private key of ssl.cert." }),
  ),
};

const libvirt = {
  uri: restartOnly(
    text("libvirt URI", { default: "qemu:///system", doc: "This host's libvirt." }, (value) =>
      uriPattern.test(value),
    ),
  ),
  destination_uri: text(
    "libvirt URI with {host} in it",
    {
      default: "qemu+tls://{host}/system",
      doc: "How this host's libvirt reaches the destination's. {host} is replaced by the host of dst.",
    },
    (value) => uriPattern.test(value) && value.includes("{host}"),
  ),
  call_timeout: fraction(between(0.1, 60), {
    unit: "s",
    default: 3,
    doc: "A VM whose libvirt call takes longer has no sample in that cycle.",
  }),
};

const hypervisor = {
  kind: restartOnly(
    oneOf(["libvirt", "simulated"], {
      default: "libvirt",
      doc: "simulated: for trying the daemon without hosts; nothing that it says is about a real guest.",
    }),
  ),
  host: restartOnly(
    text(
      "name of a host, or empty",
      { default: "", doc: "Which host of the simulated world this is the daemon of." },
      (value) => value === "" || /^[\w.-]+$/.test(value),
    ),
  ),
  scenario: restartOnly(
    fileOrNone({
      default: "",
      doc: "Scenario file of a simulated world that lives and ends with this daemon. Empty = none.",
    }),
  ),
  world_socket: restartOnly(
    socketOrNone({
      default: "",
      doc: "Unix socket of a simulated world that another process runs, so that several daemons share it. Empty = none.",
    }),
  ),
};

const peer = {
  mode: oneOf(["daemon", "none"], {
    default: "daemon",
    doc: "daemon: destinations run this daemon. none: they run plain libvirtd; nobody is asked for slots or counts.",
  }),
};

const journal = {
  dir: restartOnly(
    path({
      default: "/var/lib/vdsm-migrationd/journal",
      doc: "Folder of the journal, which lets a restarted daemon continue its migrations.",
    }),
  ),
};

const log = {
  level: oneOf(logLevels, { default: "info", doc: "Lowest level that is written." }),
};

export const schema = { vars, addresses, ssl, access, hypervisor, libvirt, peer, journal, log };

/** A value as error messages show it. */
export function show(value: unknown): string {
  let shown: string;
  try {
    shown = JSON.stringify(value) ?? String(value);
  } catch {
    // JSON.parse accepts deeper nesting than JSON.stringify.
    shown = Array.isArray(value) ? "an array" : "an object";
  }
  return shown.length <= 100 ? shown : `${shown.slice(0, 100)}…`;
}
