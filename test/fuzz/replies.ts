/**
 * What a JSON-RPC reply must be, derived from the request's text alone, without the dispatcher's
 * code. **Fails** everywhere: Error that says what is wrong.
 */

import { errorTable } from "../../src/wire/errors.ts";
import { claim, show } from "./target.ts";

type Id = string | number | null;

/** Whether a batch of one is answered without an array (`Client.wantsBareReply`). */
export interface Manner {
  readonly bare: boolean;
}

const NUMBERS: ReadonlySet<number> = new Set(
  Object.values(errorTable)
    .map(({ number }) => number)
    .filter((number) => number !== errorTable.internal.number),
);
const utf8 = new TextDecoder("utf-8", { fatal: true });
/** Room for an error's message and the names of a verb's parameters in it. */
const REPLY_BYTES_MAX = 8192;
/** rpc.discover describes every verb. */
const DISCOVER_BYTES_MAX = 131_072;
/** `\u0000` for one byte. */
const GROWTH_MAX = 6;

/** The ID that each reply must have, in order; undefined if that request gets no reply. */
interface Expected {
  readonly ids: readonly (Id | undefined)[];
  readonly isBatch: boolean;
}

const MAX_BATCH = 100;

function expected(message: string | Uint8Array): Expected {
  let value: unknown;
  try {
    value = JSON.parse(typeof message === "string" ? message : utf8.decode(message));
  } catch {
    return { ids: [null], isBatch: false };
  }
  if (!Array.isArray(value)) return { ids: [idOf(value)], isBatch: false };
  if (value.length === 0 || value.length > MAX_BATCH) return { ids: [null], isBatch: false };
  return { ids: value.map(idOf), isBatch: true };
}

/** JSON-RPC 2.0, sections 4 and 5: undefined for a notification, null if there is no valid ID. */
function idOf(request: unknown): Id | undefined {
  if (typeof request !== "object" || request === null || Array.isArray(request)) return null;
  const members = new Map<string, unknown>(Object.entries(request));
  if (members.has("id")) {
    const id = members.get("id");
    if (id === null || typeof id === "string") return id;
    if (typeof id !== "number" || !Number.isFinite(id)) return null;
    return Number.isInteger(id) && !Number.isSafeInteger(id) ? null : id;
  }
  const isRequest = members.get("jsonrpc") === "2.0" && typeof members.get("method") === "string";
  return isRequest ? undefined : null;
}

export function claimReply(
  message: string | Uint8Array,
  reply: string | undefined,
  { bare }: Manner,
): void {
  const { ids, isBatch } = expected(message);
  const wanted = ids.filter((id) => id !== undefined);
  if (reply === undefined) {
    claim(wanted.length === 0, `no reply, expected ${show(wanted)}`);
    return;
  }
  const perReply = Buffer.from(message).includes("rpc.discover")
    ? DISCOVER_BYTES_MAX
    : REPLY_BYTES_MAX;
  const bound = wanted.length * perReply + GROWTH_MAX * message.length;
  claim(reply.length <= bound, `a reply of ${reply.length} characters to ${message.length}`);
  const value: unknown = JSON.parse(reply);
  const isArray = isBatch && !(bare && ids.length === 1);
  claim(
    Array.isArray(value) === isArray,
    `array where none is expected, or vice versa: ${show(reply)}`,
  );
  const replies: readonly unknown[] = Array.isArray(value) ? value : [value];
  claim(replies.length === wanted.length, `${replies.length} replies, not ${wanted.length}`);
  for (const [index, each] of replies.entries()) claimResponse(each, wanted[index]);
}

/** One response; if `id` is given it must have that ID. */
export function claimResponse(value: unknown, id?: Id): void {
  claim(typeof value === "object" && value !== null, `not an object: ${show(value)}`);
  const members = new Map<string, unknown>(Object.entries(value));
  claim(members.get("jsonrpc") === "2.0", `no version: ${show(value)}`);
  const own = members.get("id");
  claim(own === null || typeof own === "string" || typeof own === "number", `id ${show(value)}`);
  claim(id === undefined || own === id, `id ${show(own)} instead of ${show(id)}`);
  claim(
    members.has("result") !== members.has("error"),
    `both or neither of result and error: ${show(value)}`,
  );
  claim(members.size === 3, `unexpected members: ${show(value)}`);
  if (members.has("error")) claimError(members.get("error"));
}

function claimError(error: unknown): void {
  claim(typeof error === "object" && error !== null, `error ${show(error)}`);
  const members = new Map<string, unknown>(Object.entries(error));
  const [code, message] = [members.get("code"), members.get("message")];
  claim(typeof code === "number" && NUMBERS.has(code), `code: ${show(error)}`);
  claim(typeof message === "string" && message !== "", `message: ${show(error)}`);
  // A strict parser rejects a lone surrogate, even if it is escaped.
  claim(!/\p{Surrogate}/u.test(message), `a lone surrogate: ${show(error)}`);
}
