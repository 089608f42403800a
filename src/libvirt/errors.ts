/**
 * libvirt's errors as JavaScript sees them: one class, and the one place where what C++ rejects with
 * becomes it. Which error means what to a caller is the caller's to judge, by `code`; the text is
 * for people and differs between versions of libvirt for the same event.
 */
import type { NativeFailure } from "./abi.ts";

/** A call that libvirt refused or could not carry out, or one on a handle that is closed. */
export class LibvirtError extends Error {
  override readonly name = "LibvirtError";
  /** virErrorNumber, see ErrorCode. Source: virterror.h. */
  readonly code: number;
  /** virErrorDomain: which part of libvirt spoke, e.g. 10 = VIR_FROM_QEMU, 7 = VIR_FROM_RPC. */
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
 * What the native call resolves with; its failure as a LibvirtError with the stack of the caller.
 * `operation` is the C function's name.
 */
export async function settle<T>(operation: string, call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (failure) {
    throw isNativeFailure(failure) ? new LibvirtError(operation, failure) : failure;
  }
}
