/**
 * Where a text stops being JSON, and what was expected there. JSON.parse does not always say, and
 * its wording changes with Node's version. Pure; use it for texts that JSON.parse rejects.
 */

export interface JsonMistake {
  /** Counted from 1, like `column`. */
  readonly line: number;
  readonly column: number;
  readonly expected: string;
}

const SPACE = /[ \t\n\r]*/y;
const STRING = new RegExp(
  String.raw`"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"`,
  "y",
);
const SCALAR = /true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

type Awaited = "value" | "value or ]" | "key" | "key or }" | ":" | ", or ]" | ", or }" | "end";

const WORDS: Readonly<Record<Awaited, string>> = {
  value: "a value",
  "value or ]": "a value or ]",
  key: "a key in double quotes",
  "key or }": "a key in double quotes, or }",
  ":": "a colon",
  ", or ]": "a comma or ]",
  ", or }": "a comma or }",
  end: "nothing more",
};

/** undefined if the text is JSON. */
export function jsonMistake(text: string): JsonMistake | undefined {
  const open: ("[" | "{")[] = [];
  let at = 0;
  let awaited: Awaited = "value";
  const take = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  const inside = (): Awaited => {
    const last = open.at(-1);
    return last === undefined ? "end" : last === "[" ? ", or ]" : ", or }";
  };
  for (;;) {
    take(SPACE);
    const next: string | undefined = text[at];
    if (next === undefined && awaited === "end") return undefined;
    const step = stepOf(awaited, next);
    switch (step) {
      case "open":
        awaited = next === "[" ? "value or ]" : "key or }";
        open.push(next === "[" ? "[" : "{");
        at += 1;
        break;
      case "close":
        open.pop();
        awaited = inside();
        at += 1;
        break;
      case "next":
        awaited = open.at(-1) === "[" ? "value" : "key";
        at += 1;
        break;
      case "colon":
        awaited = "value";
        at += 1;
        break;
      case "key":
        if (!take(STRING)) return mistakeAt(text, at, "a closing double quote on the same line");
        awaited = ":";
        break;
      case "scalar":
        if (next === '"' && !take(STRING)) {
          return mistakeAt(text, at, "a closing double quote on the same line");
        }
        if (next !== '"' && !take(SCALAR)) return mistakeAt(text, at, WORDS[awaited]);
        awaited = inside();
        break;
      case "mistake":
        return mistakeAt(text, at, WORDS[awaited]);
    }
  }
}

type Step = "open" | "close" | "next" | "colon" | "key" | "scalar" | "mistake";

function stepOf(awaited: Awaited, next: string | undefined): Step {
  if (next === undefined) return "mistake";
  switch (awaited) {
    case "value or ]":
      if (next === "]") return "close";
      return next === "[" || next === "{" ? "open" : "scalar";
    case "value":
      return next === "[" || next === "{" ? "open" : "scalar";
    case "key or }":
      if (next === "}") return "close";
      return next === '"' ? "key" : "mistake";
    case "key":
      return next === '"' ? "key" : "mistake";
    case ":":
      return next === ":" ? "colon" : "mistake";
    case ", or ]":
      return next === "," ? "next" : next === "]" ? "close" : "mistake";
    case ", or }":
      return next === "," ? "next" : next === "}" ? "close" : "mistake";
    case "end":
      return "mistake";
  }
}

function mistakeAt(text: string, at: number, expected: string): JsonMistake {
  const lines = text.slice(0, at).split("\n");
  return { line: lines.length, column: (lines.at(-1) ?? "").length + 1, expected };
}
