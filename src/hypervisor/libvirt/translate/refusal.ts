/**
 * libvirt's errors as the port's refusals. The number decides; the text, which differs between versions
 * and languages, is for people. Only post-copy-refusal.ts reads it.
 *
 * Source: virterror.h, virErrorNumber.
 */
import { ErrorCode, type LibvirtError } from "libvirt";
import type { Refusal, RefusalKind } from "../../../core/refusal.ts";
import { refusesPostCopy } from "./post-copy-refusal.ts";

const kinds: ReadonlyMap<number, RefusalKind> = new Map<number, RefusalKind>([
  [ErrorCode.NO_DOMAIN, "noVm"],
  [ErrorCode.OPERATION_INVALID, "invalidState"],
  [ErrorCode.OPERATION_TIMEOUT, "locked"],
  [ErrorCode.OPERATION_ABORTED, "aborted"],
  [ErrorCode.OPERATION_FAILED, "operationFailed"],
  // Also a command that QEMU's monitor rejects.
  [ErrorCode.INTERNAL_ERROR, "internalError"],
  // A domain's XML can exceed the size of a message of libvirt's protocol.
  [ErrorCode.RPC, "tooLarge"],
]);

export function refusalFrom({ code, libvirtMessage }: LibvirtError): Refusal {
  return { kind: kinds.get(code) ?? "other", code, message: libvirtMessage };
}

/** The refusal of a migrate call with the POSTCOPY flag. */
export function postCopyCallRefusalFrom(error: LibvirtError, vmName: string): Refusal {
  const refusal = refusalFrom(error);
  const { code, libvirtMessage: message } = error;
  return refusesPostCopy({ code, message }, vmName)
    ? { ...refusal, refusesPostCopy: true }
    : refusal;
}

/** libvirt provides job stats only on the source host, so this is not the source. */
export function isIncoming({ code }: LibvirtError): boolean {
  return code === ErrorCode.OPERATION_UNSUPPORTED;
}
