/**
 * One dispatcher behind every transport: the text of a message in, the text of the reply out, or
 * nothing.
 *
 * json-rpc-2.0 finds the verb and builds the reply. What it lets through is stopped here: we parse
 * ourselves, check ids and members, keep the id on every error that has one, answer a batch with an
 * array even if it has one element (but see `Client`), run a request that is sent again only once, and
 * let no message of an unexpected error out. A verb that the client's role may not call is refused
 * before its parameters are looked at. Requests in flight are counted for each client and in total. It
 * never rejects, whatever comes in. It knows neither transports nor what a verb does.
 */

import { createJSONRPCErrorResponse, JSONRPCServer } from "json-rpc-2.0";
import { type Clock, systemClock } from "../clock.ts";
import type { Log, LogFields } from "../logger.ts";
import { type ErrorName, errorTable, MonitorError } from "../wire/errors.ts";
import { clip } from "../wire/invalid-params.ts";
import {
  byEveryName,
  createNormaliser,
  type NamedVerb,
  type Normalise,
} from "../wire/normaliser.ts";
import type { Verbs } from "../wire/verb.ts";
import type { Client } from "./client.ts";
import type { Handlers } from "./handlers.ts";
import { defaultRpcLimits, type RpcLimits } from "./limits.ts";
import { LogThrottle } from "./log-throttle.ts";
import { Resends } from "./resends.ts";
import { mayCall } from "./roles.ts";

/** One message of a client. */
interface Asker {
  readonly client: Client;
  /** The engine's correlation id, for the log. */
  readonly flowId: string | undefined;
}

type Id = string | number | null;

interface Request {
  /** undefined: a notification. */
  readonly id: Id | undefined;
  readonly method: string;
  readonly params: unknown;
}

type Limits = Pick<
  RpcLimits,
  | "batchLength"
  | "batchReplyBytes"
  | "inFlightPerClient"
  | "inFlightTotal"
  | "inFlightReadOnly"
  | "resends"
  | "logIntervalMs"
>;

/** Refusals that a broken or hostile client can cause in any number; the others come from engines. */
const THROTTLED: ReadonlySet<ErrorName> = new Set([
  "parse",
  "invalidRequest",
  "methodNotFound",
  "invalidParams",
  "notEnoughResources",
  "accessDenied",
  "internal",
]);

const utf8 = new TextDecoder("utf-8", { fatal: true });

export class Dispatcher {
  readonly #log: Log;
  readonly #throttle: LogThrottle;
  /** By name and alias. */
  readonly #verbs: ReadonlyMap<string, NamedVerb>;
  readonly #normalise: Normalise;
  readonly #limits: Limits;
  readonly #server: JSONRPCServer<Asker>;
  readonly #resends: Resends;
  readonly #inFlight = new WeakMap<Client, number>();
  #inFlightTotal = 0;
  #inFlightReadOnly = 0;
  #turns: Promise<void> = Promise.resolve();
  #closedBecause: string | null = null;

