/**
 * What each flow of data gets of the hosts' links: as much as its cap allows, and where a link is full,
 * an equal share of it (max-min fairness, as TCP comes to). A link has one capacity in each direction.
 */

export interface Flow {
  readonly from: string;
  readonly to: string;
  /** Infinity: no limit. */
  readonly capBytesPerSecond: number;
}

/**
 * The rate of each flow, in order. `capacityOf`: a host's, in bytes per second, each way. Filled up
 * evenly: each round the flows that are held by their cap or by a full link get their rate, and leave.
 */
export function fairRates(
  flows: readonly Flow[],
  capacityOf: (host: string) => number,
): readonly number[] {
  const rates = flows.map(() => 0);
  const left = new Map<string, number>();
  const open = new Set(flows.keys());
  for (const { from, to } of flows) {
    left.set(`out ${from}`, capacityOf(from));
    left.set(`in ${to}`, capacityOf(to));
  }
  while (open.size > 0) {
    const users = new Map<string, number>();
    for (const at of open)
      for (const end of endsOf(flows[at])) users.set(end, (users.get(end) ?? 0) + 1);
    const shareOf = (at: number): number =>
      Math.min(...endsOf(flows[at]).map((end) => (left.get(end) ?? 0) / (users.get(end) ?? 1)));
    const shares = [...open].map((at) => [at, shareOf(at)] as const);
    const capped = shares.filter(([at, share]) => (flows[at]?.capBytesPerSecond ?? 0) <= share);
    const least = Math.min(...shares.map(([, share]) => share));
    const settled = capped.length > 0 ? capped : shares.filter(([, share]) => share <= least);
    for (const [at, share] of settled) {
      const rate = Math.min(share, flows[at]?.capBytesPerSecond ?? 0);
      rates[at] = rate;
      open.delete(at);
      for (const end of endsOf(flows[at])) left.set(end, Math.max(0, (left.get(end) ?? 0) - rate));
    }
  }
  return rates;
}

function endsOf(flow: Flow | undefined): readonly string[] {
  return flow === undefined ? [] : [`out ${flow.from}`, `in ${flow.to}`];
}
