/**
 * What an act is: something with a name and a weight that is drawn into a plan, and later carried
 * out. What is drawn is fixed then: the text says all of it.
 */
import type { Random } from "./random.ts";
import type { Stage } from "./stage.ts";

export interface Act {
  readonly name: string;
  /** How often it comes, beside the others. */
  readonly weight: number;
  draw(random: Random, cast: Cast): Drawn;
}

/** What can be acted on. */
export interface Cast {
  readonly guests: number;
  readonly allowPostCopy: boolean;
}

export interface Drawn {
  readonly text: string;
  /** Resolves with what came of it; whatever it took away is back by then. */
  readonly run: (stage: Stage) => Promise<string>;
}

export function guestLabel(index: number): string {
  return `g${index + 1}`;
}
