/**
 * What goes over the socket of a simulated world: one JSON value a line. A client says first which host
 * it is for, then makes calls; answers come in whatever order, and events in between.
 */
import * as v from "valibot";
import type { HypervisorEvent } from "../port.ts";
import { mishapSchema } from "./mishaps.ts";
import type { Outcome } from "./surroundings.ts";
import type { CallName } from "./world-link.ts";

/** A line of a thousand VMs' statistics is half of this. */
export const LINE_BYTES_MAX = 1024 * 1024;

const callNames: Readonly<Record<CallName, true>> = {
  scan: true,
  jobView: true,
  vmDetails: true,
  runState: true,
  domainXml: true,
  guestDevices: true,
  destinationHost: true,
  hasKvm: true,
  hostUuid: true,
  migrate: true,
  save: true,
  abortJob: true,
  setMaxBandwidth: true,
  maxBandwidthMiBps: true,
  setMaxDowntime: true,
  maxDowntimeMs: true,
  startPostCopy: true,
  pausePostCopy: true,
  destroyPausedCopy: true,
  undefineMigrated: true,
  completedJob: true,
};

function isCallName(text: string): text is CallName {
  return Object.hasOwn(callNames, text);
}

const id = v.pipe(v.number(), v.safeInteger());

export const requestSchema = v.union([
  v.strictObject({ host: v.string() }),
  v.strictObject({
    id,
    call: v.pipe(v.string(), v.guard(isCallName)),
    args: v.array(v.unknown()),
  }),
  v.strictObject({ id, befall: mishapSchema }),
]);

export type WorldRequest = v.InferOutput<typeof requestSchema>;

export type WorldLine =
  | { readonly host: string }
  | { readonly id: number; readonly outcome: Outcome<unknown> }
  /** The request could not be carried out at all. */
  | { readonly id: number | null; readonly error: string }
  | { readonly event: HypervisorEvent };

/** Cuts what comes in into lines. */
export class LineReader {
  #rest = "";

  /** The lines that are complete now. **Fails**: an Error for one that is too long. */
  read(chunk: string): readonly string[] {
    const lines = (this.#rest + chunk).split("\n");
    this.#rest = lines.pop() ?? "";
    if (this.#rest.length > LINE_BYTES_MAX) throw new Error("a line is too long");
    return lines.filter((line) => line !== "");
  }
}
