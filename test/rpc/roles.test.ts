/**
 * Who may do what: every role, every verb, every door, over real sockets and certificates; what a
 * subject is as text, and that hostile ones are nobody's. The table of rights here is written by hand,
 * so that the verb table cannot widen it unseen.
 */

import { X509Certificate } from "node:crypto";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import type { Handlers } from "../../src/rpc/handlers.ts";
import {
  type AccessRules,
  anyCertificateControls,
  type Role,
  roleOf,
} from "../../src/rpc/roles.ts";
import { formatSubject } from "../../src/tls/subject.ts";
import { verbRows, verbTable } from "../../src/wire/verbs.ts";
import {
  bodyOf,
  exchange,
  makeCertificate,
  makeCertificates,
  openssl,
  post,
  startListener,
  tcp,
  useFolder,
} from "./lines.ts";

const {
  files,
  client,
  path: inFolder,
  pem,
} = useFolder((dir) => {
  makeCertificates(dir);
  for (const name of ["peer", "reader", "nobody"]) makeCertificate(dir, name);
});

const rules: AccessRules = {
  control: ["CN=engine"],
  peer: ["CN=peer"],
  read_only: ["CN=reader"],
  default_role: "none",
};

const READS = [
  "VM.getMigrationStatus",
  "VM.getStats",
  "VM.explainMigration",
  "Host.getAllVmStats",
  "Host.getVMList",
  "Host.getStats",
  "Host.getCapabilities",
  "Host.getMigrations",
  "Host.getEvents",
  "rpc.discover",
  "Host.ping",
  "Host.ping2",
];
const rights: Readonly<Record<Role, readonly string[]>> = {
  control: [
    ...READS,
    "VM.migrate",
    "VM.migrateCheck",
    "VM.migrateChangeParams",
    "VM.migrateCancel",
    "VM.hibernate",
    "VM.migrationCreate",
    "VM.destroy",
  ],
  peer: [
    "Host.getStats",
    "VM.getStats",
    "VM.migrationCreate",
    "VM.destroy",
    "rpc.discover",
    "Host.ping",
    "Host.ping2",
  ],
  "read-only": READS,
  none: [],
};

/** Every verb of the table; each answers true. */
const handlers: Handlers = Object.fromEntries(
  verbRows().map(({ name }) => [name, async () => await Promise.resolve(true)]),
);

type DoorName = "tcp" | "tls" | "unix" | "unixReadOnly";

async function start(access: () => AccessRules, plain = false) {
  const unixSocket = inFolder("rpc.sock");
  const unixSocketReadOnly = inFolder("rpc-ro.sock");
  const verbs = verbTable;
  const bench = await startListener({
    tcp: { ...tcp, ...(!plain && { tls: files() }) },
    unixSocket,
    unixSocketReadOnly,
    access,
    handlers,
    verbs,
  });
  const { at } = bench;
  const tls = (name: string, more: object = {}): TLSSocket =>
    connectTls({ ...at, ...client(name), ...more });
  const door = (name: DoorName, certificate: string) => {
    const ways = {
      tcp: () => at,
      tls: () => tls(certificate),
      unix: () => ({ path: unixSocket }),
      unixReadOnly: () => ({ path: unixSocketReadOnly }),
    };
    return ways[name]();
  };
  return { ...bench, at, tls, door };
}

const request = (method: string, id: number | string = 1): string =>
  JSON.stringify({ jsonrpc: "2.0", id, method });

interface Answer {
  readonly id: string;
  readonly error?: { readonly code: number; readonly message: string };
}

/** Asked for every verb and alias in one batch; who is answered with anything but 1101 may call it. */
async function allowed(socket: Parameters<typeof exchange>[0]): Promise<readonly string[]> {
  const names = verbRows().flatMap(({ name, aliases }) => [name, ...aliases]);
  const batch = `[${names.map((name) => request(name, name)).join()}]`;
  const answers = JSON.parse(bodyOf(await exchange(socket, post(batch)))) as Answer[];
  const denied = answers.filter(({ error }) => error !== undefined);
  expect(denied.filter(({ error }) => error?.code === -32603)).toEqual([]);
  return answers.filter(({ error }) => error?.code !== 1101).map(({ id }) => id);
}

/** With aliases, of the verbs that there are. */
function expected(role: Role): readonly string[] {
  return verbRows().flatMap(({ name, aliases }) =>
    rights[role].includes(name) ? [name, ...aliases] : [],
  );
}

