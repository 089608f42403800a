/** What one GetJobStats came to, in the port's words. Pure. */
import type { LibvirtError } from "libvirt";
import type { JobStats } from "../../core/job-stats.ts";
import type { JobView } from "../port.ts";
import { isIncoming, refusalFrom } from "./translate/refusal.ts";

export function statsView(stats: JobStats, sinceMs: number, atMs: number): JobView {
  return { kind: "stats", stats, atMs, tookMs: atMs - sinceMs };
}

export function failedJobView(error: LibvirtError): JobView {
  return isIncoming(error)
    ? { kind: "incoming" }
    : { kind: "refused", refusal: refusalFrom(error) };
}
