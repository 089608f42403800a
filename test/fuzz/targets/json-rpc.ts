/**
 * Dispatcher.receive: requests for every verb, valid and almost valid, as text and as bytes. It
 * never rejects, answers with the request's ID whatever JSON-RPC says must be answered, passes
 * nothing on that the verb table forbids, and has no internal error.
 */

import fc from "fast-check";
import type { Client } from "../../../src/rpc/client.ts";
import type { Role } from "../../../src/rpc/roles.ts";
import { verbRows } from "../../../src/wire/verbs.ts";
import { startDispatcher } from "../edge.ts";
import { claimReply } from "../replies.ts";
import { messageBytes, messageText } from "../requests.ts";
import { claim, show, type Target, within } from "../target.ts";

interface Message {
  readonly content: string | Uint8Array;
  /** Set for STOMP clients: their requests are remembered, and a batch of one is answered bare. */
  readonly resendsAs: string | undefined;
  readonly flowId: string | undefined;
  readonly role: Role;
}

const input: fc.Arbitrary<Message> = fc.record({
  content: fc.oneof<fc.Arbitrary<string | Uint8Array>[]>(messageText, messageBytes),
  resendsAs: fc.option(fc.constantFrom("a", "b", "c"), { nil: undefined }),
  flowId: fc.option(fc.constantFrom("f", "a\nb", "x".repeat(200)), { nil: undefined, freq: 8 }),
  role: fc.constantFrom("control", "control", "control", "peer", "read-only", "none"),
});

/** What a role may not call gives an error, however it is requested. **Fails**: Error. */
function claimRole(content: string | Uint8Array, reply: string | undefined, role: Role): void {
  const value = parsed(content);
  const methods: readonly unknown[] = [value].flat().map((each) => memberOf(each, "method"));
  const barred = verbRows().filter((row) => !row.roles.some((each) => each === role));
  const names = new Set(barred.flatMap((row) => [row.name, ...row.aliases]));
  if (reply === undefined || !methods.every((each) => typeof each === "string" && names.has(each)))
    return;
  const replies: readonly unknown[] = [parsed(reply)].flat();
  const passed = replies.filter((each) => memberOf(each, "result") !== undefined);
  claim(passed.length === 0, `${role} may call ${show(methods)}`);
}

function parsed(content: string | Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(content).toString());
  } catch {
    return undefined;
  }
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  return new Map<string, unknown>(Object.entries(value)).get(name);
}

const PING = '{"jsonrpc":"2.0","method":"Host.ping2","id":"good"}';

export const jsonRpc: Target<Message> = {
  name: "json-rpc",
  input,
  batch: 32,
  share: 26,
  start: async () => {
    const { dispatcher, journal } = startDispatcher();
    return await Promise.resolve({
      run: async ({ content, resendsAs, flowId, role }) => {
        const client: Client = {
          address: "192.0.2.1:4242",
          name: "192.0.2.1:4242",
          source: "192.0.2.1",
          role: () => role,
          ...(resendsAs !== undefined && { resendsAs, wantsBareReply: true }),
        };
        const reply = await within(dispatcher.receive(content, client, flowId), "a reply");
        journal.claimClean();
        claimReply(content, reply, { bare: resendsAs !== undefined });
        claimRole(content, reply, role);
      },
      check: async () => {
        const client: Client = {
          address: "unix",
          name: "uid 0",
          source: "unix",
          role: () => "control",
        };
        const reply = await within(dispatcher.receive(PING, client), "a valid reply");
        claim(reply === '{"jsonrpc":"2.0","id":"good","result":true}', `got ${show(reply)}`);
      },
      stop: async () => await Promise.resolve(),
    });
  },
};
