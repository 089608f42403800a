/** libvirt's errors that a rule of the daemon distinguishes, in the port's words. */
import { ErrorCode, ErrorLevel, LibvirtError } from "libvirt";
import { expect, it } from "vitest";
import {
  isIncoming,
  postCopyCallRefusalFrom,
  refusalFrom,
} from "../../../../src/hypervisor/libvirt/translate/refusal.ts";

const MESSAGE = "unable to execute QEMU command 'migrate': Postcopy is not supported";

function error(code: number): LibvirtError {
  const failure = { code, message: MESSAGE, domain: 0, level: ErrorLevel.ERROR };
  return new LibvirtError("virDomainMigrateToURI3", failure);
}

it.each([
  ["NO_DOMAIN", "noVm"],
  ["OPERATION_INVALID", "invalidState"],
  ["OPERATION_TIMEOUT", "locked"],
  ["OPERATION_ABORTED", "aborted"],
  ["OPERATION_FAILED", "operationFailed"],
  ["INTERNAL_ERROR", "internalError"],
  ["RPC", "tooLarge"],
  ["SYSTEM_ERROR", "other"],
  ["OPERATION_UNSUPPORTED", "other"],
] as const)("%s is %s", (name, kind) => {
  const code = ErrorCode[name];
  expect(refusalFrom(error(code))).toEqual({ kind, code, message: MESSAGE });
});

it("of a call with post-copy, for post-copy: says so beside its kind", () => {
  const code = ErrorCode.INTERNAL_ERROR;
  expect(postCopyCallRefusalFrom(error(code), "guest-1")).toEqual({
    kind: "internalError",
    code,
    message: MESSAGE,
    refusesPostCopy: true,
  });
  const other = postCopyCallRefusalFrom(error(ErrorCode.SYSTEM_ERROR), "guest-1");
  expect(other).not.toHaveProperty("refusesPostCopy");
});

it("only a guest that is arriving has no job stats here", () => {
  const incoming = Object.values(ErrorCode).filter((code) => isIncoming(error(code)));
  expect(incoming).toEqual([ErrorCode.OPERATION_UNSUPPORTED]);
});
