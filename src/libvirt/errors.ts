/**
 * libvirt's errors in JavaScript: one class, and the only place where what C++ rejects with becomes an
 * instance. What an error means is for the caller to judge, by `code`; the text is for people, and
 * differs between versions of libvirt.
 */
import type { NativeFailure } from "./abi.ts";

/** A call that libvirt refused or could not perform, or one on a closed handle. */
export class LibvirtError extends Error {
  override readonly name = "LibvirtError";
  /** virErrorNumber, see ErrorCode. Source: virterror.h. */
  readonly code: number;
  /** virErrorDomain: the part of libvirt that failed, e.g. 10 = VIR_FROM_QEMU, 7 = VIR_FROM_RPC. */
  readonly domain: number;
  /** virErrorLevel, see ErrorLevel. */
  readonly level: number;
  /** libvirt's own text, unchanged. */
  readonly libvirtMessage: string;
  /** The C function that failed, e.g. `virDomainMigrateToURI3`. */
  readonly operation: string;

  constructor(operation: string, failure: NativeFailure) {
    super(`${operation}: ${failure.message}`);
    this.code = failure.code;
    this.domain = failure.domain;
    this.level = failure.level;
    this.libvirtMessage = failure.message;
    this.operation = operation;
  }
}

function isNativeFailure(value: unknown): value is NativeFailure {
  return typeof value === "object" && value !== null && "code" in value && "level" in value;
}

/**
 * What the native call resolves with; a failure becomes a LibvirtError with the caller's stack.
 * `operation` is the C function's name.
 */
export async function settle<T>(operation: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (failure) {
    throw isNativeFailure(failure) ? new LibvirtError(operation, failure) : failure;
  }
}
