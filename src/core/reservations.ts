/**
 * Who may come in. A source asks before it begins (VM.migrationCreate); what it gets is a
 * reservation, which becomes the incoming domain once libvirt shows that, and then the domain itself
 * holds the slot until it has arrived or is gone. So slots in use are reservations and incoming
 * domains together, a VM that is both counted once.
 *
 * A reservation that libvirt does not follow up lapses; nothing else frees it but its own end.
 */

export interface Reservation {
  readonly vmId: string;
  /** Who asked: the same may renew it, nobody else may have the VM's slot. */
  readonly source: string;
  readonly reservedAtMs: number;
}

export type Reservations = ReadonlyMap<string, Reservation>;

export const NO_RESERVATIONS: Reservations = new Map();

/** What libvirt shows on this host. */
export interface HostDomains {
  readonly incoming: ReadonlySet<string>;
  /** Active and not incoming. */
  readonly arrived: ReadonlySet<string>;
}

export interface ReserveRequest {
  readonly vmId: string;
  readonly source: string;
  /** Slots of this host as this request sees them. */
  readonly incomingLimit: number;
}

export type ReserveResult =
  | { readonly kind: "reserved"; readonly reservations: Reservations }
  /** A VM of that id runs here. */
  | { readonly kind: "exists" }
  /** No slot, or the VM's slot is another source's. */
  | { readonly kind: "full"; readonly slotsInUse: number };

/** Drops what libvirt has taken over, what has arrived, and what lapsed. */
export function currentReservations(
  reservations: Reservations,
  domains: HostDomains,
  lapsesAfterMs: number,
  nowMs: number,
): Reservations {
  return new Map(
    [...reservations].filter(
      ([vmId, { reservedAtMs }]) =>
        !domains.incoming.has(vmId) &&
        !domains.arrived.has(vmId) &&
        nowMs - reservedAtMs < lapsesAfterMs,
    ),
  );
}

export function slotsInUse(reservations: Reservations, domains: HostDomains): number {
  return new Set([...reservations.keys(), ...domains.incoming]).size;
}

/**
 * Reserves if fewer slots are in use than the limit. `reservations` are current ones. Example: limit
 * 2, one reservation and one incoming domain: full, unless they are the same VM.
 */
export function reserve(
  reservations: Reservations,
  request: ReserveRequest,
  domains: HostDomains,
  nowMs: number,
): ReserveResult {
  const { vmId, source, incomingLimit } = request;
  if (domains.arrived.has(vmId)) return { kind: "exists" };
  const inUse = slotsInUse(reservations, domains);
  if (domains.incoming.has(vmId)) return { kind: "full", slotsInUse: inUse };
  const held = reservations.get(vmId);
  const taken = held === undefined ? inUse >= incomingLimit : held.source !== source;
  if (taken) return { kind: "full", slotsInUse: inUse };
  const renewed = new Map(reservations).set(vmId, { vmId, source, reservedAtMs: nowMs });
  return { kind: "reserved", reservations: renewed };
}

/** The source gave up, or the domain it was for has come and gone. */
export function release(reservations: Reservations, vmId: string): Reservations {
  return new Map([...reservations].filter(([id]) => id !== vmId));
}
