/** Text that comes from outside as one line for people: no line breaks, nothing that moves a cursor. */

const LINE_LENGTH_MAX = 1000;

export function oneLine(text: string): string {
  const line = text.replace(/[\s\p{Cc}]+/gu, " ");
  return line.length <= LINE_LENGTH_MAX ? line : `${line.slice(0, LINE_LENGTH_MAX)}…`;
}
