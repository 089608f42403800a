/**
 * JSON-RPC requests generated from the verb table: every verb by every name, in every form that the
 * normalizer accepts, with values that are valid, at a bound, just beyond it, or of another type.
 */

import fc from "fast-check";
import type { Field } from "../../src/wire/field.ts";
import type { NamedVerb } from "../../src/wire/normaliser.ts";
import { verbRows } from "../../src/wire/verbs.ts";
import { mutated } from "./bytes.ts";
import { anyString, objectText, STRINGS, stringText, valueText } from "./json-text.ts";

/** Few, so that requests concern the same VMs. The last digit tells the stub service what to do. */
export const VM_IDS = Array.from(
  { length: 16 },
  (_, index) => `12345678-90ab-4cde-8f01-23456789abc${index.toString(16)}`,
);

/** Valid and invalid addresses and paths. */
export const ADDRESSES = [
  "host-b",
  "Host-B.Example:54321",
  "10.0.0.2",
  "10.0.0.2:1",
  "[fe80::1]:54321",
  "fe80::1:54321",
  "fe80::1:5432",
  "fe80::1%eth0",
  "[fe80::1%Eth0]:54321",
  "host_b.:54321",
  "2001:db8::2",
  "::ffff:10.0.0.1",
  "host-b:0",
  "host-b:65536",
  "host/system",
  "root@host",
  "host?no_verify=1",
  "host\n.example",
  "host#x",
  "%68ost",
  "$&",
  "{host}",
  "::",
  "1::2::3",
  "1.2.3",
  "/var/lib/vdsm-migrationd/images/a",
  "/a/../b",
  "/a\0b",
  `/${"a".repeat(4096)}`,
];

const text = (values: fc.Arbitrary<string>): fc.Arbitrary<string> => stringText(values);

const action = fc.oneof(
  fc.constantFrom(
    '{"name":"setDowntime","params":["150"]}',
    '{"name":"setDowntime","params":[150]}',
    '{"name":"setDowntime","params":[]}',
    '{"name":"postcopy"}',
    '{"name":"postcopy","params":null}',
    '{"name":"abort","params":[]}',
    '{"name":"__proto__"}',
  ),
  objectText(
    fc.array(fc.tuple(fc.constantFrom("name", "params", "__proto__"), valueText), { maxLength: 3 }),
  ),
);
const item = fc
  .tuple(fc.oneof(fc.constantFrom("-1", "0", "2", "1000001", '"2"'), valueText), action)
  .map(([limit, each]) => `{"limit":${limit},"action":${each}}`);
const list = (items: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.array(items, { maxLength: 3 }).map((each) => `[${each.join(",")}]`);
const schedule = fc
  .tuple(list(action), list(item))
  .map(([init, stalling]) => `{"init":${init},"stalling":${stalling}}`);

function goodValue(field: Field): fc.Arbitrary<string> {
  switch (field.kind) {
    case "integer": {
      const { min, max } = field;
      return fc.oneof(
        fc.constantFrom(min, max, min - 1, max + 1, min + 0.5).map(String),
        fc.integer({ min, max: Math.min(max, min + 1000) }).map(String),
      );
    }
    case "boolean":
    case "true":
      return fc.constantFrom("true", "false", '"true"', '"False"', '"TRUE"');
    case "enum":
      return fc.constantFrom(...field.values).map((each) => JSON.stringify(each));
    case "raw":
    case "object":
    case "map":
      return schedule;
    case "list":
      return list(fc.constantFrom('"0"', '"0-3,^1"', '"x"', '"9-1"', "1", '""'));
    case "string":
      if (field.format !== "uuid") return text(fc.constantFrom(...ADDRESSES));
      return fc.constantFrom(...VM_IDS, VM_IDS[0]?.toUpperCase() ?? "").map((id) => `"${id}"`);
  }
}

const HOSTILE_KEYS = ["vmId", "vmID", "params", "__proto__", "constructor", "toString", "", "a\nb"];
const hostileMember = fc.tuple(
  fc.oneof(fc.constantFrom(...HOSTILE_KEYS), fc.constantFrom(...STRINGS)),
  valueText,
);

function member([name, field]: readonly [string, Field]): fc.Arbitrary<readonly [string, string]> {
  const value = fc.oneof(
    { weight: 8, arbitrary: goodValue(field) },
    { weight: 1, arbitrary: valueText },
  );
  return value.map((each) => [name, each] as const);
}

/** The required ones nearly always, some of the others. */
function members(verb: NamedVerb): fc.Arbitrary<readonly (readonly [string, string])[]> {
  const all = Object.entries(verb.params);
  const required = all.filter(([, field]) => field.optional === undefined).map(member);
  const optional = all.filter(([, field]) => field.optional !== undefined).map(member);
  const some = optional.length === 0 ? [hostileMember] : [...optional];
  return fc
    .tuple(
      fc.tuple(...required),
      fc.array(fc.oneof(...some), { maxLength: 5 }),
      fc.oneof(
        { weight: 4, arbitrary: fc.constant([]) },
        { weight: 1, arbitrary: fc.array(hostileMember, { maxLength: 3 }) },
      ),
      fc.nat({ max: 15 }),
    )
    .map(([need, may, hostile, leaveOut]) => [...(leaveOut === 0 ? [] : need), ...may, ...hostile]);
}

function paramsOf(verb: NamedVerb): fc.Arbitrary<string> {
  const flat = members(verb);
  const nested = flat.map((all): readonly (readonly [string, string])[] => {
    const [first, ...rest] = all;
    if (first === undefined) return all;
    const inner = rest.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",");
    return [first, ["params", `{${inner}}`]];
  });
  const positions = flat.map((all) => {
    const [first, ...rest] = all;
    const inner = rest.map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(",");
    return `[${first?.[1] ?? ""}${rest.length === 0 ? "" : `,{${inner}}`}]`;
  });
  return fc.oneof(
    { weight: 8, arbitrary: objectText(flat) },
    { weight: 4, arbitrary: objectText(nested) },
    { weight: 2, arbitrary: positions },
    { weight: 1, arbitrary: valueText },
  );
}

