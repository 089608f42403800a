/**
 * Host.getCapabilities: what an engine asks of a host before it sends migrations there. VDSM's names
 * and types where it has them (kvmEnabled is a string there); the limits are ours.
 */
import { access } from "node:fs/promises";
import type { WireObject } from "./service.ts";
import type { Settings } from "./settings.ts";

export async function capabilitiesToWire(
  hostName: string,
  settings: Settings,
): Promise<WireObject> {
  const kvm = await access("/dev/kvm").then(
    () => true,
    () => false,
  );
  return {
    hostName,
    vmTypes: ["kvm"],
    kvmEnabled: String(kvm),
    zerocopy_migrations: false,
    refresh_disk_supported: false,
    max_outgoing_migrations: settings.maxOutgoing,
    max_incoming_migrations: settings.maxIncoming,
  };
}
