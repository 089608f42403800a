/**
 * Sets of CPUs or NUMA nodes as libvirt writes them: `0-3,5`, `0-7,^2`. What a caller gives ends up in
 * a domain's XML, so nothing passes but numbers, ranges and exclusions. Whether a host has such CPUs
 * is for its libvirt to say.
 */

/** libvirt's bitmaps of CPUs and nodes end there. Source: libvirt, VIR_DOMAIN_CPUMASK_LEN. */
const NUMBER_MAX = 16_383;
const LENGTH_MAX = 65_536;

const itemPattern = /^(?:(\d{1,5})(?:-(\d{1,5}))?|\^(\d{1,5}))$/;

/** null, or what is wrong with it, in words. At least one number must be included. */
export function cpusetFault(text: string): string | null {
  if (text.length > LENGTH_MAX) return `longer than ${LENGTH_MAX} characters`;
  const included = new Set<number>();
  for (const item of text.split(",")) {
    const match = itemPattern.exec(item.trim());
    if (match === null)
      return `${JSON.stringify(item.slice(0, 40))} is no number, range or ^number`;
    const [, first, last, excluded] = match;
    const from = Number(first ?? excluded);
    const to = Number(last ?? from);
    if (to > NUMBER_MAX) return `${to} is above ${NUMBER_MAX}`;
    if (to < from) return `${item} runs backwards`;
    for (let each = from; each <= to; each += 1) {
      if (excluded === undefined) included.add(each);
      else included.delete(each);
    }
  }
  return included.size === 0 ? "it holds nothing" : null;
}

/**
 * The reason why a list of sets does not fit, null if it does. `name` and `of` are for the words:
 * `placementFault("cpusets", ["0"], 2, "vCPUs")` is "cpusets has 1 items, the VM has 2 vCPUs".
 */
export function placementFault(
  name: string,
  sets: readonly string[] | undefined,
  wanted: number,
  of: string,
): string | null {
  if (sets === undefined) return null;
  if (sets.length !== wanted) {
    return `${name} has ${sets.length} items, the VM has ${wanted} ${of}`;
  }
  for (const [index, each] of sets.entries()) {
    const fault = cpusetFault(each);
    if (fault !== null) return `${name}[${index}]: ${fault}`;
  }
  return null;
}
