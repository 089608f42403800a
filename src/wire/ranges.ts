/**
 * The bounds of what a caller may ask for, in the wire's units, and the constants behind them. The
 * configuration shares the first group.
 */

export const ranges = {
  /** MiB/s. The upper bound is 1 TiB/s: far above any link, and exact as bytes in a JS number. */
  bandwidthMiBps: { min: 1, max: 1_048_576 },
  /** libvirt's own bounds in virDomainMigrateSetMaxDowntime. */
  downtimeMs: { min: 1, max: 2_000_000 },
  /** The upper bound is about 24 days: the most that a 32-bit count of milliseconds can hold. */
  progressTimeoutSeconds: { min: 1, max: 2_147_483 },
} as const;

/** Bounds that only the verbs have. */
export const verbRanges = {
  /** 0 = the automatic steps. */
  downtimeMs: { min: 0, max: ranges.downtimeMs.max },
  /** 0 = the configured one. */
  maxBandwidth: { min: 0, max: ranges.bandwidthMiBps.max },
  /** 0 = off. QEMU's multifd-channels, which libvirt sets from it, is one byte. */
  parallel: { min: 0, max: 255 },
  /** s; 0 = off. */
  stallingLimit: { min: 0, max: ranges.progressTimeoutSeconds.max },
  /** -1 = at the next new pass. */
  scheduleLimit: { min: -1, max: 1_000_000 },
  /** outgoingLimit, incomingLimit. */
  slots: { min: 1, max: 1_000 },
  scheduleItems: { max: 1_000 },
  /** Items of cpusets and numaNodesets: more than libvirt accepts vCPUs. */
  placementItems: { max: 16_384 },
  /** Numbers of events. Above, a JSON number is no longer exact. */
  events: { min: 0, max: Number.MAX_SAFE_INTEGER },
} as const;