describe("the verb table", () => {
  it("opens no verb to anybody that the table of rights does not", () => {
    for (const role of ["control", "peer", "read-only"] as const) {
      const names = verbRows().filter(({ roles }) => roles.includes(role));
      expect(names.map(({ name }) => name).toSorted(), role).toEqual(
        verbRows()
          .map(({ name }) => name)
          .filter((name) => rights[role].includes(name))
          .toSorted(),
      );
    }
  });
});

describe("each door, each role, each verb", () => {
  it.each<[DoorName, string, Role]>([
    ["tls", "engine", "control"],
    ["tls", "peer", "peer"],
    ["tls", "reader", "read-only"],
    ["tls", "nobody", "none"],
    ["unix", "", "control"],
    ["unixReadOnly", "", "read-only"],
  ])("%s %s is %s", async (name, certificate, role) => {
    const { door } = await start(() => rules);
    expect(await allowed(door(name, certificate))).toEqual(expected(role));
  });

  it.each<Role>(["control", "peer", "read-only", "none"])(
    "TCP without TLS, and a certificate that no rule names, have default_role: %s",
    async (role) => {
      const access = () => ({ ...rules, default_role: role });
      const plain = await start(access, true);
      expect(await allowed(plain.door("tcp", ""))).toEqual(expected(role));
      await plain.listener.close();
      const { tls } = await start(access);
      expect(await allowed(tls("nobody"))).toEqual(expected(role));
      expect(await allowed(tls("reader"))).toEqual(expected("read-only"));
    },
  );

  it("without rules any certificate of the authority controls, as in VDSM", async () => {
    const { tls } = await start(() => anyCertificateControls);
    expect(await allowed(tls("nobody"))).toEqual(expected("control"));
  });
});

describe("a refusal", () => {
  it("has a code, and the log has the subject, the role and the verb", async () => {
    const { tls, lines } = await start(() => rules);
    const reply = await exchange(tls("peer"), post(request("VM.migrate")));
    expect(JSON.parse(bodyOf(reply))).toEqual({
      jsonrpc: "2.0",
      id: 1,
      error: {
        code: 1101,
        message: "Access denied: VM.migrate is not for role peer",
        data: { role: "peer" },
      },
    });
    expect(lines).toContainEqual(
      expect.objectContaining({
        level: "warn",
        msg: "request refused",
        code: 1101,
        subject: "CN=peer",
        role: "peer",
        method: "VM.migrate",
      }),
    );
  });

  it("comes before parameters are looked at, by any alias, and runs nothing", async () => {
    const { tls } = await start(() => rules);
    const text = '{"jsonrpc":"2.0","id":1,"method":"migrate","params":"wrong"}';
    const reply = await exchange(tls("reader"), post(text));
    expect(JSON.parse(bodyOf(reply))).toMatchObject({ error: { code: 1101 } });
    const unknown = await exchange(tls("reader"), post(request("VM.nothing")));
    expect(JSON.parse(bodyOf(unknown))).toMatchObject({ error: { code: -32601 } });
  });
});

describe("rules that change", () => {
  it("hold for connections that are open", async () => {
    let now: AccessRules = rules;
    const { at, tell } = await start(() => now);
    const socket = new WebSocket(`wss://127.0.0.1:${at.port}/jsonrpc`, {
      ca: pem("ca.pem"),
      cert: pem("engine.pem"),
      key: pem("engine.key"),
    });
    await new Promise((resolve) => socket.once("open", resolve));
    const heard: unknown[] = [];
    const ask = async (): Promise<unknown> => {
      const answer = new Promise((resolve) => {
        socket.once("message", (data: Buffer) => resolve(JSON.parse(data.toString())));
      });
      socket.send(request("VM.migrateCancel"));
      return await answer;
    };
    expect(await ask()).toMatchObject({ result: true });
    now = { ...rules, control: [], peer: ["CN=engine"] };
    expect(await ask()).toMatchObject({ error: { code: 1101 } });
    socket.on("message", (data: Buffer) => heard.push(JSON.parse(data.toString())));
    tell({ method: "|virt|VM_status|v", params: {} });
    now = rules;
    tell({ method: "|virt|VM_status|w", params: {} });
    await expect.poll(() => heard).toMatchObject([{ method: "|virt|VM_status|w" }]);
    socket.terminate();
  });

  it("a resumed TLS session has the role of its certificate", async () => {
    const { tls } = await start(() => rules);
    const first = tls("peer");
    const session = await new Promise<Buffer>((resolve) => first.once("session", resolve));
    first.destroy();
    const second = tls("peer", { session, cert: undefined, key: undefined });
    second.once("secureConnect", () => expect(second.isSessionReused()).toBe(true));
    expect(await allowed(second)).toEqual(expected("peer"));
  });
});

