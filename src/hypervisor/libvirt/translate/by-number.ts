/** Tables that translate libvirt's numbers are written by libvirt's names. */

/**
 * Words by number. The compiler requires a row for each name that the binding has, and a test holds
 * the binding's names and numbers against the installed headers, so no row is missing or wrong.
 */
export function byNumber<N extends Readonly<Record<string, number>>, W>(
  numbers: N,
  words: Readonly<Record<keyof N, W>>,
): ReadonlyMap<number, W> {
  const named = new Map<string, W>(Object.entries(words));
  return new Map(
    Object.entries(numbers).flatMap(([name, number]) => {
      const word = named.get(name);
      return word === undefined ? [] : [[number, word] as const];
    }),
  );
}
