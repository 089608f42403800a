/**
 * This host as a destination: who may come in. Reservations are looked at only together with what
 * libvirt shows at that moment, and nothing is awaited between the look and the decision, so two
 * sources cannot get the same last slot.
 */
import {
  currentReservations,
  NO_RESERVATIONS,
  release,
  reserve,
  type HostDomains,
  type Reservations,
} from "../core/reservations.ts";
import { MonitorError } from "../errors.ts";
import type { Context } from "./context.ts";

export class IncomingSlots {
  readonly #context: Context;
  #reservations: Reservations = NO_RESERVATIONS;

  constructor(context: Context) {
    this.#context = context;
  }

  /**
   * A slot for this VM. `incomingLimit` stands for the configured one in this request.
   * Fails: noSlot (82), exists (4), libvirtUnavailable.
   */
  async reserve(vmId: string, source: string, incomingLimit?: number): Promise<void> {
    const { hostView, settings, clock, log } = this.#context;
    const looked = await hostView.refresh();
    if (looked.kind !== "ok") {
      throw new MonitorError("libvirtUnavailable", `VM ${vmId}: libvirt does not answer`);
    }
    const { maxIncoming, reservationLapsesMs } = settings();
    const nowMs = clock.monotonicMs();
    const domains = this.#domains();
    const current = currentReservations(this.#reservations, domains, reservationLapsesMs, nowMs);
    const limit = incomingLimit ?? maxIncoming;
    const result = reserve(current, { vmId, source, incomingLimit: limit }, domains, nowMs);
    this.#reservations = result.kind === "reserved" ? result.reservations : current;
    switch (result.kind) {
      case "reserved":
        log.info({ vmId, source, incomingLimit: limit }, "slot reserved for an incoming migration");
        return;
      case "exists":
        throw new MonitorError("exists", `VM ${vmId} runs on this host already`);
      case "full":
        throw new MonitorError(
          "noSlot",
          `VM ${vmId}: Incoming migration limit exceeded (${result.slotsInUse} of ${limit} in use)`,
        );
    }
  }

  /** True if there was one. */
  release(vmId: string): boolean {
    const had = this.#reservations.has(vmId);
    this.#reservations = release(this.#reservations, vmId);
    return had;
  }

  #domains(): HostDomains {
    const { hostView } = this.#context;
    const incoming = new Set<string>();
    const arrived = new Set<string>();
    for (const { vm } of hostView.views()) {
      (hostView.transfer(vm.vmId) === "incoming" ? incoming : arrived).add(vm.vmId);
    }
    return { incoming, arrived };
  }
}
