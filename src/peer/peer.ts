/**
 * One destination as its source sees it: how many migrations it has, a slot there, and whether a guest
 * has arrived. At most one query for the counts is pending at any time, however many VMs go there. A
 * destination that stops answering is logged once, and once when it answers again. What counts and
 * what silence means is the core's (host-count.ts, destination.ts).
 */
import { formatHost } from "../core/address.ts";
import type { Silence, SilenceCause } from "../core/destination.ts";
import {
  type AnsweredCount,
  NEVER_COUNTED,
  countAfterQuery,
  migrationsIn,
} from "../core/host-count.ts";
import type { DestinationCount } from "../core/migration.ts";
import { errorTable } from "../wire/errors.ts";
import type { CertificateFacts } from "../tls/judge.ts";
import type { Log } from "../logger.ts";
import type { PeerAddress } from "./peer-address.ts";
import { silence, wordsOf } from "./silence.ts";
import { type PeerAnswer, type PeerClient } from "./peer-client.ts";
import { isRecord } from "../core/json.ts";

/** VDSM's "no such VM". */
const CODE_NO_VM = 1;
/** No such VM, or one that has a libvirt job. */
const FREED_ALREADY: ReadonlySet<number> = new Set([
  CODE_NO_VM,
  errorTable.migrationInProgress.number,
]);
/** VDSM's "incoming limit exceeded". */
const CODE_NO_SLOT = 82;
/** A stock VDSM prepares the VM before it answers. Source: VDSM, migration_create_timeout. */
const CREATE_DEADLINE_MS = 600_000;

export type GuestThere =
  | { readonly kind: "active"; readonly record: GuestRecord | null }
  | { readonly kind: "incoming" }
  /** It had arrived there, and has gone on or ended since. */
  | { readonly kind: "left" }
  | { readonly kind: "absent" }
  | { readonly kind: "silent" };

export type Reserved =
  | { readonly kind: "reserved" }
  /** Full, or still starting: asked again later. */
  | { readonly kind: "later"; readonly reason: string }
  | { readonly kind: "unanswered"; readonly silence: Silence }
  /** The destination does not accept this VM. */
  | { readonly kind: "refused"; readonly code: number; readonly message: string };

/** The destination's libvirt's record of the migration that brought the guest. */
export interface GuestRecord {
  readonly downtimeMs: number | null;
  readonly downtimeNetMs: number | null;
  readonly dataProcessedBytes: number;
}

/** `certificate`: the one it presented, undefined without TLS. */
export type PeerLook =
  | {
      readonly kind: "answers";
      readonly migrations: number;
      /** null: not reported, as by a stock VDSM. */
      readonly slotsInUse: number | null;
      readonly slots: number | null;
      readonly version: string | null;
      readonly certificate: CertificateFacts | undefined;
    }
  | {
      readonly kind: "silent";
      readonly silence: Silence;
      readonly certificate: CertificateFacts | undefined;
    };

const VERSION_LENGTH_MAX = 100;

export interface PeerTimes {
  /** The longest to wait for an answer. */
  readonly deadlineMs: () => number;
  /** Monotonic. */
  readonly nowMs: () => number;
}

export class Peer {
  readonly address: PeerAddress;
  readonly #client: PeerClient;
  readonly #log: Log;
  readonly #deadlineMs: () => number;
  readonly #nowMs: () => number;
  #asking: Promise<void> | null = null;
  #count: DestinationCount = NEVER_COUNTED;
  /** Why the last unanswered query had no answer. */
  silence: Silence = { cause: "timeout", text: "not asked yet" };
  /** A daemon there has answered this daemon, now or before a restart. */
  reached = false;
  /** When a migration was last on its way there. */
  usedAtMs = 0;
  #isOurs = false;
  /** The pending query is for running migrations, whose caps its silence halves. */
  #goesThere = false;
  /** What has been logged about its silence; null: nothing. */
  #saidSilence: "silent" | "halving" | null = null;

  constructor(address: PeerAddress, client: PeerClient, log: Log, times: PeerTimes) {
    this.address = address;
    this.#client = client;
    this.#log = log.child({ peer: `${address.host}:${address.port}` });
    this.#deadlineMs = times.deadlineMs;
    this.#nowMs = times.nowMs;
  }

