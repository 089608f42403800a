/**
 * What a guest's serial files prove. A count is a line "#" and 8 hex digits (guest/guest.c). A
 * migration stops the guest at any instruction, so a line may begin on one host and end on the
 * other; a count that is missing must be found as such a pair of pieces.
 *
 * Pure: text in, verdict out.
 */

export type SerialReading = {
  readonly counts: readonly number[];
  /** Pieces of lines: the beginning on the host that was left, the end on the one arrived at. */
  readonly pieces: readonly string[];
  readonly faults: readonly string[];
};

const COUNT = /#([0-9a-f]{8})/g;

export function readSerial(text: string): SerialReading {
  const counts: number[] = [];
  const pieces: string[] = [];
  const faults: string[] = [];
  for (const line of text.split("\n")) {
    if (line.includes("BAD")) faults.push(line);
    for (const [, digits = ""] of line.matchAll(COUNT)) counts.push(Number.parseInt(digits, 16));
    pieces.push(
      ...line
        .replaceAll(COUNT, " ")
        .split(" ")
        .filter((piece) => piece !== ""),
    );
  }
  return { counts, pieces, faults };
}

/** Whether the pieces of two files hold this count's line, torn anywhere; takes them if so. */
function takeTorn(count: number, pieces: Set<string>): boolean {
  const line = `#${count.toString(16).padStart(8, "0")}`;
  for (let cut = 1; cut < line.length; cut++) {
    const [head, tail] = [line.slice(0, cut), line.slice(cut)];
    if (pieces.has(head) && pieces.has(tail)) {
      pieces.delete(head);
      pieces.delete(tail);
      return true;
    }
  }
  return false;
}

/**
 * The first thing that is wrong with the counts 1 to `last` over all files of a guest: one missing,
 * one printed twice, or a page that lost a write. Undefined if nothing is.
 * Example: files "#00000001\n#0000" and "0002\n#00000003\n", last 3: undefined.
 */
export function unbrokenFault(files: readonly string[], last: number): string | undefined {
  const readings = files.map(readSerial);
  const fault = readings.flatMap((reading) => reading.faults)[0];
  if (fault !== undefined) return `lost a write (page, found, expected): ${fault}`;
  const seen = new Set<number>();
  for (const count of readings.flatMap((reading) => reading.counts)) {
    if (seen.has(count)) return `printed count ${count} twice`;
    seen.add(count);
  }
  if (last === 0) return "never printed a count";
  const pieces = new Set(readings.flatMap((reading) => reading.pieces));
  for (let count = 1; count <= last; count++) {
    if (!seen.has(count) && !takeTorn(count, pieces)) return `count ${count} of ${last} is missing`;
  }
  return undefined;
}