const id = fc.oneof(
  { weight: 6, arbitrary: fc.uuid().map((each) => `"${each}"`) },
  { weight: 2, arbitrary: fc.constantFrom(...VM_IDS).map((each) => `"${each}"`) },
  { weight: 4, arbitrary: fc.integer().map(String) },
  { weight: 1, arbitrary: fc.constant("null") },
  { weight: 3, arbitrary: valueText },
);

type Member = readonly [key: string, value: string];

const maybe = (always: fc.Arbitrary<Member>): fc.Arbitrary<readonly Member[]> =>
  fc.oneof(
    { weight: 14, arbitrary: always.map((each) => [each]) },
    { weight: 1, arbitrary: fc.constant([]) },
    { weight: 1, arbitrary: fc.tuple(always, always) },
  );

function requestOf(verb: NamedVerb): fc.Arbitrary<string> {
  const names = [verb.name, ...verb.aliases].map((name) => JSON.stringify(name));
  const version = fc.oneof(
    { weight: 20, arbitrary: fc.constant('"2.0"') },
    { weight: 1, arbitrary: valueText },
  );
  const method = fc.oneof(
    { weight: 16, arbitrary: fc.constantFrom(...names) },
    { weight: 1, arbitrary: text(anyString) },
    { weight: 1, arbitrary: valueText },
  );
  const parts = fc.tuple(
    maybe(version.map((value) => ["jsonrpc", value])),
    maybe(method.map((value) => ["method", value])),
    maybe(paramsOf(verb).map((value) => ["params", value])),
    maybe(id.map((value) => ["id", value])),
    fc.oneof(
      { weight: 9, arbitrary: fc.constant([]) },
      { weight: 1, arbitrary: fc.array(hostileMember, { maxLength: 2 }) },
    ),
  );
  return objectText(parts.map((each) => each.flat()));
}

const request: fc.Arbitrary<string> = fc.oneof(...verbRows().map(requestOf));

const batch = fc.oneof(
  { weight: 3, arbitrary: request.map((each) => `[${each}]`) },
  {
    weight: 3,
    arbitrary: fc
      .array(fc.oneof({ weight: 4, arbitrary: request }, { weight: 1, arbitrary: valueText }), {
        maxLength: 6,
      })
      .map((each) => `[${each.join(",")}]`),
  },
  // The same request repeated, up to more than a batch may hold.
  {
    weight: 1,
    arbitrary: fc
      .tuple(request, fc.constantFrom(2, 100, 101))
      .map(([each, count]) =>
        each.length > 2000 ? `[${each}]` : `[${Array.from({ length: count }, () => each).join()}]`,
      ),
  },
);

/** As text: almost always JSON. */
export const messageText: fc.Arbitrary<string> = fc.oneof(
  { weight: 12, arbitrary: request },
  { weight: 4, arbitrary: batch },
  { weight: 1, arbitrary: valueText },
);

/** As bytes: half of them with a few edits. */
export const messageBytes: fc.Arbitrary<Buffer> = mutated(
  messageText.map((each) => Buffer.from(each)),
);
