/** What a simulated job needs of the world around it, and what a call to it comes to. */
import type { Refusal } from "../../core/refusal.ts";
import type { HypervisorEvent } from "../port.ts";
import type { Domain } from "./domain.ts";
import type { QemuProfile } from "./qemu-profile.ts";
import type { Timer } from "./timers.ts";

export type Outcome<T> =
  | { readonly kind: "ok"; readonly value: T }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  | { readonly kind: "disconnected"; readonly message: string };

/** Called once, when the call comes to its end. */
export type Done<T> = (outcome: Outcome<T>) => void;

export function refused(refusal: Refusal): Outcome<never> {
  return { kind: "refused", refusal };
}

export const OK: Outcome<null> = { kind: "ok", value: null };

export type Network = "control" | "migration";

export interface Surroundings {
  readonly nowMs: number;
  in(delayMs: number, run: () => void): Timer;
  profile(host: string): QemuProfile;
  tell(host: string, event: HypervisorEvent): void;
  /** Whether packets get through. */
  linkUp(from: string, to: string, network: Network): boolean;
  /** A flow began, ended or has another cap: rates are shared anew. */
  flowsChanged(): void;
  place(domain: Domain): void;
  remove(domain: Domain): void;
}
