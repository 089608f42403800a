/**
 * Constants of migrations and of jobs in general: flags of virDomainMigrateToURI3, types and
 * operations of a job, flags of stats and abort calls. Names are libvirt's without the prefix, and so
 * are the values: a test compares each with the API description of the installed libvirt.
 *
 * Source: <libvirt/libvirt-domain.h>, libvirt 9.0; "Since" is the version that added the value.
 */

/** virDomainMigrateFlags (libvirt-domain.h): flags of migrateToUri3. */
export const MigrateFlag = {
  /** Since 0.3.2. */
  LIVE: 1 << 0,
  /** Since 0.7.2. */
  PEER2PEER: 1 << 1,
  /** Since 0.7.2. */
  TUNNELLED: 1 << 2,
  /** Since 0.7.3. */
  PERSIST_DEST: 1 << 3,
  /** Since 0.7.3. */
  UNDEFINE_SOURCE: 1 << 4,
  /** Since 0.7.5. */
  PAUSED: 1 << 5,
  /** Since 0.8.2. */
  NON_SHARED_DISK: 1 << 6,
  /** Since 0.8.2. */
  NON_SHARED_INC: 1 << 7,
  /** Since 0.9.4. */
  CHANGE_PROTECTION: 1 << 8,
  /** Since 0.9.11. */
  UNSAFE: 1 << 9,
  /** Since 1.0.1. */
  OFFLINE: 1 << 10,
  /** Since 1.0.3. */
  COMPRESSED: 1 << 11,
  /** Since 1.1.0. */
  ABORT_ON_ERROR: 1 << 12,
  /** Since 1.2.3. */
  AUTO_CONVERGE: 1 << 13,
  /** Since 1.2.9. */
  RDMA_PIN_ALL: 1 << 14,
  /** Since 1.3.3. */
  POSTCOPY: 1 << 15,
  /** Since 3.2.0. */
  TLS: 1 << 16,
  /** Since 5.2.0. */
  PARALLEL: 1 << 17,
  /** Since 8.0.0. */
  NON_SHARED_SYNCHRONOUS_WRITES: 1 << 18,
  /** Since 8.5.0. */
  POSTCOPY_RESUME: 1 << 19,
  /** Since 8.5.0. */
  ZEROCOPY: 1 << 20,
} as const;

/** virDomainMigrateMaxSpeedFlags (libvirt-domain.h): which of the two limits is meant. */
export const MaxSpeedFlag = {
  /** Since 5.1.0. */
  POSTCOPY: 1 << 0,
} as const;

/** virDomainJobType (libvirt-domain.h): `type` of JobStats. */
export const JobType = {
  /** Since 0.7.7. */
  NONE: 0,
  /** Since 0.7.7. */
  BOUNDED: 1,
  /** Since 0.7.7. */
  UNBOUNDED: 2,
  /** Since 0.7.7. */
  COMPLETED: 3,
  /** Since 0.7.7. */
  FAILED: 4,
  /** Since 0.7.7. */
  CANCELLED: 5,
} as const;

/** virDomainJobOperation (libvirt-domain.h): `operation` of JobStats. */
export const JobOperation = {
  /** Since 3.3.0. */
  UNKNOWN: 0,
  /** Since 3.3.0. */
  START: 1,
  /** Since 3.3.0. */
  SAVE: 2,
  /** Since 3.3.0. */
  RESTORE: 3,
  /** Since 3.3.0. */
  MIGRATION_IN: 4,
  /** Since 3.3.0. */
  MIGRATION_OUT: 5,
  /** Since 3.3.0. */
  SNAPSHOT: 6,
  /** Since 3.3.0. */
  SNAPSHOT_REVERT: 7,
  /** Since 3.3.0. */
  DUMP: 8,
  /** Since 6.0.0. */
  BACKUP: 9,
  /** Since 9.0.0. */
  SNAPSHOT_DELETE: 10,
} as const;

/** virDomainGetJobStatsFlags (libvirt-domain.h): flags of getJobStats. */
export const JobStatsFlag = {
  /** Since 1.2.9. */
  COMPLETED: 1 << 0,
  /** Since 6.0.0. */
  KEEP_COMPLETED: 1 << 1,
} as const;

/** virDomainAbortJobFlagsValues (libvirt-domain.h): flags of abortJobFlags. */
export const AbortJobFlag = {
  /** Since 8.5.0. */
  POSTCOPY: 1 << 0,
} as const;