  /**
   * Queries the counts; joins a pending query. `goesThere`: for a migration that is running, not only one
   * that may begin. Never rejects.
   */
  askCounts(goesThere = false): Promise<void> {
    this.#goesThere = this.#asking === null ? goesThere : this.#goesThere || goesThere;
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = null;
    });
    return this.#asking;
  }

  counts(): DestinationCount {
    return this.#count;
  }

  /** Whether it needs the guest's definition, as a stock VDSM does. Known after the first answer. */
  get wantsDefinition(): boolean {
    return !this.#isOurs;
  }

  /**
   * Asks the destination to expect the guest: VM.migrationCreate, with what a stock VDSM needs to make
   * its own record of the VM. It uses `xml` if there is no `_srcDomXML`, so the definition is sent once.
   * Our own daemon needs only the id (`domainXml` null).
   */
  async reserve(vmId: string, domainXml: string | null, incomingLimit?: number): Promise<Reserved> {
    const definition = {
      vmId,
      ...(domainXml === null ? {} : { xml: domainXml }),
      elapsedTimeOffset: 0,
      enableGuestEvents: false,
      migrationDest: "libvirt",
    };
    const limit = incomingLimit === undefined ? {} : { incomingLimit };
    const answer = await this.#client.ask(
      this.address,
      "VM.migrationCreate",
      { vmID: vmId, params: definition, ...limit },
      CREATE_DEADLINE_MS,
    );
    switch (answer.kind) {
      case "result":
        return { kind: "reserved" };
      case "rejected":
        return {
          kind: "refused",
          code: errorTable.migrationFailed.number,
          message: answer.message,
        };
      case "silent":
        // It may have received the request: a stock VDSM would then refuse the next one.
        void this.release(vmId);
        return { kind: "unanswered", silence: { cause: answer.cause, text: answer.message } };
      case "error":
        if (worthAskingAgain(answer.code)) return { kind: "later", reason: answer.message };
        return causeOfError(answer.code) === "failed"
          ? { kind: "refused", code: answer.code, message: answer.message }
          : { kind: "unanswered", silence: silenceIn(answer, this.address) };
    }
  }

  /** The guest is not coming. Never rejects; an unreleased reservation lapses by itself. */
  async release(vmId: string, log: Log = this.#log): Promise<void> {
    const answer = await this.#client.ask(
      this.address,
      "VM.destroy",
      { vmID: vmId },
      this.#deadlineMs(),
    );
    // It has become a domain meanwhile, or has lapsed: nothing is left to free.
    const free = answer.kind === "error" && FREED_ALREADY.has(answer.code);
    if (answer.kind === "result" || free) return;
    const fields = { vmId, why: answer.message };
    log.info(fields, "could not free the slot on the destination; it will lapse");
  }

  /** Who is there. Unlike askCounts, an unanswered look slows no migration down. */
  async look(): Promise<PeerLook> {
    const answer = await this.#client.ask(this.address, "Host.getStats", {}, this.#deadlineMs());
    const certificate = this.#client.certificateOf(this.address);
    const migrations = migrationsIn(countsIn(answer));
    if (migrations === null || answer.kind !== "result" || !isRecord(answer.result)) {
      return { kind: "silent", silence: silenceIn(answer, this.address), certificate };
    }
    this.reached = true;
    const { incomingSlotsInUse, max_incoming_migrations, version } = answer.result;
    return {
      kind: "answers",
      migrations,
      slotsInUse: isCount(incomingSlotsInUse) ? incomingSlotsInUse : null,
      slots: isCount(max_incoming_migrations) ? max_incoming_migrations : null,
      version: typeof version === "string" ? version.slice(0, VERSION_LENGTH_MAX) : null,
      certificate,
    };
  }

  /** Where the guest is, according to the destination's daemon. */
  async guest(vmId: string): Promise<GuestThere> {
    const answer = await this.#client.ask(
      this.address,
      "VM.getStats",
      { vmID: vmId },
      this.#deadlineMs(),
    );
    if (answer.kind === "error") {
      return answer.code === CODE_NO_VM ? { kind: "absent" } : { kind: "silent" };
    }
    if (answer.kind !== "result" || !Array.isArray(answer.result)) return { kind: "silent" };
    const stats: unknown = answer.result[0];
    if (!isRecord(stats)) return { kind: "silent" };
    return guestFrom(stats);
  }

  async #ask(): Promise<void> {
    const askedAtMs = this.#nowMs();
    const answer = await this.#client.ask(this.address, "Host.getStats", {}, this.#deadlineMs());
    const before = this.#count;
    this.#count = countAfterQuery(before, countsIn(answer), askedAtMs);
    if (this.#count.kind !== "counted") {
      // A daemon that is still starting, or busy, has answered all the same.
      if (answer.kind === "error" && worthAskingAgain(answer.code)) this.reached = true;
      this.silence = silenceIn(answer, this.address);
      this.#saySilence();
      return;
    }
    this.reached = true;
    this.#isOurs = isOurs(answer);
    if (this.#saidSilence !== null) {
      const silentQueries = before.kind === "counted" ? 0 : before.silentQueries;
      this.#log.info({ silentQueries }, "destination answers again");
      this.#saidSilence = null;
    }
  }

  /** Once, and once more when it begins to slow migrations down. */
  #saySilence(): void {
    const now = this.#goesThere ? "halving" : "silent";
    if (this.#saidSilence === "halving" || this.#saidSilence === now) return;
    this.#saidSilence = now;
    const { cause, text: why } = this.silence;
    const message = this.#goesThere
      ? "destination does not answer, halving the bandwidth of migrations to it"
      : "destination does not answer";
    this.#log.warn({ cause, why }, message);
  }
}

