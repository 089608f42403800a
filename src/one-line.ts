/** Text from outside, made safe to print on one line: no line breaks, no control characters. */

const LINE_LENGTH_MAX = 1000;

export function oneLine(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, " ");
  return line.length <= LINE_LENGTH_MAX ? line : `${line.slice(0, LINE_LENGTH_MAX)}…`;
}