describe("events", () => {
  it.each<[string, boolean]>([
    ["engine", true],
    ["reader", true],
    ["peer", false],
    ["nobody", false],
  ])("%s hears them over WebSocket and STOMP: %s", async (name, hears) => {
    const { at, tls, tell } = await start(() => rules);
    const options = { ca: pem("ca.pem"), cert: pem(`${name}.pem`), key: pem(`${name}.key`) };
    const socket = new WebSocket(`wss://127.0.0.1:${at.port}/jsonrpc`, options);
    await new Promise((resolve) => socket.once("open", resolve));
    const messages: string[] = [];
    socket.on("message", (data: Buffer) => messages.push(data.toString()));
    const stomp = tls(name);
    let frames = "";
    stomp.on("data", (data: Buffer) => {
      frames += data.toString();
    });
    stomp.write(
      "CONNECT\naccept-version:1.2\n\n\0SUBSCRIBE\nid:1\ndestination:jms.queue.events\nreceipt:r\n\n\0",
    );
    await expect.poll(() => frames).toContain("receipt-id:r");
    tell({ method: "|virt|VM_status|v", params: {} });
    // What is asked after the event is answered after it.
    socket.send(request("VM.nothing"));
    stomp.write("SUBSCRIBE\nid:2\ndestination:elsewhere\nreceipt:after\n\n\0");
    await expect.poll(() => frames).toContain("receipt-id:after");
    await expect.poll(() => messages.join()).toContain("-32601");
    expect(frames.includes("MESSAGE\n")).toBe(hears);
    expect(messages.join().includes("VM_status")).toBe(hears);
    socket.terminate();
    stomp.destroy();
  });
});

describe("a subject as text", () => {
  it.each([
    ["one part", "/CN=engine", "CN=engine"],
    ["the innermost first", "/C=US/O=Example/CN=engine", "CN=engine,O=Example,C=US"],
    ["a comma in a value", "/O=Example, Inc./CN=e", "CN=e,O=Example\\, Inc."],
    ["a whole subject in a value", "/O=x,CN=engine/CN=e", "CN=e,O=x\\,CN=engine"],
    ["a line end in a value", "/CN=x\nCN=engine", "CN=x\\0ACN=engine"],
    ["a plus sign in a value", "/CN=x\\+CN=engine", "CN=x\\+CN=engine"],
    ["two values in one part", "/CN=engine+O=x", "CN=engine+O=x"],
    ["the name twice", "/CN=engine/CN=e", "CN=e,CN=engine"],
    ["blanks at both ends", "/CN= engine ", "CN=\\ engine\\ "],
    ["a hash in front", "/CN=#engine", "CN=\\#engine"],
    ["letters outside ASCII", "/CN=ü日", "CN=\\C3\\BC\\E6\\97\\A5"],
    ["another case", "/CN=ENGINE", "CN=ENGINE"],
    ["an e-mail address of that name", "/emailAddress=CN=engine", "emailAddress=CN=engine"],
  ])("%s: as openssl prints it", (_what, subject, text) => {
    makeCertificate(inFolder(""), "odd", { subject });
    const printed = openssl(
      inFolder(""),
      "x509",
      "-noout",
      "-subject",
      "-nameopt",
      "RFC2253",
      "-in",
      "odd.pem",
    );
    expect(printed.replace(/\n$/, "")).toBe(`subject=${text}`);
    const formatted = formatSubject(new X509Certificate(pem("odd.pem")).subject);
    expect(formatted).toBe(text);
    const role = text === "CN=engine" ? "control" : "none";
    expect(roleOf("tls", formatted, rules)).toBe(role);
  });

  it("a certificate without one is nobody in particular", async () => {
    makeCertificate(inFolder(""), "unnamed", { subject: "/" });
    const { tls } = await start(() => ({ ...rules, default_role: "peer" }));
    expect(await allowed(tls("unnamed"))).toEqual(expected("peer"));
  });
});