/** No slot, still initializing, or busy. */
function worthAskingAgain(code: number): boolean {
  return (
    code === CODE_NO_SLOT ||
    code === errorTable.libvirtUnavailable.number ||
    code === errorTable.initializing.number ||
    code === errorTable.notEnoughResources.number
  );
}

/** Why an answer to Host.getStats has no counts. */
function silenceIn(answer: PeerAnswer, { host, port }: PeerAddress): Silence {
  const at = `${formatHost(host)}:${port}`;
  switch (answer.kind) {
    case "silent":
      return { cause: answer.cause, text: answer.message };
    case "result":
      return silence(
        "notADaemon",
        `what answers at ${at} is not a migration daemon: its Host.getStats has no migration counts`,
      );
    case "rejected":
      return silence("closed", wordsOf("closed", at, host, answer.message));
    case "error":
      return silence(causeOfError(answer.code), `${at} says: ${answer.message} (${answer.code})`);
  }
}

function causeOfError(code: number): SilenceCause {
  if (worthAskingAgain(code)) return "busy";
  if (code === errorTable.accessDenied.number) return "denied";
  return code === errorTable.methodNotFound.number ? "notADaemon" : "failed";
}

function countsIn(answer: PeerAnswer): AnsweredCount | null {
  if (answer.kind !== "result" || !isRecord(answer.result)) return null;
  const { incomingVmMigrations: incoming, outgoingVmMigrations: outgoing } = answer.result;
  return {
    incoming: isCount(incoming) ? incoming : null,
    outgoing: isCount(outgoing) ? outgoing : null,
  };
}

/** VDSM's Host.getStats has no count of queued migrations. */
function isOurs(answer: PeerAnswer): boolean {
  return (
    answer.kind === "result" &&
    isRecord(answer.result) &&
    isCount(answer.result["queuedVmMigrations"])
  );
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

/** VDSM's exit reasons for migrated, saved, shut down by the administrator, shut down by the guest. */
const WAS_THERE: ReadonlySet<number> = new Set([4, 5, 6, 7]);

function guestFrom(stats: Record<string, unknown>): GuestThere {
  // A departure from there says nothing about an arrival.
  if (stats["absentHere"] === true) return { kind: "absent" };
  switch (stats["status"]) {
    case "Migration Destination":
      return { kind: "incoming" };
    case "Down":
      return { kind: hadArrived(stats) ? "left" : "absent" };
    case "Up":
    case "Paused":
    case "Migration Source":
    case "Saving State":
    case "Powering down":
    case "Powering up":
    case "RebootInProgress":
      return { kind: "active", record: recordFrom(stats["lastIncomingMigration"]) };
    default:
      return { kind: "silent" };
  }
}

/** It has gone on, or has ended there since. */
function hadArrived(stats: Record<string, unknown>): boolean {
  return stats["arrivedHere"] === true || WAS_THERE.has(Number(stats["exitReason"]));
}

function recordFrom(value: unknown): GuestRecord | null {
  if (!isRecord(value)) return null;
  const { downtime, downtimeNet, dataProcessed } = value;
  return {
    downtimeMs: isCount(downtime) ? downtime : null,
    downtimeNetMs: isCount(downtimeNet) ? downtimeNet : null,
    dataProcessedBytes: isCount(dataProcessed) ? dataProcessed : 0,
  };
}
