/**
 * What libvirt says of a host, in the port's words: versions, and the comparison of CPUs.
 *
 * Source: libvirt-host.h, virConnectGetLibVersion and virCPUCompareResult; virterror.h.
 */
import { CpuCompareResult, ErrorCode, LibvirtError } from "libvirt";

/** libvirt's numbers are major * 1000000 + minor * 1000 + micro. */
export function versionText(version: number): string {
  return [version / 1_000_000, (version / 1_000) % 1_000, version % 1_000]
    .map(Math.floor)
    .join(".");
}

/** `fits`: the CPU is available there; `identical`: and it is no better. */
export type CpuComparison =
  | { readonly kind: "fits"; readonly identical: boolean }
  | { readonly kind: "differs"; readonly why: string }
  | { readonly kind: "unknown"; readonly why: string };

/** CONFIG_UNSUPPORTED: for example, there is no KVM. */
const DIFFERS: ReadonlySet<number> = new Set([
  ErrorCode.CPU_INCOMPATIBLE,
  ErrorCode.CONFIG_UNSUPPORTED,
]);

/** What a compare call came to. Rejects only for a defect. */
export async function cpuComparison(call: Promise<number>): Promise<CpuComparison> {
  try {
    const result = await call;
    return result === CpuCompareResult.INCOMPATIBLE
      ? { kind: "differs", why: "incompatible" }
      : { kind: "fits", identical: result === CpuCompareResult.IDENTICAL };
  } catch (error) {
    if (!(error instanceof LibvirtError)) throw error;
    return { kind: DIFFERS.has(error.code) ? "differs" : "unknown", why: error.libvirtMessage };
  }
}
