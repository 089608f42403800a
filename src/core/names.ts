/** The names of a table: its keys, typed as such, in its order. */

export function namesOf<K extends string>(table: Readonly<Record<K, unknown>>): readonly K[];
export function namesOf(table: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.keys(table);
}
