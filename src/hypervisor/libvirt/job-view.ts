/** What one GetJobStats came to, in the port's words. Pure. */
import type { LibvirtError } from "libvirt";
import type { JobStats } from "../../core/job-stats.ts";
import { LIBVIRT_ERROR } from "../../core/libvirt-codes.ts";
import type { JobView } from "../port.ts";

export function statsView(stats: JobStats, sinceMs: number, atMs: number): JobView {
  return { kind: "stats", stats, atMs, tookMs: atMs - sinceMs };
}

/** Code 84: libvirt has job stats on the source host alone, so this is not the source. */
export function failedJobView(error: LibvirtError): JobView {
  return error.code === LIBVIRT_ERROR.OPERATION_UNSUPPORTED
    ? { kind: "incoming" }
    : { kind: "refused", refusal: { code: error.code, message: error.libvirtMessage } };
}
