/** One VM's job as GetJobStats shows it, in the port's words. */
import { type Domain, LibvirtError } from "libvirt";
import type { Clock } from "../../clock.ts";
import type { JobView } from "../port.ts";
import { jobStatsFromLibvirt } from "./translate/job-stats.ts";
import { isIncoming, refusalFrom } from "./translate/refusal.ts";

/** Rejects only for a defect. */
export async function readJobView(domain: Domain, clock: Clock): Promise<JobView> {
  try {
    const stats = jobStatsFromLibvirt(await domain.getJobStats());
    return { kind: "stats", stats, atMs: clock.monotonicMs() };
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    return isIncoming(error)
      ? { kind: "incoming" }
      : { kind: "refused", refusal: refusalFrom(error) };
  }
}
