/** A simulated world whose time is the real one: it is moved on whenever something is due or asked. */
import type { HypervisorEvent } from "../port.ts";
import { HostCalls } from "./host-calls.ts";
import { befall, type Mishap } from "./mishaps.ts";
import type { Outcome } from "./surroundings.ts";
import type { World } from "./world.ts";
import type { CallArgs, CallName, CallValue, WorldLink } from "./world-link.ts";

/** Node's timers take no longer delay. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export class LiveWorld {
  readonly #world: World;
  readonly #nowMs: () => number;
  readonly #calls: ReadonlyMap<string, HostCalls>;
  #timer: NodeJS.Timeout | null = null;
  #dueMs = Infinity;

  /** `nowMs`: on the clock by which the world was made. */
  constructor(world: World, nowMs: () => number) {
    this.#world = world;
    this.#nowMs = nowMs;
    this.#calls = new Map(world.hosts.map((host) => [host.spec.name, new HostCalls(world, host)]));
    this.#moveOn();
  }

  hasHost(name: string): boolean {
    return this.#calls.has(name);
  }

  /** **Fails**: an Error if there is no such host. */
  call<Name extends CallName>(
    host: string,
    name: Name,
    args: CallArgs<Name>,
    done: (outcome: Outcome<CallValue<Name>>) => void,
  ): void {
    const calls = this.#calls.get(host);
    if (calls === undefined) throw new Error(`the simulated world has no host "${host}"`);
    this.#world.advance(this.#nowMs());
    const method: (...given: never[]) => void = calls[name];
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- checked by the signature above.
    method.apply(calls, [...args, done] as never[]);
    this.#moveOn();
  }

  /** Returns how to stop listening. **Fails**: an Error if there is no such host. */
  listen(host: string, onEvent: (event: HypervisorEvent) => void): () => void {
    return this.#world.host(host).listen(onEvent);
  }

  /** **Fails**: an Error if it cannot befall. */
  befall(mishap: Mishap): void {
    this.#world.advance(this.#nowMs());
    befall(this.#world, mishap);
    this.#moveOn();
  }

  /** For a world whose clock is set by hand. */
  moveOnTo(setClock: () => void): void {
    setClock();
    this.#moveOn();
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #moveOn(): void {
    this.#world.advance(this.#nowMs());
    const dueMs = this.#world.nextMs;
    if (dueMs === this.#dueMs) return;
    this.close();
    this.#dueMs = dueMs;
    if (dueMs === Infinity) return;
    const delayMs = Math.min(TIMER_MAX_MS, Math.ceil(dueMs - this.#nowMs()));
    this.#timer = setTimeout(() => {
      this.#dueMs = Infinity;
      this.#moveOn();
    }, delayMs);
    this.#timer.unref();
  }
}

/** One host of a world in this process. */
export class LocalLink implements WorldLink {
  readonly #world: LiveWorld;
  readonly #host: string;
  #stop: () => void = () => {};

  constructor(world: LiveWorld, host: string) {
    this.#world = world;
    this.#host = host;
  }

  // oxlint-disable-next-line typescript/require-await -- an unknown host rejects.
  async connect(onEvent: (event: HypervisorEvent) => void): Promise<void> {
    this.#stop = this.#world.listen(this.#host, onEvent);
    onEvent({ kind: "connected" });
  }

  call<Name extends CallName>(
    name: Name,
    ...args: CallArgs<Name>
  ): Promise<Outcome<CallValue<Name>>> {
    return new Promise((resolve) => this.#world.call(this.#host, name, args, resolve));
  }

  close(): void {
    this.#stop();
  }
}
