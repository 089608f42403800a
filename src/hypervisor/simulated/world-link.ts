/**
 * How an adapter reaches its host in the simulated world: in this process (live-world.ts), or in another
 * one over a socket (world-client.ts).
 */
import type { HypervisorEvent } from "../port.ts";
import type { HostCalls } from "./host-calls.ts";
import type { Done, Outcome } from "./surroundings.ts";

export type CallName = Exclude<keyof HostCalls, symbol>;

type Parts<Method> = Method extends (...given: [...infer Args, Done<infer Value>]) => void
  ? { readonly args: Args; readonly value: Value }
  : never;

export type CallArgs<Name extends CallName> = Parts<HostCalls[Name]>["args"];
export type CallValue<Name extends CallName> = Parts<HostCalls[Name]>["value"];

export interface WorldLink {
  /** Rejects if there is no such world or host. */
  connect(onEvent: (event: HypervisorEvent) => void): Promise<void>;
  /** Settles when the world's time has come; never rejects for a lost connection. */
  call<Name extends CallName>(
    name: Name,
    ...args: CallArgs<Name>
  ): Promise<Outcome<CallValue<Name>>>;
  close(): void;
}
