/** A server with a few verbs, plain or with TLS, and wires to it. */

import type { ConnectionOptions } from "node:tls";
import { onTestFinished } from "vitest";
import type { Handlers } from "../../../src/rpc/handlers.ts";
import {
  type Bench,
  type BenchOptions,
  makeCertificates,
  startListener,
  tcp,
  useFolder,
} from "../lines.ts";
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
  /** Ends with the test, and every wire to it. */
  readonly start: (way: Way, options?: Partial<BenchOptions>) => Promise<StompBench>;
}

/** One set of certificates for the tests of a file. */
export function makeBenches(): Benches {
  const { files, client } = useFolder(makeCertificates);
  return {
    start: async (way, options = {}) => {
      const gate = makeGate();
      const door = { ...tcp, ...(way === "TLS" && { tls: files() }) };
      const handlers = { ...gate.handlers, ...options.handlers };
      const bench = await startListener({ tcp: door, ...options, handlers });
      const { port } = bench.at;
      // As both stock clients: they check who signed it, not where it stands.
      const tls = (name: string): ConnectionOptions | undefined =>
        way === "TLS" ? { ...client(name), checkServerIdentity: () => undefined } : undefined;
      const open = async (name: "engine" | "host" = "engine"): Promise<Wire> => {
        const wire = await openWire(port, tls(name));
        onTestFinished(async () => await wire.close());
        return wire;
      };
      const openInTurns = async (): Promise<TurnReader> => {
        const reader = await openTurnReader(port, tls("engine"));
        onTestFinished(() => reader.close());
        return reader;
      };
      return { ...bench, port, open, openInTurns, release: gate.release };
    },
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
