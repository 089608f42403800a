/**
 * Host.getCapabilities: what an engine wants to know about a host before it migrates VMs there. VDSM's
 * names and types where it has them (kvmEnabled is a string there); the limits are our own.
 */
import type { Context } from "./context.ts";
import type { Capabilities as CapabilitiesAnswer } from "../wire/results.ts";

/** libvirt queries QEMU each time, and the answer changes with a kernel module at most. */
const KVM_KEPT_MS = 60_000;

export type CapabilitiesContext = Pick<Context, "settings" | "clock" | "thisHost" | "version"> & {
  readonly hypervisor: Pick<Context["hypervisor"], "hasKvm">;
};

export class Capabilities {
  readonly #context: CapabilitiesContext;
  /** libvirt's last answer; false before the first. */
  #kvm = false;
  #saidAtMs: number | null = null;

  constructor(context: CapabilitiesContext) {
    this.#context = context;
  }

  async answer(): Promise<CapabilitiesAnswer> {
    const { thisHost, settings, version } = this.#context;
    return {
      hostName: thisHost.name,
      version,
      hypervisor: settings().hypervisorKind,
      vmTypes: ["kvm"],
      kvmEnabled: (await this.#hasKvm()) ? "true" : "false",
      zerocopy_migrations: false,
      refresh_disk_supported: false,
      max_outgoing_migrations: settings().maxOutgoing,
      max_incoming_migrations: settings().maxIncoming,
    };
  }

  async #hasKvm(): Promise<boolean> {
    const nowMs = this.#context.clock.monotonicMs();
    if (this.#saidAtMs !== null && nowMs - this.#saidAtMs < KVM_KEPT_MS) return this.#kvm;
    const said = await this.#context.hypervisor.hasKvm();
    if (said.kind !== "ok") return this.#kvm;
    this.#kvm = said.value;
    this.#saidAtMs = nowMs;
    return this.#kvm;
  }
}
