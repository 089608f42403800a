/**
 * Refuses a migration whose destination is this host itself. Addresses and the own name are recognised
 * at once. Any other name is resolved in parallel with the calls to libvirt that acceptance makes; a slow
 * resolver does not delay acceptance, and libvirt refuses in the end.
 */
import { parseDestination } from "../../core/address.ts";
import { isOwnAddress, isOwnHost, type OwnHost } from "../../core/own-host.ts";
import { MonitorError } from "../../errors.ts";
import { resolver } from "../../host/resolver.ts";
import type { MigrateRequest } from "../service.ts";

/** The longest wait for the resolver. */
export const RESOLVE_WAIT_MS = 300;

/** **Fails**: invalidParams if dst or dstqemu is this host by name or address. */
export function refuseOwnHost(request: MigrateRequest, own: OwnHost): void {
  if (request.mode === "file") return;
  const host = parseDestination(request.dst)?.host;
  if (host !== undefined && isOwnHost(host, own)) throw itself("dst", request.dst);
  const { dstqemu } = request;
  if (dstqemu !== undefined && isOwnHost(dstqemu, own)) throw itself("dstqemu", dstqemu);
}

/**
 * The same for names, once they are resolved: the refusal, or null. Settles within RESOLVE_WAIT_MS and
 * never rejects.
 */
export async function ownByResolving(
  request: MigrateRequest,
  own: () => OwnHost,
): Promise<MonitorError | null> {
  if (request.mode === "file") return null;
  const { dst, dstqemu } = request;
  const found = await Promise.all([
    resolvesToOwn(own, "dst", dst, parseDestination(dst)?.host),
    resolvesToOwn(own, "dstqemu", dstqemu, dstqemu),
  ]);
  return found.find((each) => each !== null) ?? null;
}

async function resolvesToOwn(
  ownNow: () => OwnHost,
  parameter: string,
  value: string | undefined,
  host: string | undefined,
): Promise<MonitorError | null> {
  if (value === undefined || host === undefined) return null;
  const resolved = await resolver.resolve(host, AbortSignal.timeout(RESOLVE_WAIT_MS));
  if (resolved.kind !== "found") return null;
  const own = ownNow();
  const found = resolved.all.find(({ address }) => isOwnAddress(address, own));
  return found === undefined ? null : itself(parameter, value, found.address);
}

function itself(parameter: string, value: string, address?: string): MonitorError {
  const shown = JSON.stringify(value);
  const by = address === undefined ? "" : ` (${address})`;
  return new MonitorError("invalidParams", `${parameter}: ${shown}${by} is this host itself`, {
    details: { parameter },
  });
}
