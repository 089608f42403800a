/**
 * libvirt's numbers about hosts. Names are libvirt's without the prefix, and so are the values: a test
 * compares each with the API description of the installed libvirt.
 *
 * Source: <libvirt/libvirt-host.h>.
 */

/** virCPUCompareResult (libvirt-host.h): the host's CPU compared with the given one, as compareCpu returns it. */
export const CpuCompareResult = {
  /** Since 0.7.5. */
  ERROR: -1,
  /** Since 0.7.5. */
  INCOMPATIBLE: 0,
  /** Since 0.7.5. */
  IDENTICAL: 1,
  /** Since 0.7.5. */
  SUPERSET: 2,
} as const;

/** virConnectCompareCPUFlags (libvirt-host.h): flags of compareCpu and compareHypervisorCpu. */
export const CompareCpuFlag = {
  /** Since 1.2.6. */
  FAIL_INCOMPATIBLE: 1 << 0,
  /** Since 6.9.0. */
  VALIDATE_XML: 1 << 1,
} as const;
