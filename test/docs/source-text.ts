/**
 * Looking at source text without a parser, which TypeScript 7 does not offer. It leans on the
 * formatter: what a line opens at some depth is closed by the first line of the same depth that
 * begins with a brace. Groups of tests (`describe`) and types are not functions.
 */

export interface Block {
  /** Numbers of lines, from 1. */
  readonly first: number;
  readonly last: number;
}

const NOT_FUNCTIONS = /^\s*(if|for|while|switch|catch|else|do|try|\} else|\} catch|describe)\b/;
const ON_ONE_LINE =
  /\bfunction\b.*\{$|=> \{$|^\s*(static |async |get |set )*\*?[#\w]+(<.*>)?\(.*\).*\{$/;
/** The end of a signature over several lines: `): Promise<void> {`. */
const SIGNATURE_END = /^\s*\).*\{$/;

/** The functions, methods and arrow functions with a body of lines. */
export function blocksOf(lines: readonly string[]): readonly Block[] {
  return lines.flatMap((line, at) => {
    const start = startOf(lines, line, at);
    if (start === undefined) return [];
    const depth = depthOf(line);
    const end = lines.findIndex(
      (each, index) => index > at && depthOf(each) === depth && /^\s*\}/.test(each),
    );
    return end === -1 ? [] : [{ first: start + 1, last: end + 1 }];
  });
}

function startOf(lines: readonly string[], line: string, at: number): number | undefined {
  if (NOT_FUNCTIONS.test(line)) return undefined;
  if (!SIGNATURE_END.test(line)) return ON_ONE_LINE.test(line) ? at : undefined;
  const start = lines.findLastIndex(
    (each, index) => index < at && each.trim() !== "" && depthOf(each) === depthOf(line),
  );
  return NOT_FUNCTIONS.test(lines[start] ?? "") ? undefined : start;
}

function depthOf(line: string): number {
  return line.length - line.trimStart().length;
}

/** What a module imports, types and re-exports included. */
export function importsOf(text: string): readonly string[] {
  const found = text.matchAll(/^(?:import|export)\b[^"';]*?\bfrom "([^"]+)"|^import "([^"]+)"/gm);
  const dynamic = text.matchAll(/\bimport\("([^"]+)"\)/g);
  return [...found, ...dynamic].map(([, target, bare]) => target ?? bare ?? "");
}
