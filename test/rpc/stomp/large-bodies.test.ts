/**
 * Bodies beyond the common limit: a domain's definition as VDSM's sources send it, twice in one
 * request. Who may send one, how many at a time, and that its long answer makes nobody a slow reader.
 */

import { expect, it } from "vitest";
import { DEFINITION_MAX_BYTES, definitionMessageBytes } from "../../../src/core/definition-size.ts";
import { defaultRpcLimits } from "../../../src/rpc/limits.ts";
import { maySendDefinitions } from "../../../src/rpc/roles.ts";
import { verbRoles } from "../../../src/wire/verb.ts";
import { verbs as all } from "../../../src/wire/verbs.ts";
import { makeBenches, type StompBench } from "./bench.ts";
import { python } from "../../stomp/stock-clients.ts";

const benches = makeBenches();

const rules = { control: [], peer: [], read_only: [] } as const;
const stomp = { ...defaultRpcLimits.stomp, definitionBytes: 4000, definitionBytesTotal: 6000 };
const limits = { messageBytes: 1000, unreadBytes: 2000, stomp };
const method = "VM.migrationCreate";
const verbs = { [method]: all[method] };
const handlers = { [method]: async (params: unknown) => await Promise.resolve(params) };

async function join(bench: StompBench) {
  const stock = python();
  const wire = await bench.open();
  wire.write(stock.hello());
  expect(await wire.next()).toMatch(/^CONNECTED\n/);
  const next = async (): Promise<unknown> => JSON.parse(stock.read(await wire.next()).body);
  /** All but the body. */
  const announce = (bytes: number): void =>
    wire.write(
      stock.request("").replace("content-length:0", `content-length:${bytes}`).slice(0, -1),
    );
  const ask = (padding: number): string => {
    const { id, body } = stock.call(method, { xml: "x".repeat(padding) });
    wire.write(stock.request(body));
    return id;
  };
  return { wire, stock, next, ask, announce };
}

it("roles that may ask for a slot may send a definition, and no others", () => {
  expect(verbRoles.filter(maySendDefinitions)).toEqual(all[method].roles.toSorted());
  expect(maySendDefinitions("none")).toBe(false);
});

it("the limit admits two copies of the longest XML that libvirt has", () => {
  const xml = '<a b="c">\n\u00e9\u4e00\u{1f600}</a>'.repeat(200_000).slice(0, 2_000_000);
  expect(Buffer.byteLength(xml)).toBeLessThan(DEFINITION_MAX_BYTES);
  // As Python writes JSON.
  const ascii = JSON.stringify({ xml, _srcDomXML: xml }).replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  expect(ascii.length).toBeGreaterThan(defaultRpcLimits.messageBytes);
  expect(ascii.length).toBeLessThan(defaultRpcLimits.stomp.definitionBytes);
  expect(definitionMessageBytes(2)).toBeGreaterThan(2 * 3 * DEFINITION_MAX_BYTES);
});

it.each(["control", "peer"] as const)("role %s may, and hears it back", async (role) => {
  const access = () => ({ ...rules, default_role: role });
  const bench = await benches.start("plain", { limits, handlers, verbs, access });
  const { ask, next } = await join(bench);
  const id = ask(3000);
  expect(await next()).toMatchObject({ id, result: { xml: "x".repeat(3000) } });
});

it.each(["plain", "TLS"] as const)(
  "a definition of libvirt's longest goes both ways, %s",
  async (way) => {
    const { ask, next } = await join(await benches.start(way, { handlers, verbs }));
    const id = ask(2 * DEFINITION_MAX_BYTES);
    const { result, ...rest } = (await next()) as { id: string; result: { xml: string } };
    expect(rest).toMatchObject({ id });
    expect(result.xml.length).toBe(2 * DEFINITION_MAX_BYTES);
  },
);

it.each(["read-only", "none"] as const)("role %s may not", async (role) => {
  const access = () => ({ ...rules, default_role: role });
  const { ask, wire } = await join(await benches.start("plain", { limits, handlers, access }));
  ask(3000);
  expect(await wire.next()).toMatch(/^ERROR\n.*a body of more than 1000 bytes/s);
  expect(await wire.next()).toBe("");
});

