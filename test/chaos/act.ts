/**
 * An act has a name and a weight, is drawn into a plan, and is later carried out. Everything random
 * about it is fixed when it is drawn, and its text says all of it.
 */
import type { Random } from "./random.ts";
import type { Stage } from "./stage.ts";

export interface Act {
  readonly name: string;
  /** How often it is drawn, relative to the others. */
  readonly weight: number;
  draw(random: Random, cast: Cast): Drawn;
}

/** What acts can act on. */
export interface Cast {
  readonly guests: number;
  readonly allowPostCopy: boolean;
}

export interface Drawn {
  readonly text: string;
  /** Resolves with a summary of the result, after restoring whatever it took away. */
  readonly run: (stage: Stage) => Promise<string>;
}

export function guestLabel(index: number): string {
  return `g${index + 1}`;
}
