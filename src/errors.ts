/**
 * Every error that leaves the daemon, declared once: its name in the code, its number on the wire
 * and the level at which it is logged. Numbers below zero are JSON-RPC's, the others VDSM's, but
 * for accessDenied.
 *
 * An operating error is thrown as `MonitorError`; callers match `code`, never the message. A
 * programmer's error is an assertion and stops the process.
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface ErrorRow {
  /** The number on the wire. */
  readonly number: number;
  readonly level: LogLevel;
  /** When it is sent, for the README. */
  readonly when: string;
}

export const errorTable = {
  parse: { number: -32700, level: "info", when: "the message is not JSON" },
  invalidRequest: { number: -32600, level: "info", when: "JSON, but no JSON-RPC 2.0 request" },
  methodNotFound: { number: -32601, level: "info", when: "no verb of that name" },
  invalidParams: {
    number: -32602,
    level: "info",
    when: "a parameter is missing, unknown, of the wrong type or out of range; the message names it",
  },
  internal: {
    number: -32603,
    level: "error",
    when: "a defect of the daemon; the log has the cause",
  },
  noVm: { number: 1, level: "info", when: "no VM of that id on this host" },
  migrationFailed: { number: 12, level: "error", when: "a migration could not be begun" },
  cancelFailed: { number: 47, level: "info", when: "not cancelled; the message says why" },
  exists: { number: 4, level: "info", when: "a VM of that id runs on this host already" },
  migrationInProgress: {
    number: 51,
    level: "info",
    when: "the VM is migrating, or libvirt has another job on it, which the message names",
  },
  notMigrating: { number: 81, level: "info", when: "nothing migrates of that VM" },
  noSlot: {
    number: 82,
    level: "info",
    when: "no slot for a further incoming migration, or the VM's slot is another source's",
  },
  invalidParameter: {
    number: 91,
    level: "info",
    when: "cpusets or numaNodesets do not fit the VM: their number, or one of them; the message and data.reason say which",
  },
  initializing: {
    number: 99,
    level: "info",
    when: "the daemon is recovering its migrations: ask again",
  },
  impossibleInState: {
    number: 102,
    level: "info",
    when: "the migration's state does not allow the change; nothing of it was applied",
  },
  libvirtUnavailable: {
    number: 40,
    level: "warn",
    when: "libvirt is not reachable or did not answer within libvirt.call_timeout",
  },
  notEnoughResources: {
    number: 1100,
    level: "warn",
    when: "too many requests in flight, or replies of a batch too long",
  },
  /** Of our own: VDSM has one right for all. Beside 1100, where VDSM has no other. */
  accessDenied: {
    number: 1101,
    level: "warn",
    when: "the caller's role does not have the verb; the log has the certificate's subject",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorCode = keyof typeof errorTable;

export class MonitorError extends Error {
  override readonly name = "MonitorError";
  readonly code: ErrorCode;
  /** Extra fields for the log and for JSON-RPC's `error.data`, units in the names. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorCode,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}
