/**
 * libvirt's errors as the port's refusals. The number decides; libvirt's text is for people, since it
 * changes between versions and languages. One rule reads the text, post-copy-refusal.ts.
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
  // What QEMU's monitor answers to a command that it rejects comes with this code, too.
  [ErrorCode.INTERNAL_ERROR, "internalError"],
  // A domain's XML can be larger than a message of libvirt's protocol may be.
  [ErrorCode.RPC, "tooLarge"],
]);

export function refusalFrom({ code, libvirtMessage }: LibvirtError): Refusal {
  return { kind: kinds.get(code) ?? "other", code, message: libvirtMessage };
}

/** Of a migrate call that carried the POSTCOPY flag. */
export function postCopyCallRefusalFrom(error: LibvirtError, vmName: string): Refusal {
  const refusal = refusalFrom(error);
  const { code, libvirtMessage: message } = error;
  return refusesPostCopy({ code, message }, vmName)
    ? { ...refusal, refusesPostCopy: true }
    : refusal;
}

/** libvirt gives job stats on the source host alone, so this is not the source. */
export function isIncoming({ code }: LibvirtError): boolean {
  return code === ErrorCode.OPERATION_UNSUPPORTED;
}
