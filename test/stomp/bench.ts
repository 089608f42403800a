/** A server with a few verbs, plain or with TLS, and wires to it. */

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions } from "node:tls";
import type { Handlers } from "../../src/rpc/handlers.ts";
import { type Bench, type BenchOptions, makeCertificates, startListener } from "../rpc/lines.ts";
import { openTurnReader, type TurnReader } from "./turns.ts";
import { openWire, type Way, type Wire } from "./wire.ts";

export interface StompBench extends Bench {
  readonly port: number;
  /** As the engine, unless another name of the authority is given. */
  readonly open: (name?: "engine" | "host") => Promise<Wire>;
  /** The same as vdsm-jsonrpc-java reads. */
  readonly openInTurns: () => Promise<TurnReader>;
  /** Lets the oldest waiting `Slow.wait` answer, once it waits. */
  readonly release: (result: unknown) => Promise<void>;
}

export interface Benches {
  readonly start: (way: Way, options?: Partial<BenchOptions>) => Promise<StompBench>;
  /** Ends every server and wire of the last test. */
  readonly stop: () => Promise<void>;
  readonly dispose: () => void;
}

/** `dir` has the certificates. */
export function makeBenches(): Benches {
  const dir = mkdtempSync(join(tmpdir(), "stomp-"));
  makeCertificates(dir);
  const benches: Bench[] = [];
  const wires: Wire[] = [];
  const readers: TurnReader[] = [];
  return {
    start: async (way, options = {}) => {
      const gate = makeGate();
      const files = {
        ca: join(dir, "ca.pem"),
        cert: join(dir, "host.pem"),
        key: join(dir, "host.key"),
      };
      const tcp = { host: "127.0.0.1", port: 0, ...(way === "TLS" && { tls: files }) };
      const handlers = { ...gate.handlers, ...options.handlers };
      const bench = await startListener({ tcp, ...options, handlers });
      benches.push(bench);
      const port = bench.listener.port ?? 0;
      const open = async (name: "engine" | "host" = "engine"): Promise<Wire> => {
        const wire = await openWire(port, way === "TLS" ? optionsOf(dir, name) : undefined);
        wires.push(wire);
        return wire;
      };
      const openInTurns = async (): Promise<TurnReader> => {
        const reader = await openTurnReader(
          port,
          way === "TLS" ? optionsOf(dir, "engine") : undefined,
        );
        readers.push(reader);
        return reader;
      };
      return { ...bench, port, open, openInTurns, release: gate.release };
    },
    stop: async () => {
      for (const reader of readers.splice(0)) reader.close();
      await Promise.all(wires.splice(0).map(async (wire) => await wire.close()));
      await Promise.all(benches.splice(0).map(async ({ listener }) => await listener.close()));
    },
    dispose: () => rmSync(dir, { recursive: true }),
  };
}

function optionsOf(dir: string, name: string): ConnectionOptions {
  const pem = (file: string) => readFileSync(join(dir, file));
  return {
    ca: pem("ca.pem"),
    cert: pem(`${name}.pem`),
    key: pem(`${name}.key`),
    // As both stock clients: they check who signed it, not where it stands.
    checkServerIdentity: () => undefined,
  };
}

/** `Slow.wait`, which answers when it is told to. */
function makeGate() {
  const waiting: ((result: unknown) => void)[] = [];
  let wake: () => void = () => undefined;
  const handlers: Handlers = {
    "Slow.wait": async () =>
      await new Promise((resolve) => {
        waiting.push(resolve);
        wake();
      }),
  };
  const release = async (result: unknown): Promise<void> => {
    while (waiting.length === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    waiting.shift()?.(result);
  };
  return { handlers, release };
}
