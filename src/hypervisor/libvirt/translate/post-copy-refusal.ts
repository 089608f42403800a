/**
 * Whether a start failed because of the POSTCOPY flag: then, and only then, a second call without it is
 * worthwhile. Most codes can mean anything, so code and text must agree; and names, paths and the output
 * of hooks or emulators do not count as libvirt's words about post-copy.
 *
 * Source: libvirt 9.0 to 12.8 and QEMU 7.2 to 11.1, their messages.
 */
import { ErrorCode } from "libvirt";

export interface Said {
  readonly code: number;
  readonly message: string;
}

/** With these codes the text is libvirt's own, or says why QEMU's migration failed. */
const OWN_WORDS: ReadonlySet<number> = new Set([
  ErrorCode.OPERATION_FAILED,
  ErrorCode.CONFIG_UNSUPPORTED,
  ErrorCode.ARGUMENT_UNSUPPORTED,
  ErrorCode.OPERATION_UNSUPPORTED,
]);

/**
 * QEMU's answer to a migration command, with code 1: "unable to execute QEMU command
 * 'migrate-set-capabilities': Postcopy is not supported". libvirtd translates the text around it.
 */
const QEMU_ANSWER = /\bmigrate(?:-[a-z]+)*['"\p{Pi}\p{Pf}][^:\uff1a]*[:\uff1a](?<answer>.*)$/isu;

/** QEMU's name of the capability, as libvirt quotes it if QEMU lacks it. */
const CAPABILITY = /['"\p{Pi}\p{Pf}]postcopy-ram['"\p{Pi}\p{Pf}]/u;
const QUOTED = /'[^']*'|"[^"]*"|\p{Pi}[^\p{Pf}]*\p{Pf}/gu;
const PATH = /\S*\/\S*/g;
const POSTCOPY = /post-?copy|userfault/i;

/** `vmName`: messages contain the VM's name, which may be anything. */
export function refusesPostCopy({ code, message }: Said, vmName: string): boolean {
  const said = POSTCOPY.test(vmName) ? message.replaceAll(vmName, "") : message;
  if (code === ErrorCode.INTERNAL_ERROR) {
    return speaksOfPostCopy(QEMU_ANSWER.exec(said)?.groups?.["answer"] ?? "");
  }
  if (code === ErrorCode.CONFIG_UNSUPPORTED && CAPABILITY.test(said)) return true;
  return OWN_WORDS.has(code) && speaksOfPostCopy(said);
}

function speaksOfPostCopy(text: string): boolean {
  return POSTCOPY.test(text.replace(QUOTED, " ").replace(PATH, " "));
}
