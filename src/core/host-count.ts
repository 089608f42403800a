/**
 * n(host): the number of migrations that share a host's link, as bandwidth.ts divides it. Owns what
 * counts and what does not:
 *
 * - Outgoing: libvirt shows the job operation MIGRATION_OUT and a type other than NONE, whoever
 *   started it, in any phase from preparing to post-copy.
 * - Incoming: libvirt has no job stats because the VM is arriving. One whose post-copy is broken
 *   receives nothing and does not count.
 * - Not counted: queued migrations, saves to a file, guests lost on the way.
 * - A VM that does not answer keeps counting as it last did: its data may flow all the same.
 * - A migration counts itself on both ends, also while libvirt or the destination does not show it yet.
 * - An answer of the destination without both counts is no answer: it is silent.
 */
import { type JobStats, isOutgoing } from "./job-stats.ts";
import type { Refusal } from "./refusal.ts";
import type { Call, DestinationCount } from "./migration.ts";

/**
 * How a VM takes part in migrations on this host. `broken`: its post-copy to this host has failed and
 * may never resume. `unknown`: it has not answered since it was first seen.
 */
export type Transfer = "outgoing" | "incoming" | "broken" | "none" | "unknown";

/** It is on its way to this host. */
export function isIncoming(transfer: Transfer): boolean {
  return transfer === "incoming" || transfer === "broken";
}

/** The answer to one question for a VM's job. */
export type AnsweredJob =
  | { readonly kind: "stats"; readonly stats: JobStats }
  | { readonly kind: "incoming"; readonly broken?: true }
  | { readonly kind: "noAnswer" }
  | { readonly kind: "refused"; readonly refusal: Pick<Refusal, "kind"> };

/** `known`: what the look before this one showed; undefined for a VM that was not there. */
export function transferOf(job: AnsweredJob, known: Transfer | undefined): Transfer {
  switch (job.kind) {
    case "stats":
      return isOutgoing(job.stats) ? "outgoing" : "none";
    case "incoming":
      return job.broken === true ? "broken" : "incoming";
    case "noAnswer":
      return known ?? "unknown";
    case "refused":
      // For example a domain that is just going away: it must not pass for one that has arrived.
      return "unknown";
  }
}

export interface HostCount {
  readonly outgoing: number;
  readonly incoming: number;
}

export function countTransfers(transfers: Iterable<Transfer>): HostCount {
  let outgoing = 0;
  let incoming = 0;
  for (const transfer of transfers) {
    if (transfer === "outgoing") outgoing += 1;
    if (transfer === "incoming") incoming += 1;
  }
  return { outgoing, incoming };
}

/** n(source) for a migration of a VM with this `transfer`. Example: 1 out, 1 in, itself not yet shown: 3. */
export function sourceCount({ outgoing, incoming }: HostCount, transfer: Transfer): number {
  return outgoing + incoming + (transfer === "outgoing" ? 0 : 1);
}

export const NEVER_COUNTED: DestinationCount = { kind: "unknown", silentQueries: 0 };

/** n(destination) without the daemon there (peer.mode none): this host's own migrations to it. */
export function ownCount(ownMigrationsThere: number, nowMs: number): DestinationCount {
  return { kind: "counted", migrations: ownMigrationsThere, askedAtMs: nowMs };
}

/** Of this host's own migrations to one destination, those that count for `ownCount`. */
export function countsThere({ call }: { readonly call: Pick<Call, "madeAtMs"> }): boolean {
  return call.madeAtMs !== null;
}

/** What a destination's answer has for the two counts; null: it lacks that one. */
export type AnsweredCount = Readonly<Record<keyof HostCount, number | null>>;

/**
 * The destination's count after one query; `answer` null: there was none. Silent queries add up until
 * an answer has both counts, which ends the silence at once.
 */
export function countAfterQuery(
  before: DestinationCount,
  answer: AnsweredCount | null,
  askedAtMs: number,
): DestinationCount {
  const migrations = migrationsIn(answer);
  if (migrations !== null) return { kind: "counted", migrations, askedAtMs };
  return before.kind === "counted"
    ? { kind: "silent", silentQueries: 1 }
    : { ...before, silentQueries: before.silentQueries + 1 };
}

/** null: the answer does not say. */
export function migrationsIn(answer: AnsweredCount | null): number | null {
  if (answer === null || answer.incoming === null || answer.outgoing === null) return null;
  return answer.incoming + answer.outgoing;
}

/** For the call itself: asked before it, the destination cannot have counted this migration yet. */
export function includingSelf(destination: DestinationCount): DestinationCount {
  return destination.kind === "counted"
    ? { ...destination, migrations: destination.migrations + 1 }
    : destination;
}

/**
 * n(destination) for a running migration. The destination shows it up to 4 s after the call, so an
 * answer to a question asked before data flow may lack it: until a later answer is there, the count is
 * at least the one at the call. `destinationAtCall` null: not known then.
 */
export function destinationSince(
  destination: DestinationCount,
  { destinationAtCall, dataSinceMs }: CallFacts,
): DestinationCount {
  if (destination.kind !== "counted" || destinationAtCall === null) return destination;
  if (dataSinceMs !== null && destination.askedAtMs >= dataSinceMs) return destination;
  return { ...destination, migrations: Math.max(destination.migrations, destinationAtCall) };
}

interface CallFacts {
  /** Of the migration itself: n(destination) at its call, itself included. */
  readonly destinationAtCall: number | null;
  readonly dataSinceMs: number | null;
}
