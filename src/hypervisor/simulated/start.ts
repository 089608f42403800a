/** Whether a simulated migration can start: where it would go, and why it can't. */
import { runStateRow } from "../../core/run-state.ts";
import type { Refusal } from "../../core/refusal.ts";
import type { MigrateCall } from "../port.ts";
import type { Domain } from "./domain.ts";
import type { Host } from "./host.ts";
import * as refusals from "./refusals.ts";
import type { World } from "./world.ts";

/** The host that a URI leads to from here; undefined: nobody answers there. */
export function destinationOf(world: World, from: Host, uri: string): Host | undefined {
  const address = URL.canParse(uri) ? new URL(uri).hostname.replace(/^\[|\]$/g, "") : "";
  const host = world.hostAt(decodeURIComponent(address));
  if (host === undefined || !host.libvirtUp) return undefined;
  return world.linkUp(from.spec.name, host.spec.name, "control") ? host : undefined;
}

/** null: it can. */
export function sayWhyNot(
  domain: Domain,
  there: Host | undefined,
  call: MigrateCall,
): Refusal | null {
  if (domain.job !== null) return refusals.HAS_JOB;
  const { presence } = runStateRow(domain.state);
  if (presence !== "active" || domain.incoming !== "no") return refusals.NOT_RUNNING;
  if (call.tunneled && (call.postcopy || call.parallelConnections !== undefined)) {
    return refusals.TUNNELED_ALONE;
  }
  if (there === undefined) return refusals.UNREACHABLE;
  if (there.spec.name === domain.host) return refusals.OWN_HOST;
  if (there.domains.get(domain.vmId)?.isActive === true) return refusals.ALREADY_THERE;
  return null;
}