  constructor(
    log: Log,
    verbs: Verbs,
    handlers: Handlers,
    limits: Limits = defaultRpcLimits,
    clock: Clock = systemClock,
  ) {
    this.#log = log;
    this.#throttle = new LogThrottle(log, limits.logIntervalMs);
    this.#verbs = byEveryName(verbs);
    this.#normalise = createNormaliser(verbs);
    this.#limits = limits;
    this.#resends = new Resends(limits.resends, clock);
    // The listener would write to the console; #answer logs what is thrown, with client and verb.
    this.#server = new JSONRPCServer<Asker>({ errorListener: () => undefined });
    this.#server.mapErrorToJSONRPCErrorResponse = toErrorResponse;
    for (const [method, handler] of Object.entries(handlers)) {
      this.#server.addMethod(method, async (params, asker) => {
        try {
          this.#logStart(method, asker);
          const result: unknown = await handler(params, asker.client);
          if (result === undefined) throw new Error("the verb returned nothing");
          // Here, where its failure (a bigint, a cycle) still becomes this request's own error.
          JSON.stringify(result);
          return result;
        } catch (error) {
          this.#logError(error, method, asker);
          throw error;
        }
      });
    }
  }

  /** Every request is refused with `initializing` until `open`. */
  close(because: string): void {
    this.#closedBecause = because;
  }

  open(): void {
    this.#closedBecause = null;
  }

  /** The reply, or undefined where the specification wants none. **Fails**: never. */
  async receive(
    message: string | Uint8Array,
    client: Client,
    flowId?: string,
  ): Promise<string | undefined> {
    const asker = { client, flowId };
    let value: unknown;
    try {
      value = JSON.parse(typeof message === "string" ? message : utf8.decode(message));
    } catch {
      return this.#refuse(null, new MonitorError("parse", "Parse error"), asker);
    }
    if (!Array.isArray(value)) return await this.#answer(value, asker);
    const { batchLength } = this.#limits;
    if (value.length === 0 || value.length > batchLength) {
      const why = `Invalid Request: a batch of ${value.length}, allowed are 1 to ${batchLength}`;
      return this.#refuse(null, new MonitorError("invalidRequest", why), asker);
    }
    // VDSM's clients wrap a single request in an array; it is answered as if it were not wrapped.
    const isBatch = value.length > 1;
    const room = { bytes: isBatch ? this.#limits.batchReplyBytes : Number.POSITIVE_INFINITY };
    const replies = await Promise.all(
      value.map(async (each: unknown) => {
        const reply = await this.#answer(each, asker);
        return reply === undefined ? undefined : this.#within(room, reply, each, asker);
      }),
    );
    const texts = replies.filter((text) => text !== undefined);
    if (value.length === 1 && client.wantsBareReply === true) return texts[0];
    return texts.length === 0 ? undefined : `[${texts.join(",")}]`;
  }

  /** The reply if the batch has room for it, else an error instead. */
  #within(room: { bytes: number }, reply: string, value: unknown, asker: Asker): string {
    const bytes = Buffer.byteLength(reply);
    const request = checkRequest(value);
    if ("error" in request || request.id === undefined || bytes <= room.bytes) {
      room.bytes -= bytes;
      return reply;
    }
    const { id, method } = request;
    const why = `The replies of this batch have more than ${this.#limits.batchReplyBytes} bytes`;
    const full = new MonitorError("notEnoughResources", why);
    return this.#refuse(id, full, asker, method) ?? reply;
  }

  async #answer(value: unknown, asker: Asker): Promise<string | undefined> {
    const request = checkRequest(value);
    if ("error" in request) return this.#refuse(request.id, request.error, asker);
    const { id, method } = request;
    const { client } = asker;
    const denied = this.#denied(method, client);
    if (denied !== undefined) return this.#refuse(id, denied, asker, method);
    const release = this.#admit(client);
    if (release === undefined) {
      const busy = new MonitorError("notEnoughResources", "Too many requests in flight");
      return this.#refuse(id, busy, asker, method);
    }
    try {
      const reads = client.role() === "read-only";
      if (reads) await this.#turn();
      const run = async () => await this.#run(request, asker);
      // A verb that only reads may run again; remembering its reply would cost others their memory.
      const resendsAs = reads ? undefined : client.resendsAs;
      return await this.#resends.once(resendsAs, request, run, () => {
        const fields = { ...fieldsOf(asker, method), id };
        const message = "request arrived again, answered without running again";
        this.#throttle.say("info", client.source, fields, message);
      });
    } catch (error) {
      return this.#refuse(id, error, asker, method);
    } finally {
      release();
    }
  }

  /** The reply's text, for any outcome of the verb. */
  async #run(request: Request, asker: Asker): Promise<string | undefined> {
    const { id, method } = request;
    try {
      const call = this.#normalise(method, request.params);
      const response = await this.#server.receive(
        { jsonrpc: "2.0", ...call, ...(id !== undefined && { id }) },
        asker,
      );
      return response === null ? undefined : JSON.stringify(response);
    } catch (error) {
      return this.#refuse(id, error, asker, method);
    }
  }

  /**
   * Requests of readers start one per turn of the event loop: any user of the host may send them, and
   * however many there are, timers and other clients get their turn in between.
   */
  async #turn(): Promise<void> {
    this.#turns = this.#turns.then(async () => await new Promise((next) => setImmediate(next)));
    await this.#turns;
  }

  /** Why the client may not call this; an unknown verb is refused by its name. */
  #denied(method: string, client: Client): MonitorError | undefined {
    if (this.#closedBecause !== null) return new MonitorError("initializing", this.#closedBecause);
    const verb = this.#verbs.get(method);
    const role = client.role();
    if (verb === undefined || mayCall(role, verb)) return undefined;
    const message = `Access denied: ${verb.name} is not for role ${role}`;
    return new MonitorError("accessDenied", message, { details: { role } });
  }

  /** What is to be called when the request has been answered; undefined: too many. */
  #admit(client: Client): (() => void) | undefined {
    const own = this.#inFlight.get(client) ?? 0;
    const { inFlightPerClient, inFlightTotal, inFlightReadOnly } = this.#limits;
    if (own >= inFlightPerClient || this.#inFlightTotal >= inFlightTotal) return undefined;
    const reads = client.role() === "read-only" ? 1 : 0;
    if (reads === 1 && this.#inFlightReadOnly >= inFlightReadOnly) return undefined;
    this.#inFlight.set(client, own + 1);
    this.#inFlightTotal += 1;
    this.#inFlightReadOnly += reads;
    return () => {
      this.#inFlight.set(client, (this.#inFlight.get(client) ?? 1) - 1);
      this.#inFlightTotal -= 1;
      this.#inFlightReadOnly -= reads;
    };
  }

  #refuse(id: Id | undefined, error: unknown, asker: Asker, method?: string): string | undefined {
    this.#logError(error, method, asker);
    return id === undefined ? undefined : JSON.stringify(toErrorResponse(id, error));
  }

  /** A caller that gives a flow id wants to find it in the log; an engine's polls have none. */
  #logStart(method: string, asker: Asker): void {
    if (asker.flowId === undefined || asker.client.role() !== "control") return;
    this.#log.info(fieldsOf(asker, method), "request received");
  }

  #logError(error: unknown, method: string | undefined, asker: Asker): void {
    const { client } = asker;
    const fields = fieldsOf(asker, method);
    const known = error instanceof MonitorError && error.code !== "internal" ? error : undefined;
    const code = known?.code ?? "internal";
    const { number, level } = errorTable[code];
    const message = known === undefined ? "request failed unexpectedly" : "request refused";
    const why =
      known === undefined
        ? { err: error }
        : { code: number, reason: known.message, details: known.details };
    const role = client.role();
    const line = { ...fields, ...(code === "accessDenied" && { role }), ...why };
    // Every refusal of an engine is logged, except those that only a defect causes.
    if (role === "control" && !THROTTLED.has(code)) {
      this.#log[level](line, message);
      return;
    }
    const isBusy = code === "notEnoughResources" || method === undefined;
    const verb = isBusy ? "" : (this.#verbs.get(method)?.name ?? "");
    this.#throttle.say(level, `${client.source} ${code} ${verb}`, line, message);
  }
}

