/**
 * The OpenRPC document: every verb with its parameters, result and errors, and every event, as verb
 * rpc.discover returns it and as the reference has it. All of it is derived from the declarations.
 */
import { namesOf } from "../core/names.ts";
import { commonErrors, errorTable, type ErrorName } from "./errors.ts";
import { eventTable } from "./events.ts";
import { orNull } from "./field.ts";
import { jsonSchema, objectSchema, type Json } from "./json-schema.ts";
import type { Verb } from "./verb.ts";
import { verbRows } from "./verbs.ts";

const OPENRPC_VERSION = "1.3.2";

/** `version`: the daemon's. */
export function openRpcDocument(version: string): Json {
  return {
    openrpc: OPENRPC_VERSION,
    info: {
      title: "vdsm-migrationd",
      version,
      description:
        "Live migration of libvirt VMs. JSON-RPC 2.0 over HTTP, WebSocket and STOMP. Parameters may also be nested as in VDSM: {vmID, params: {...}}.",
    },
    methods: verbRows().map(method),
    components: {
      errors: Object.fromEntries(namesOf(errorTable).map((name) => [name, error(name)])),
    },
    "x-events": Object.entries(eventTable).map(([name, { when, fields }]) => ({
      name,
      summary: when,
      method: `|virt|${name}|<vmId>`,
      params: {
        type: "object",
        description: "The fields under the VM's id, and the time.",
        properties: {
          notify_time: {
            type: "integer",
            description:
              "Milliseconds of the host's monotonic clock, 2^31 - 1 at its boot: only good for order.",
          },
        },
        additionalProperties: objectSchema(fields, "result"),
        required: ["notify_time"],
      },
    })),
  };
}

function method(verb: Verb & { readonly name: string }): Json {
  const { name, aliases, roles, params, unknownKeys, result, errors, doc } = verb;
  return {
    name,
    summary: doc,
    paramStructure: "by-name",
    params: Object.entries(params).map(([param, field]) => ({
      name: param,
      required: field.optional === undefined,
      // VM.migrate takes null for whatever is not given.
      schema: jsonSchema(
        unknownKeys === "report" && field.optional !== undefined ? orNull(field) : field,
        "param",
      ),
    })),
    result: { name: "result", schema: jsonSchema(result, "result") },
    errors: [...errors, ...commonErrors].map((each) => ({ $ref: `#/components/errors/${each}` })),
    "x-aliases": aliases,
    "x-roles": roles,
    "x-unknown-params": unknownKeys,
  };
}

function error(name: ErrorName): Json {
  const { number, when } = errorTable[name];
  return { code: number, message: when };
}
