/**
 * What the hypervisor last showed of every active VM, and when. Owns when a look may be shared, reused
 * or has been overtaken; what counts as a migration is core/host-count.ts's. Counts come from what
 * libvirt shows, not from our own bookkeeping: a migration started with virsh shares the same link.
 */
import {
  type HostCount,
  type Transfer,
  countTransfers,
  sourceCount,
  transferOf,
} from "../core/host-count.ts";
import { type LookedAt, notAskedIn } from "../core/look-plan.ts";
import type {
  CallResult,
  Hypervisor,
  JobView,
  ScannedVm,
  ScanOptions,
  VmJobView,
} from "../hypervisor/port.ts";

interface Entry {
  readonly view: VmJobView;
  readonly transfer: Transfer;
  /** When its job was last asked. */
  readonly askedAtMs: number;
}

const NO_ANSWER: JobView = { kind: "noAnswer" };

export class HostView {
  readonly #hypervisor: Hypervisor;
  readonly #nowMs: () => number;
  readonly #waitMs: () => number;
  readonly #first: () => ReadonlySet<string>;
  #entries: ReadonlyMap<string, Entry> = new Map();
  /** Of these entries; null: not counted yet. */
  #counts: HostCount | null = null;
  #scannedAtMs: number | null = null;
  #lookedAtMs: number | null = null;
  #scanning: { readonly promise: Promise<CallResult<null>>; readonly age: number } | null = null;
  /** How many full looks have begun, and which of them is shown. */
  #begun = 0;
  #shown = 0;
  /** Grows with each invalidation. */
  #age = 0;
  #expiries = 0;
  /** VMs to ask in the next look at all. */
  #heardOf: ReadonlySet<string> = new Set();

  /**
   * `waitMs`: how long one look may take; VMs that have not answered by then show nothing. `first`: VMs to
   * ask first, so that they are not among those.
   */
  constructor(
    hypervisor: Hypervisor,
    nowMs: () => number,
    waitMs: () => number,
    first: () => ReadonlySet<string>,
  ) {
    this.#hypervisor = hypervisor;
    this.#nowMs = nowMs;
    this.#waitMs = waitMs;
    this.#first = first;
  }