function fieldsOf({ client, flowId }: Asker, method: string | undefined): LogFields {
  return {
    client: client.address,
    ...(client.subject === undefined
      ? client.name !== client.address && { by: client.name }
      : { subject: client.name }),
    ...(method !== undefined && { method: clip(method) }),
    ...(flowId !== undefined && { flowId: clip(flowId) }),
  };
}

function toErrorResponse(id: Id, error: unknown) {
  if (!(error instanceof MonitorError) || error.code === "internal") {
    return createJSONRPCErrorResponse(id, errorTable.internal.number, "Internal error");
  }
  return createJSONRPCErrorResponse(
    id,
    errorTable[error.code].number,
    error.message,
    asData(error.details),
  );
}

/** The details, if JSON can hold them: an error about an error helps nobody. */
function asData(details: Readonly<Record<string, unknown>>): unknown {
  if (Object.keys(details).length === 0) return undefined;
  try {
    return JSON.parse(JSON.stringify(details));
  } catch {
    return undefined;
  }
}

interface Refusal {
  readonly id: Id;
  readonly error: MonitorError;
}

/** JSON-RPC 2.0, section 4. A valid id is kept, whatever else is wrong. */
function checkRequest(value: unknown): Request | Refusal {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return refusal(null, "invalidRequest", "Invalid Request: not an object");
  }
  const members = new Map<string, unknown>(Object.entries(value));
  const id = members.get("id");
  if (members.has("id") && !isId(id)) {
    return refusal(
      null,
      "invalidRequest",
      "Invalid Request: id is no string, exact number or null",
    );
  }
  const known = isId(id) ? id : undefined;
  if (members.get("jsonrpc") !== "2.0") {
    return refusal(known ?? null, "invalidRequest", 'Invalid Request: jsonrpc is not "2.0"');
  }
  const method = members.get("method");
  if (typeof method !== "string") {
    return refusal(known ?? null, "invalidRequest", "Invalid Request: method is not a string");
  }
  return { id: known, method, params: members.get("params") };
}

function refusal(id: Id, code: ErrorName, message: string): Refusal {
  return { id, error: new MonitorError(code, message) };
}

/** A number that JSON.parse has rounded would be returned as a different one and match no request. */
function isId(id: unknown): id is Id {
  if (typeof id === "number") {
    return Number.isInteger(id) ? Number.isSafeInteger(id) : Number.isFinite(id);
  }
  return typeof id === "string" || id === null;
}
