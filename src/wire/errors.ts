/**
 * Every error that the daemon sends, declared once: its name in the code, its number on the wire, the
 * level at which it is logged, and when it is sent. Numbers below zero are JSON-RPC's, the others
 * VDSM's, except that of accessDenied.
 *
 * `MonitorError` is how the daemon throws one; callers match `code`, never the message.
 */

export type LogLevel = "debug" | "info" | "warn" | "error";

export interface ErrorRow {
  /** The number on the wire. */
  readonly number: number;
  readonly level: LogLevel;
  readonly when: string;
}

export const errorTable = {
  parse: { number: -32700, level: "info", when: "the message is not JSON" },
  invalidRequest: { number: -32600, level: "info", when: "JSON, but not a JSON-RPC 2.0 request" },
  methodNotFound: { number: -32601, level: "info", when: "no verb has that name" },
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
  noVm: { number: 1, level: "info", when: "this host has no VM with that id" },
  migrationFailed: { number: 12, level: "error", when: "a migration could not be started" },
  cancelFailed: { number: 47, level: "info", when: "not cancelled; the message says why" },
  exists: { number: 4, level: "info", when: "a VM with that id already runs on this host" },
  migrationInProgress: {
    number: 51,
    level: "info",
    when: "the VM is migrating, or libvirt has another job on it, which the message names",
  },
  notMigrating: { number: 81, level: "info", when: "the VM is not migrating" },
  noSlot: {
    number: 82,
    level: "info",
    when: "no slot for another incoming migration, or the VM's slot belongs to another source",
  },
  invalidParameter: {
    number: 91,
    level: "info",
    when: "cpusets or numaNodesets do not fit the VM: their number, or one of them; the message and data.reason say which",
  },
  initializing: {
    number: 99,
    level: "info",
    when: "the daemon is still recovering its migrations: ask again",
  },
  impossibleInState: {
    number: 102,
    level: "info",
    when: "the migration's state does not allow the change; nothing of it was applied",
  },
  libvirtUnavailable: {
    number: 40,
    level: "warn",
    when: "libvirt cannot be reached or did not answer within libvirt.call_timeout",
  },
  notEnoughResources: {
    number: 1100,
    level: "warn",
    when: "too many requests in flight, or the replies of a batch are too long",
  },
  /** Our own: VDSM has one right for everybody. Next to 1100, where VDSM has no other. */
  accessDenied: {
    number: 1101,
    level: "warn",
    when: "the caller's role may not call the verb; the log has the certificate's subject",
  },
} as const satisfies Record<string, ErrorRow>;

export type ErrorName = keyof typeof errorTable;

/** What any request may end with, whatever its verb. */
export const commonErrors: readonly ErrorName[] = [
  "parse",
  "invalidRequest",
  "methodNotFound",
  "invalidParams",
  "internal",
  "initializing",
  "notEnoughResources",
  "accessDenied",
];

export class MonitorError extends Error {
  override readonly name = "MonitorError";
  readonly code: ErrorName;
  /** Extra fields for the log and for JSON-RPC's `error.data`, units in the names. */
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: ErrorName,
    message: string,
    options: { cause?: unknown; details?: Readonly<Record<string, unknown>> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}
