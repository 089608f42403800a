/**
 * This host as a destination: who may migrate to it. Reservations are judged only together with a fresh
 * look at libvirt, and nothing is awaited between the look and the decision, so that two sources never
 * get the same last slot. The rules are core/reservations.ts's.
 */
import {
  type HostDomains,
  NO_RESERVATIONS,
  type Reservation,
  type Reservations,
  currentReservations,
  release,
  reserve,
  slotsInUse,
} from "../../core/reservations.ts";
import { MonitorError } from "../../errors.ts";
import type { Context } from "../context.ts";
import type { HostView } from "../host-view.ts";

/** The part of the context that is used here. */
export interface SlotsContext extends Pick<Context, "settings" | "clock" | "log" | "journal"> {
  readonly hostView: Pick<HostView, "refresh" | "views" | "transfer">;
}

export class IncomingSlots {
  readonly #context: SlotsContext;
  #reservations: Reservations = NO_RESERVATIONS;

  constructor(context: SlotsContext) {
    this.#context = context;
  }

  /**
   * A slot for this VM. `incomingLimit` overrides vars.max_incoming_migrations for this request.
   * **Fails**: noSlot (82), exists (4), libvirtUnavailable.
   */
  async reserve(vmId: string, source: string, incomingLimit?: number): Promise<void> {
    const { hostView, settings, clock, log } = this.#context;
    const looked = await hostView.refresh();
    if (looked.kind !== "ok") {
      throw new MonitorError("libvirtUnavailable", `VM ${vmId}: libvirt does not answer`);
    }
    this.note();
    const limit = incomingLimit ?? settings().maxIncoming;
    const request = { vmId, source, incomingLimit: limit };
    const result = reserve(this.#reservations, request, this.#domains(), clock.monotonicMs());
    if (result.kind === "reserved") this.#keep(result.reservations);
    switch (result.kind) {
      case "reserved":
        log.info({ vmId, source, incomingLimit: limit }, "slot reserved for an incoming migration");
        return;
      case "exists":
        throw new MonitorError("exists", `VM ${vmId} already runs on this host`);
      case "full":
        throw new MonitorError(
          "noSlot",
          `VM ${vmId}: Incoming migration limit exceeded (${result.slotsInUse} of ${limit} in use)`,
        );
    }
  }

  /**
   * Drops the reservations that a look has made obsolete. To be called after every look: a domain that came
   * and went between two requests would otherwise hold its slot until the reservation lapses.
   */
  note(): void {
    const { settings, clock } = this.#context;
    this.#keep(
      currentReservations(
        this.#reservations,
        this.#domains(),
        settings().reservationLapsesMs,
        clock.monotonicMs(),
      ),
    );
  }

  /** Those from before a restart of the daemon, within this boot. */
  restore(reservations: readonly Reservation[]): void {
    this.#keep(new Map(reservations.map((each) => [each.vmId, each])));
  }

  /** Journaled if changed: a restarted daemon must know them. */
  #keep(reservations: Reservations): void {
    const same =
      reservations.size === this.#reservations.size &&
      [...reservations].every(([vmId, each]) => this.#reservations.get(vmId) === each);
    this.#reservations = reservations;
    if (!same) this.#context.journal.slots(reservations);
  }

  /** Reservations and incoming domains, by the last look. */
  inUse(): number {
    return slotsInUse(this.#reservations, this.#domains());
  }

  /** True if there was one. */
  release(vmId: string): boolean {
    const had = this.#reservations.has(vmId);
    this.#keep(release(this.#reservations, vmId));
    return had;
  }

  /** **Fails**: noVm if nothing is reserved for it, accessDenied if another source reserved it. */
  releaseOwn(vmId: string, source: string): true {
    const held = this.#reservations.get(vmId);
    if (held === undefined) {
      throw new MonitorError("noVm", `VM ${vmId}: nothing is reserved for it on this host`);
    }
    if (held.source !== source) {
      throw new MonitorError("accessDenied", `VM ${vmId} is reserved for another source`);
    }
    this.release(vmId);
    return true;
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
