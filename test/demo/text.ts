/**
 * Words and numbers as the demo prints them: wrapped to a width, packed side by side, with units.
 * Text in, text out. No line exceeds the given width unless a single word does.
 */

const MIB_BYTES = 1024 * 1024;

/** Keeps the words on both sides on the same line; printed as a space. */
export const GLUE = "\u00a0";

/** Breaks at spaces; every line but the first begins with `indent`. */
export function wrap(text: string, columns: number, indent = ""): string[] {
  const [leading = ""] = /^ */.exec(text) ?? [];
  const lines: string[] = [];
  let line = leading;
  let empty = true;
  for (const word of text.slice(leading.length).split(" ")) {
    const longer = empty ? `${line}${word}` : `${line} ${word}`;
    if (longer.length <= columns || empty) line = longer;
    else {
      lines.push(line);
      line = `${indent}${word}`;
    }
    empty = false;
  }
  return [...lines, line].map((each) => each.replaceAll(GLUE, " "));
}

/** The fields of a call or an event; they are wrapped only between fields. */
export function fieldList(fields: Readonly<Record<string, unknown>>): string {
  const shown = Object.entries(fields).map(([key, value]) => `${key}: ${String(value)}`);
  return `{${shown.map((field) => field.replaceAll(" ", GLUE)).join(", ")}}`;
}

/** As many facts per line as fit, separated by two spaces. */
export function pack(facts: readonly string[], columns: number, indent: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const fact of facts) {
    const longer = line === "" ? `${indent}${fact}` : `${line}  ${fact}`;
    if (longer.length <= columns || line === "") line = longer;
    else {
      lines.push(line);
      line = `${indent}${fact}`;
    }
  }
  return line === "" ? lines : [...lines, line];
}

/** A table with a header row; each column is as wide as its widest cell. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** Example: 4299161 gives "4.1". */
export function mib(bytes: number): string {
  return (bytes / MIB_BYTES).toFixed(1);
}

/** Example: 24130 gives "24.1 s". */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
