/**
 * One dispatcher behind every transport: text of a message in, text of the reply out, or nothing.
 *
 * json-rpc-2.0 finds the verb and shapes the reply; what it lets through (style.md 3.6) is stopped
 * here: we parse ourselves, check ids and members, keep an id on every error that has one, answer a
 * batch with an array even if it is of one (but see `Client`), run a request that a client sends
 * again only once, and let no message of an unexpected error out. Requests being answered are counted
 * for each client and in all. It never rejects, whatever comes in. It knows neither transports nor
 * what a verb does.
 */

import { createJSONRPCErrorResponse, JSONRPCServer } from "json-rpc-2.0";
import { type Clock, systemClock } from "../clock.ts";
import { type ErrorCode, errorTable, MonitorError } from "../errors.ts";
import type { Log, LogFields } from "../logger.ts";
import type { Handlers } from "./handlers.ts";
import { clip } from "./invalid-params.ts";
import { defaultRpcLimits, type RpcLimits } from "./limits.ts";
import { createNormaliser, type Normalise } from "./normaliser.ts";
import { Resends } from "./resends.ts";
import type { VerbRow } from "./verb-table.ts";

/** Who asks: one connection. Compared by identity. */
export interface Client {
  /** `address:port` of the other end or `unix`, for the log. */
  readonly address: string;
  /** Who it is beyond this connection, if it sends requests again with their ids (`Resends`). */
  readonly resendsAs?: string;
  /**
   * A batch of one is answered with an object. JSON-RPC wants an array, but vdsm-client sends every
   * request as an array of one and VDSM has always answered an object. vdsm-client and
   * vdsm-jsonrpc-java would take either; other programs written against VDSM know only this.
   */
  readonly wantsBareReply?: boolean;
}

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

type Limits = Pick<RpcLimits, "batchLength" | "inFlightPerClient" | "inFlightTotal" | "resends">;

/** Who asks as a host: its address without the port, which differs with each connection. */
function callerOf({ address }: Client): string {
  return address.replace(/:[0-9]+$/, "");
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

export class Dispatcher {
  readonly #log: Log;
  readonly #normalise: Normalise;
  readonly #limits: Limits;
  readonly #server: JSONRPCServer<Asker>;
  readonly #resends: Resends;
  readonly #inFlight = new WeakMap<Client, number>();
  #inFlightTotal = 0;

  constructor(
    log: Log,
    verbs: readonly VerbRow[],
    handlers: Handlers,
    limits: Limits = defaultRpcLimits,
    clock: Clock = systemClock,
  ) {
    this.#log = log;
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
          const result: unknown = await handler(params, callerOf(asker.client));
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
    const replies = await Promise.all(
      value.map(async (each: unknown) => await this.#answer(each, asker)),
    );
    const texts = replies.filter((text) => text !== undefined);
    if (value.length === 1 && client.wantsBareReply === true) return texts[0];
    return texts.length === 0 ? undefined : `[${texts.join(",")}]`;
  }

  async #answer(value: unknown, asker: Asker): Promise<string | undefined> {
    const request = checkRequest(value);
    if ("error" in request) return this.#refuse(request.id, request.error, asker);
    const { id, method } = request;
    const { client } = asker;
    if (!this.#admit(client)) {
      const busy = new MonitorError("notEnoughResources", "Too many requests in flight");
      return this.#refuse(id, busy, asker, method);
    }
    try {
      const run = async () => await this.#run(request, asker);
      return await this.#resends.once(client.resendsAs, request, run, () => {
        const fields = { ...fieldsOf(asker, method), id };
        this.#log.info(fields, "request arrived again, answered without running again");
      });
    } catch (error) {
      return this.#refuse(id, error, asker, method);
    } finally {
      this.#release(client);
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

  #admit(client: Client): boolean {
    const own = this.#inFlight.get(client) ?? 0;
    const { inFlightPerClient, inFlightTotal } = this.#limits;
    if (own >= inFlightPerClient || this.#inFlightTotal >= inFlightTotal) return false;
    this.#inFlight.set(client, own + 1);
    this.#inFlightTotal += 1;
    return true;
  }

  #release(client: Client): void {
    this.#inFlight.set(client, (this.#inFlight.get(client) ?? 1) - 1);
    this.#inFlightTotal -= 1;
  }

  #refuse(id: Id | undefined, error: unknown, asker: Asker, method?: string): string | undefined {
    this.#logError(error, method, asker);
    return id === undefined ? undefined : JSON.stringify(toErrorResponse(id, error));
  }

  /** Whoever gives a flow id wants to find it; an engine's polls have none. */
  #logStart(method: string, asker: Asker): void {
    if (asker.flowId !== undefined) this.#log.info(fieldsOf(asker, method), "request received");
  }

  #logError(error: unknown, method: string | undefined, asker: Asker): void {
    const fields = fieldsOf(asker, method);
    if (!(error instanceof MonitorError) || error.code === "internal") {
      this.#log.error({ ...fields, err: error }, "request failed unexpectedly");
      return;
    }
    const { number, level } = errorTable[error.code];
    const { message: reason, details } = error;
    this.#log[level]({ ...fields, code: number, reason, details }, "request refused");
  }
}

function fieldsOf({ client, flowId }: Asker, method: string | undefined): LogFields {
  return {
    client: client.address,
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

/** The details if JSON can hold them: an error about an error helps nobody. */
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

/** JSON-RPC 2.0, section 4. An id is kept wherever it is one. */
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
    return refusal(known ?? null, "invalidRequest", "Invalid Request: method is no string");
  }
  return { id: known, method, params: members.get("params") };
}

function refusal(id: Id, code: ErrorCode, message: string): Refusal {
  return { id, error: new MonitorError(code, message) };
}

/** A number that JSON.parse has rounded would come back as another, and match no request. */
function isId(id: unknown): id is Id {
  if (typeof id === "number") {
    return Number.isInteger(id) ? Number.isSafeInteger(id) : Number.isFinite(id);
  }
  return typeof id === "string" || id === null;
}
