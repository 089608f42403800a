/**
 * Runs one target: a number of inputs from a seed, in chunks that can each be repeated alone, with
 * a memory check between them. Counts, shrinks what fails and says how to repeat it. Does not know
 * who asked for the run or how it is displayed.
 */

import fc from "fast-check";
import { type Running, show, type Target } from "./target.ts";

export interface Budget {
  readonly inputs: number;
  readonly seed: number;
  /** fast-check's path to one input of the first chunk. */
  readonly path?: string;
  /** Called before each batch with its inputs as text, for hangs that no timer can detect. */
  readonly onBatch?: (text: () => string) => void;
  readonly onProgress?: (inputs: number) => void;
}

export interface Failure {
  readonly seed: number;
  readonly path: string;
  readonly input: string;
  readonly error: string;
}

export interface Memory {
  readonly rssBytes: number;
  readonly heapBytes: number;
}

export interface Outcome {
  readonly inputs: number;
  readonly seconds: number;
  readonly failures: readonly Failure[];
  readonly start: Memory;
  readonly end: Memory;
}

/** Batches per chunk, few enough that a failure is repeated quickly. */
const CHUNK_BATCHES = 50;
/** After this many something is permanently broken. */
const FAILURES_MAX = 5;
const SHRINK_MS_MAX = 30_000;
/** Memory samples per run. */
const SAMPLES = 20;
/** Allowed heap growth between the second and the last quarter of the samples. */
export const HEAP_GROWTH_BYTES_MAX = 8 * 1_048_576;
/** For the process: includes what the allocator keeps. */
export const RSS_GROWTH_BYTES_MAX = 96 * 1_048_576;

/** Measured after a garbage collection if the process allows that (--expose-gc). */
function memory(): Memory {
  globalThis.gc?.();
  const { rss, heapUsed } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}

/** Why memory is not bounded; undefined if it is, or if there are too few samples to tell. */
function growth(samples: readonly Memory[]): string | undefined {
  if (samples.length < SAMPLES || globalThis.gc === undefined) return undefined;
  const quarter = Math.floor(samples.length / 4);
  const [early, late] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)];
  for (const [key, max] of [
    ["heapBytes", HEAP_GROWTH_BYTES_MAX],
    ["rssBytes", RSS_GROWTH_BYTES_MAX],
  ] as const) {
    const by = median(late.map((each) => each[key])) - median(early.map((each) => each[key]));
    if (by > max) return `${key} grew by ${by}, at most ${max} is allowed`;
  }
  return undefined;
}

/** Runs the chunks one after the other until the budget is used up, whatever fails. */
export async function runTarget<T>(target: Target<T>, budget: Budget): Promise<Outcome> {
  const failures: Failure[] = [];
  const samples: Memory[] = [];
  const startedMs = performance.now();
  const stage: Stage<T> = { running: await target.start() };
  const start = memory();
  let inputs = 0;
  for (let chunk = 0; inputs < budget.inputs && failures.length < FAILURES_MAX; chunk += 1) {
    const seed = budget.seed + chunk;
    const result = await runChunk(target, stage, seed, inputs, budget);
    inputs += result.inputs;
    budget.onProgress?.(inputs);
    if (inputs >= ((samples.length + 1) / SAMPLES) * budget.inputs) samples.push(memory());
    if (result.failure !== undefined) failures.push(result.failure);
    if (budget.path !== undefined) break;
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const grown = failures.length > 0 ? undefined : growth(samples);
  if (grown !== undefined) {
    failures.push({ seed: budget.seed, path: "", input: "all inputs", error: grown });
  }
  await stage.running.stop();
  return { inputs, seconds, failures, start, end: memory() };
}

interface Stage<T> {
  running: Running<T>;
}

async function runChunk<T>(
  target: Target<T>,
  stage: Stage<T>,
  seed: number,
  before: number,
  budget: Budget,
): Promise<{ inputs: number; failure?: Failure }> {
  let inputs = 0;
  let hasFailed = false;
  const batches = fc.array(target.input, { minLength: 1, maxLength: target.batch, size: "max" });
  // An interrupted check returns while its last batch is still running.
  let working: Promise<void> = Promise.resolve();
  const property = fc.asyncProperty(batches, async (batch) => {
    working = work(batch);
    await working;
  });
  const work = async (batch: readonly T[]): Promise<void> => {
    if (!hasFailed && before + inputs >= budget.inputs) return;
    budget.onBatch?.(() => show(batch, Number.POSITIVE_INFINITY));
    if (!hasFailed) inputs += batch.length;
    try {
      const { running } = stage;
      const settled = await Promise.allSettled(batch.map(async (each) => await running.run(each)));
      for (const each of settled) if (each.status === "rejected") throw each.reason;
      await running.check();
    } catch (error) {
      hasFailed = true;
      // Whatever a defect left behind must not affect the next input.
      await stage.running.stop().catch(() => undefined);
      stage.running = await target.start();
      throw error;
    }
  };
  const details = await fc.check(property, {
    seed,
    numRuns: CHUNK_BATCHES,
    interruptAfterTimeLimit: SHRINK_MS_MAX,
    ...(budget.path !== undefined && { path: budget.path }),
  });
  await working.catch(() => undefined);
  if (!details.failed) return { inputs };
  const { counterexample, counterexamplePath, errorInstance } = details;
  const error = errorInstance instanceof Error ? errorInstance.stack : String(errorInstance);
  const failure = {
    seed,
    path: counterexamplePath ?? "",
    input: show(counterexample?.[0], 20_000),
    error: error ?? "",
  };
  return { inputs, failure };
}
