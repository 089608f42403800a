/** All targets, in the order of a run. */

import type { Target } from "../target.ts";
import { addresses } from "./address.ts";
import { configFiles, configValues } from "./config.ts";
import { firstBytes } from "./first-bytes.ts";
import { http } from "./http.ts";
import { jsonRpc } from "./json-rpc.ts";
import { journalFiles, journalText } from "./journal.ts";
import { peer } from "./peer.ts";
import { stompParser, stompSerializer } from "./stomp-codec.ts";
import { stompSession } from "./stomp-session.ts";
import { websocket } from "./websocket.ts";

export const pureTargets: readonly Target<unknown>[] = [
  firstBytes,
  addresses,
  configValues,
  configFiles,
  stompParser,
  stompSerializer,
  jsonRpc,
  journalText,
  journalFiles,
];

export const connectionTargets: readonly Target<unknown>[] = [http, websocket, stompSession, peer];

export const allTargets: readonly Target<unknown>[] = [...pureTargets, ...connectionTargets];

/** A target's share of `total` inputs over all targets. */
export function partOf(total: number, { share }: Target<unknown>): number {
  const shares = allTargets.reduce((sum, each) => sum + each.share, 0);
  return Math.ceil((total * share) / shares);
}