  /**
   * Looks again, or joins a look in progress unless that is outdated already. The old view stays if libvirt
   * does not answer.
   */
  refresh(): Promise<CallResult<null>> {
    const before = this.#scanning;
    if (before?.age === this.#age) return before.promise;
    const promise = before === null ? this.#scan() : this.#scanAfter(before.promise);
    const own = { promise, age: this.#age };
    this.#scanning = own;
    const done = (): void => {
      if (this.#scanning === own) this.#scanning = null;
    };
    own.promise.then(done, done);
    return own.promise;
  }

  /** When the last full look began; null: there was none. */
  get lookedAtMs(): number | null {
    return this.#lookedAtMs;
  }

  /** A view not older than `maxAgeMs`, for requests from outside. */
  async freshWithin(maxAgeMs: number): Promise<CallResult<null>> {
    const fresh = this.#scannedAtMs !== null && this.#nowMs() - this.#scannedAtMs <= maxAgeMs;
    return fresh ? { kind: "ok", value: null } : this.refresh();
  }

  /**
   * Something about this VM may have changed since: the next question looks again, and the next look asks
   * it. A look in progress still counts.
   */
  heardOf(vmId: string): void {
    this.#heardOf = new Set([...this.#heardOf, vmId]);
    this.#expiries += 1;
    this.#scannedAtMs = null;
  }

  /** Something has changed that the present view does not show. */
  invalidate(): void {
    this.#age += 1;
    this.#scannedAtMs = null;
  }

  get(vmId: string): VmJobView | undefined {
    return this.#entries.get(vmId)?.view;
  }

  views(): readonly VmJobView[] {
    return [...this.#entries.values()].map((entry) => entry.view);
  }

  transfer(vmId: string): Transfer {
    return this.#entries.get(vmId)?.transfer ?? "none";
  }

  counts(): HostCount {
    // Counted once a look, not once a migration and cycle.
    this.#counts ??= countTransfers([...this.#entries.values()].map(({ transfer }) => transfer));
    return this.#counts;
  }

  /** n(source) for a migration of this VM. */
  migrationsWith(vmId: string): number {
    return sourceCount(this.counts(), this.transfer(vmId));
  }

  /**
   * Looks at these VMs only; the others stay as they were. A result that has been overtaken is dropped: if
   * a later full look is shown already, that stands; if something was invalidated, they are looked at
   * once more.
   */
  async refreshOnly(vmIds: ReadonlySet<string>): Promise<CallResult<null>> {
    const looked = await this.#lookOnly(vmIds);
    return looked.kind === "outdated" ? this.#again(vmIds) : looked;
  }

  async #again(vmIds: ReadonlySet<string>): Promise<CallResult<null>> {
    const looked = await this.#lookOnly(vmIds);
    return looked.kind === "outdated" ? { kind: "noAnswer" } : looked;
  }

  async #lookOnly(
    vmIds: ReadonlySet<string>,
  ): Promise<CallResult<null> | { readonly kind: "outdated" }> {
    const age = this.#age;
    const begun = this.#begun;
    const views = await this.#views({ waitMs: this.#waitMs(), first: vmIds, only: vmIds });
    if (this.#shown > begun) return { kind: "ok", value: null };
    if (age !== this.#age) return { kind: "outdated" };
    if (views.kind !== "ok") return views;
    const others = [...this.#entries].filter(([vmId]) => !vmIds.has(vmId));
    this.#show([...others, ...this.#entriesOf(views.value)]);
    return { kind: "ok", value: null };
  }

  async #scanAfter(before: Promise<unknown>): Promise<CallResult<null>> {
    await before.catch(() => undefined);
    return this.#scan();
  }

  async #scan(): Promise<CallResult<null>> {
    const age = this.#age;
    const expiries = this.#expiries;
    this.#begun += 1;
    const look = this.#begun;
    const beganAtMs = this.#nowMs();
    const first = this.#first();
    const notAsked = this.#notAsked(first, beganAtMs);
    const heardOf = this.#heardOf;
    this.#heardOf = new Set();
    const views = await this.#views({ waitMs: this.#waitMs(), first, notAsked });
    if (views.kind !== "ok") {
      this.#heardOf = new Set([...heardOf, ...this.#heardOf]);
      return views;
    }
    this.#show(this.#entriesOf(views.value));
    this.#lookedAtMs = beganAtMs;
    this.#shown = look;
    if (age === this.#age && expiries === this.#expiries) this.#scannedAtMs = this.#nowMs();
    return { kind: "ok", value: null };
  }

  async #views(
    options: ScanOptions,
  ): Promise<
    | { readonly kind: "ok"; readonly value: readonly ScannedVm[] }
    | Exclude<CallResult<null>, { kind: "ok" }>
  > {
    const scanned = await this.#hypervisor.scan(options);
    return scanned.kind === "noAnswer" ? { kind: "noAnswer" } : scanned;
  }

  #show(entries: readonly (readonly [string, Entry])[]): void {
    this.#entries = new Map(entries);
    this.#counts = null;
  }

  #entriesOf(scanned: readonly ScannedVm[]): readonly (readonly [string, Entry])[] {
    const nowMs = this.#nowMs();
    return scanned.map(({ vm, job }) => {
      const known = this.#entries.get(vm.vmId);
      if (job === null && known !== undefined) {
        return [vm.vmId, { ...known, view: { vm, job: known.view.job } }] as const;
      }
      const view = { vm, job: job ?? NO_ANSWER };
      const transfer = transferOf(view.job, known?.transfer);
      return [vm.vmId, { view, transfer, askedAtMs: nowMs }] as const;
    });
  }

  /** Whose state is enough in a look at all. */
  #notAsked(first: ReadonlySet<string>, nowMs: number): ReadonlySet<string> {
    if (this.#lookedAtMs === null) return new Set();
    const known = [...this.#entries].map(([vmId, entry]): LookedAt => {
      const { askedAtMs, view } = entry;
      const hasNoJob = view.job.kind === "stats" && view.job.stats.type === "none";
      const isWanted = first.has(vmId) || this.#heardOf.has(vmId);
      return { vmId, askedAtMs, isIdle: hasNoJob && !isWanted };
    });
    return notAskedIn(known, nowMs - this.#lookedAtMs);
  }
}
