/**
 * Whether a start failed because it carried the POSTCOPY flag: then, and only then, it is worth a second
 * call without. Most failures have codes that mean anything, so code and text must both say it; and
 * names, paths and what a hook or an emulator printed are no part of what libvirt says of post-copy.
 *
 * Source: libvirt 9.0 to 12.8 and QEMU 7.2 to 11.1, their messages.
 */
import { ErrorCode } from "libvirt";

export interface Said {
  readonly code: number;
  readonly message: string;
}

/** With these libvirt speaks for itself, or hands on why QEMU's migration failed. */
const OWN_WORDS: ReadonlySet<number> = new Set([
  ErrorCode.OPERATION_FAILED,
  ErrorCode.CONFIG_UNSUPPORTED,
  ErrorCode.ARGUMENT_UNSUPPORTED,
  ErrorCode.OPERATION_UNSUPPORTED,
]);

/**
 * QEMU's answer to a command about migration, with code 1: "unable to execute QEMU command
 * 'migrate-set-capabilities': Postcopy is not supported". libvirtd translates the words around it.
 */
const QEMU_ANSWER = /\bmigrate(?:-[a-z]+)*['"\p{Pi}\p{Pf}][^:\uff1a]*[:\uff1a](?<answer>.*)$/isu;

/** QEMU's name of the capability, as libvirt quotes it where QEMU lacks it. */
const CAPABILITY = /['"\p{Pi}\p{Pf}]postcopy-ram['"\p{Pi}\p{Pf}]/u;
const QUOTED = /'[^']*'|"[^"]*"|\p{Pi}[^\p{Pf}]*\p{Pf}/gu;
const PATH = /\S*\/\S*/g;
const POSTCOPY = /post-?copy|userfault/i;

/** `vmName`: messages name the VM, whatever it is called. */
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
