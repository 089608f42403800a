/**
 * The pool of connections that carry one call at a time: nobody shares one, a call that hangs holds
 * its own alone, and a connection that is not idle long enough is not kept.
 */
import { type Connection, open } from "libvirt";
import { expect, it } from "vitest";
import { ConnectionPool } from "../../../src/hypervisor/libvirt/connection-pool.ts";

function pool(max: number, idleMax = max): ConnectionPool {
  return new ConnectionPool({ open: () => open("test:///default"), max, idleMax });
}

/** A call that ends when it is told to. */
function held() {
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let begin: (connection: Connection) => void = () => {};
  const begun = new Promise<Connection>((resolve) => {
    begin = resolve;
  });
  const call = async (connection: Connection): Promise<void> => {
    begin(connection);
    await ended;
  };
  return { call, begun, end };
}

it("two calls at a time have two connections", async () => {
  const connections = pool(2);
  const [one, two] = [held(), held()];
  const both = [connections.use(one.call), connections.use(two.call)];
  expect(await one.begun).not.toBe(await two.begun);
  one.end();
  two.end();
  await Promise.all(both);
  await connections.close();
});

it("calls one after the other have one", async () => {
  const connections = pool(2);
  const first = await connections.use(async (connection) => Promise.resolve(connection));
  const second = await connections.use(async (connection) => Promise.resolve(connection));
  expect(second).toBe(first);
  expect(connections.size).toBe(1);
  await connections.close();
});

it("beyond the most a call waits for a connection, and gets it", async () => {
  const connections = pool(1);
  const first = held();
  const one = connections.use(first.call);
  const waiting = connections.use(async (connection) => connection.hostname());
  await first.begun;
  expect(connections.size).toBe(1);
  first.end();
  await one;
  expect(await waiting).not.toBe("");
  await connections.close();
});

it("a call that fails gives its connection back", async () => {
  const connections = pool(1);
  await expect(
    connections.use((connection) => connection.lookupByName("nobody")),
  ).rejects.toThrow();
  expect(await connections.use((connection) => connection.isAlive())).toBe(true);
  await connections.close();
});

it("an open that fails leaves its place to the next", async () => {
  let failing = true;
  const connections = new ConnectionPool({
    open: () => open(failing ? "test:///no/such/file" : "test:///default"),
    max: 1,
    idleMax: 1,
  });
  await expect(connections.use((connection) => connection.hostname())).rejects.toThrow();
  failing = false;
  expect(await connections.use((connection) => connection.isAlive())).toBe(true);
  await connections.close();
});

it("opens that fail leave nobody waiting", async () => {
  const connections = new ConnectionPool({
    open: () => open("test:///no/such/file"),
    max: 1,
    idleMax: 1,
  });
  const calls = [1, 2, 3].map(() => connections.use((connection) => connection.hostname()));
  const ended = await Promise.allSettled(calls);
  expect(ended.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  expect(connections.size).toBe(0);
});

it("no more than so many idle ones are kept", async () => {
  const connections = pool(2, 1);
  const [one, two] = [held(), held()];
  const both = [connections.use(one.call), connections.use(two.call)];
  await Promise.all([one.begun, two.begun]);
  one.end();
  two.end();
  await Promise.all(both);
  expect(connections.size).toBe(1);
  await connections.close();
});

it("closed: nobody gets one any more, and who waits is told", async () => {
  const connections = pool(1);
  const first = held();
  const one = connections.use(first.call);
  await first.begun;
  const waiting = connections.use(async (connection) => connection.hostname());
  const told = expect(waiting).rejects.toThrow("closed");
  await connections.close();
  await told;
  first.end();
  await one;
  await expect(connections.use((connection) => connection.hostname())).rejects.toThrow("closed");
});

it("a connection that a call has found lost is not used again", async () => {
  const connections = pool(1);
  const found = await connections.use(async (connection) => {
    connections.abandon(connection);
    return Promise.resolve(connection);
  });
  expect(connections.isBroken(found)).toBe(true);
  expect(connections.size).toBe(0);
  expect(await connections.use(async (connection) => Promise.resolve(connection))).not.toBe(found);
  await connections.close();
});
