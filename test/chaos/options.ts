/**
 * The command lines of `npm run chaos` and `npm run soak`. Mistakes are reported in one line.
 */
import { randomInt } from "node:crypto";
import { parseArgs } from "node:util";
import { allActs } from "./plan.ts";
import type { ChaosOptions } from "./run.ts";

const MAX_SEED = 2 ** 32 - 1;
const MAX_GUESTS = 4;
const MAX_MINUTES = 10_000;

export const CHAOS_USAGE =
  "usage: npm run chaos -- [--minutes M | --rounds N] [--seed N [--round K]] [--guests 1-4] " +
  `[--waves 1-3] [--acts all | a,b | -a,-b]; acts: ${allActs.map(({ name }) => name).join(" ")}`;

/** Throws what is wrong. Default: one minute with a random seed and all acts. */
export function readChaosOptions(args: readonly string[]): ChaosOptions {
  const text = { type: "string" } as const;
  const options = {
    minutes: text,
    rounds: text,
    seed: text,
    round: text,
    guests: text,
    waves: text,
    acts: text,
  };
  const { values } = parseArgs({ args: joinDashes(args), options });
  const number = (name: Exclude<keyof typeof options, "acts">, min: number, max: number) =>
    wholeNumber(name, values[name], min, max);
  const seed = number("seed", 0, MAX_SEED) ?? randomInt(MAX_SEED);
  const one = number("round", 1, Number.MAX_SAFE_INTEGER);
  const rounds = number("rounds", 1, Number.MAX_SAFE_INTEGER);
  const minutes = number("minutes", 1, MAX_MINUTES);
  return {
    seed,
    firstRound: one ?? 1,
    rounds: rounds ?? (one === undefined ? Number.POSITIVE_INFINITY : 1),
    minutes: minutes ?? (rounds === undefined && one === undefined ? 1 : MAX_MINUTES),
    maxGuests: number("guests", 1, MAX_GUESTS) ?? 3,
    maxWaves: number("waves", 1, 3) ?? 2,
    acts: actsFrom(values.acts ?? "all"),
  };
}

/** Only the named acts, or with a dash all except those. */
export function actsFrom(text: string): ReadonlySet<string> {
  const known = allActs.map(({ name }) => name);
  if (text === "all") return new Set(known);
  const named = text.split(",").filter((name) => name !== "");
  const without = named.filter((name) => name.startsWith("-")).map((name) => name.slice(1));
  const only = named.filter((name) => !name.startsWith("-"));
  const unknown = [...without, ...only].filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`no such act: ${unknown.join(", ")}`);
  return new Set((only.length > 0 ? only : known).filter((name) => !without.includes(name)));
}

export function wholeNumber(
  name: string,
  text: string | undefined,
  min: number,
  max: number,
): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  throw new Error(`--${name} ${text} must be a whole number from ${min} to ${max}`);
}

/** `--acts -kill-daemon` would otherwise be parsed as another option. */
function joinDashes(args: readonly string[]): string[] {
  const joined: string[] = [];
  for (const arg of args) {
    if (joined.at(-1) === "--acts") joined.splice(-1, 1, `--acts=${arg}`);
    else joined.push(arg);
  }
  return joined;
}
