/** What is wrong with a record of the journal, in words for the log and for people. */
import * as v from "valibot";

const PROBLEM_LENGTH_MAX = 300;

/** The first thing that is wrong, with its path: `limits.progressTimeoutMs is missing`. */
export function inWords([first, ...more]: readonly v.BaseIssue<unknown>[]): string {
  if (first === undefined) return "nothing is wrong";
  const path = (v.getDotPath(first) ?? "the record").replace(/^state\./, "");
  const isMissing = first.type === "object" && first.received === "undefined";
  const expected = first.expected ?? first.type;
  const problem = isMissing
    ? `${path} is missing`
    : `${path}: expected ${expected}, got ${first.received}`;
  const others = more.length === 0 ? "" : ` (and ${more.length} more)`;
  return `${problem.slice(0, PROBLEM_LENGTH_MAX)}${others}`;
}