it("a body that is not announced keeps to the common limit", async () => {
  const { wire } = await join(await benches.start("plain", { limits, handlers }));
  wire.write(`SEND\ndestination:jms.topic.vdsm_requests\n\n${"x".repeat(1001)}`);
  expect(await wire.next()).toMatch(/^ERROR\n.*a body of more than 1000 bytes/s);
});

it("one beyond even this limit is refused at its header, with the limit", async () => {
  const { wire } = await join(await benches.start("plain", { limits, handlers }));
  wire.write("SEND\ndestination:jms.topic.vdsm_requests\ncontent-length:4001\n\n");
  expect(await wire.next()).toMatch(/^ERROR\n.*a body of more than 4000 bytes/s);
});

it.each(["plain", "TLS"] as const)(
  "beyond what is in hand the next waits until there is room, and nobody else, %s",
  async (way) => {
    const bench = await benches.start(way, { limits, handlers, verbs });
    const [one, two, three] = [await join(bench), await join(bench), await join(bench)];
    one.announce(3500);
    // Its header has been read once what came after it is answered.
    await three.wire.drip(three.stock.request(three.stock.call("Host.ping2").body));
    await three.next();
    const waits = two.ask(3000);
    const small = [three.ask(10), three.ask(10)];
    for (const id of small) expect(await three.next()).toMatchObject({ id });
    const { id: first, body } = one.stock.call(method, {});
    one.wire.write(`${body.padEnd(3500)}\0`);
    expect(await one.next()).toMatchObject({ id: first });
    expect(await two.next()).toMatchObject({ id: waits, result: { xml: "x".repeat(3000) } });
    const again = three.ask(3000);
    expect(await three.next()).toMatchObject({ id: again });
  },
);

it("more of them at once than there is room for are all answered, on one connection, too", async () => {
  const patient = { ...limits, unreadBytes: 100_000 };
  const bench = await benches.start("plain", { limits: patient, handlers, verbs });
  const all = await Promise.all([1, 2, 3, 4].map(() => join(bench)));
  const asked = all.map(({ ask }) => [1, 2, 3, 4, 5].map((each) => ask(3000 + each)));
  for (const [index, { next }] of all.entries()) {
    const ids = asked[index] ?? [];
    for (const id of ids) expect(await next()).toMatchObject({ id });
  }
});

it("whoever sends no more loses its room to one who waits", async () => {
  const quick = { ...limits, stomp: { ...stomp, largeGraceMs: 200, tickMs: 20 } };
  const bench = await benches.start("plain", { limits: quick, handlers, verbs });
  const [one, two] = [await join(bench), await join(bench)];
  one.announce(3500);
  const id = two.ask(3000);
  expect(await two.next()).toMatchObject({ id });
  expect(await one.wire.next()).toMatch(/^ERROR\n.*others wait for its room/s);
});

it("whoever waits in vain is told so, and one who goes away is waited for no longer", async () => {
  const quick = { ...limits, stomp: { ...stomp, frameMs: 500, tickMs: 20 } };
  const bench = await benches.start("plain", {
    limits: quick,
    handlers: { ...handlers, [method]: () => new Promise(() => undefined) },
    verbs,
  });
  const [one, two, three] = [await join(bench), await join(bench), await join(bench)];
  one.ask(3000);
  two.ask(3000);
  expect(await two.wire.next()).toMatch(/^ERROR\n.*no room.*too many at a time/s);
  await two.wire.close();
  three.ask(1500);
  three.ask(10);
  const { id, body } = one.stock.call("Host.ping2");
  one.wire.write(one.stock.request(body));
  expect(await one.next()).toMatchObject({ id });
});

it("what comes behind a long answer that is being read costs no connection", async () => {
  const bench = await benches.start("plain", {
    limits: { ...limits, unreadBytes: 10_000 },
    handlers,
  });
  const { ask, next, stock, wire } = await join(bench);
  wire.socket.pause();
  const answer = "x".repeat(30_000_000);
  const long = stock.call("Slow.wait");
  wire.write(stock.request(long.body));
  await bench.release(answer);
  const ids = [1, 2, 3].map(() => ask(10));
  // All of them are waiting behind the long one now.
  const [other] = [await join(bench)];
  other.ask(10);
  await other.next();
  wire.socket.resume();
  expect(await next()).toMatchObject({ id: long.id });
  for (const id of ids) expect(await next()).toMatchObject({ id });
});
