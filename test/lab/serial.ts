/**
 * What a guest's serial files prove. A count is a line of "#" and 8 hex digits (guest/guest.c). A
 * migration can stop the guest at any instruction, so a line may begin on one host and end on the
 * other; a missing count must be found as such a pair of fragments.
 *
 * Pure: text in, verdict out.
 */

export type SerialReading = {
  readonly counts: readonly number[];
  /** Parts of lines: the beginning on the source, the end on the destination. */
  readonly fragments: readonly string[];
  readonly faults: readonly string[];
};

const COUNT = /#([0-9a-f]{8})/g;

export function readSerial(text: string): SerialReading {
  const counts: number[] = [];
  const fragments: string[] = [];
  const faults: string[] = [];
  for (const line of text.split("\n")) {
    if (line.includes("BAD")) faults.push(line);
    for (const [, digits = ""] of line.matchAll(COUNT)) counts.push(Number.parseInt(digits, 16));
    fragments.push(
      ...line
        .replaceAll(COUNT, " ")
        .split(" ")
        .filter((piece) => piece !== ""),
    );
  }
  return { counts, fragments, faults };
}

/** Whether two fragments together are this count's line, split anywhere; consumes them if so. */
function takeSplit(count: number, fragments: Set<string>): boolean {
  const line = `#${count.toString(16).padStart(8, "0")}`;
  for (let cut = 1; cut < line.length; cut++) {
    const [head, tail] = [line.slice(0, cut), line.slice(cut)];
    if (fragments.has(head) && fragments.has(tail)) {
      fragments.delete(head);
      fragments.delete(tail);
      return true;
    }
  }
  return false;
}

/**
 * The first fault in the counts 1 to `last` across all of a guest's files: a missing count, a
 * repeated one, or a page that lost a write. undefined if there is none. Example: files
 * "#00000001\n#0000" and "0002\n#00000003\n", last 3: undefined.
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
  const fragments = new Set(readings.flatMap((reading) => reading.fragments));
  for (let count = 1; count <= last; count++) {
    if (!seen.has(count) && !takeSplit(count, fragments))
      return `count ${count} of ${last} is missing`;
  }
  return undefined;
}
