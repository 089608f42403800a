/**
 * Constants of a domain's life cycle: states and reasons, flags of the calls that change or list
 * domains. Names are libvirt's without the prefix, and so are the values: a test compares each with
 * the API description of the installed libvirt.
 *
 * Source: <libvirt/libvirt-domain.h>, libvirt 9.0; "Since" is the version that added the value.
 */

/** virConnectListAllDomainsFlags (libvirt-domain.h): which domains listDomains returns; 0: all. */
export const ListDomainsFlag = {
  /** Since 0.9.13. */
  ACTIVE: 1 << 0,
  /** Since 0.9.13. */
  INACTIVE: 1 << 1,
  /** Since 0.9.13. */
  PERSISTENT: 1 << 2,
  /** Since 0.9.13. */
  TRANSIENT: 1 << 3,
  /** Since 0.9.13. */
  RUNNING: 1 << 4,
  /** Since 0.9.13. */
  PAUSED: 1 << 5,
  /** Since 0.9.13. */
  SHUTOFF: 1 << 6,
  /** Since 0.9.13. */
  OTHER: 1 << 7,
  /** Since 0.9.13. */
  MANAGEDSAVE: 1 << 8,
  /** Since 0.9.13. */
  NO_MANAGEDSAVE: 1 << 9,
  /** Since 0.9.13. */
  AUTOSTART: 1 << 10,
  /** Since 0.9.13. */
  NO_AUTOSTART: 1 << 11,
  /** Since 0.9.13. */
  HAS_SNAPSHOT: 1 << 12,
  /** Since 0.9.13. */
  NO_SNAPSHOT: 1 << 13,
  /** Since 5.6.0. */
  HAS_CHECKPOINT: 1 << 14,
  /** Since 5.6.0. */
  NO_CHECKPOINT: 1 << 15,
} as const;

/** virDomainState (libvirt-domain.h): the state of getState and getInfo. */
export const DomainState = {
  /** Since 0.0.1. */
  NOSTATE: 0,
  /** Since 0.0.1. */
  RUNNING: 1,
  /** Since 0.0.1. */
  BLOCKED: 2,
  /** Since 0.0.1. */
  PAUSED: 3,
  /** Since 0.0.1. */
  SHUTDOWN: 4,
  /** Since 0.0.1. */
  SHUTOFF: 5,
  /** Since 0.0.2. */
  CRASHED: 6,
  /** Since 0.9.11. */
  PMSUSPENDED: 7,
} as const;

/** virDomainRunningReason (libvirt-domain.h): the reason of state RUNNING. */
export const RunningReason = {
  /** Since 0.9.2. */
  UNKNOWN: 0,
  /** Since 0.9.2. */
  BOOTED: 1,
  /** Since 0.9.2. */
  MIGRATED: 2,
  /** Since 0.9.2. */
  RESTORED: 3,
  /** Since 0.9.2. */
  FROM_SNAPSHOT: 4,
  /** Since 0.9.2. */
  UNPAUSED: 5,
  /** Since 0.9.2. */
  MIGRATION_CANCELED: 6,
  /** Since 0.9.2. */
  SAVE_CANCELED: 7,
  /** Since 0.9.11. */
  WAKEUP: 8,
  /** Since 1.1.1. */
  CRASHED: 9,
  /** Since 1.3.3. */
  POSTCOPY: 10,
  /** Since 8.5.0. */
  POSTCOPY_FAILED: 11,
} as const;

/** virDomainPausedReason (libvirt-domain.h): the reason of state PAUSED. */
export const PausedReason = {
  /** Since 0.9.2. */
  UNKNOWN: 0,
  /** Since 0.9.2. */
  USER: 1,
  /** Since 0.9.2. */
  MIGRATION: 2,
  /** Since 0.9.2. */
  SAVE: 3,
  /** Since 0.9.2. */
  DUMP: 4,
  /** Since 0.9.2. */
  IOERROR: 5,
  /** Since 0.9.2. */
  WATCHDOG: 6,
  /** Since 0.9.2. */
  FROM_SNAPSHOT: 7,
  /** Since 0.9.5. */
  SHUTTING_DOWN: 8,
  /** Since 1.0.1. */
  SNAPSHOT: 9,
  /** Since 1.1.1. */
  CRASHED: 10,
  /** Since 1.2.14. */
  STARTING_UP: 11,
  /** Since 1.3.3. */
  POSTCOPY: 12,
  /** Since 1.3.3. */
  POSTCOPY_FAILED: 13,
} as const;

/** virDomainShutdownReason (libvirt-domain.h): the reason of state SHUTDOWN. */
export const ShutdownReason = {
  /** Since 0.9.2. */
  UNKNOWN: 0,
  /** Since 0.9.2. */
  USER: 1,
} as const;

/** virDomainShutoffReason (libvirt-domain.h): the reason of state SHUTOFF. */
export const ShutoffReason = {
  /** Since 0.9.2. */
  UNKNOWN: 0,
  /** Since 0.9.2. */
  SHUTDOWN: 1,
  /** Since 0.9.2. */
  DESTROYED: 2,
  /** Since 0.9.2. */
  CRASHED: 3,
  /** Since 0.9.2. */
  MIGRATED: 4,
  /** Since 0.9.2. */
  SAVED: 5,
  /** Since 0.9.2. */
  FAILED: 6,
  /** Since 0.9.2. */
  FROM_SNAPSHOT: 7,
  /** Since 4.10.0. */
  DAEMON: 8,
} as const;

/** virDomainCrashedReason (libvirt-domain.h): the reason of state CRASHED. */
export const CrashedReason = {
  /** Since 0.9.2. */
  UNKNOWN: 0,
  /** Since 1.1.1. */
  PANICKED: 1,
} as const;

/** virDomainXMLFlags (libvirt-domain.h): what getXml includes. */
export const XmlFlag = {
  /** Since 0.3.3. */
  SECURE: 1 << 0,
  /** Since 0.3.3. */
  INACTIVE: 1 << 1,
  /** Since 0.8.0. */
  UPDATE_CPU: 1 << 2,
  /** Since 1.0.0. */
  MIGRATABLE: 1 << 3,
} as const;

/** virDomainCreateFlags (libvirt-domain.h): how create and createXml start. */
export const CreateFlag = {
  /** Since 0.8.2. */
  PAUSED: 1 << 0,
  /** Since 0.9.3. */
  AUTODESTROY: 1 << 1,
  /** Since 0.9.4. */
  BYPASS_CACHE: 1 << 2,
  /** Since 0.9.5. */
  FORCE_BOOT: 1 << 3,
  /** Since 1.2.12. */
  VALIDATE: 1 << 4,
  /** Since 8.1.0. */
  RESET_NVRAM: 1 << 5,
} as const;

/** virDomainDefineFlags (libvirt-domain.h): how defineXml checks. */
export const DefineFlag = {
  /** Since 1.2.12. */
  VALIDATE: 1 << 0,
} as const;

/** virDomainDestroyFlagsValues (libvirt-domain.h): how destroy ends a guest. */
export const DestroyFlag = {
  /** Since 0.9.10. */
  DEFAULT: 0,
  /** Since 0.9.10. */
  GRACEFUL: 1 << 0,
  /** Since 8.3.0. */
  REMOVE_LOGS: 1 << 1,
} as const;

/** virDomainUndefineFlagsValues (libvirt-domain.h): what undefine removes as well. */
export const UndefineFlag = {
  /** Since 0.9.4. */
  MANAGED_SAVE: 1 << 0,
  /** Since 0.9.5. */
  SNAPSHOTS_METADATA: 1 << 1,
  /** Since 1.2.9. */
  NVRAM: 1 << 2,
  /** Since 2.3.0. */
  KEEP_NVRAM: 1 << 3,
  /** Since 5.6.0. */
  CHECKPOINTS_METADATA: 1 << 4,
  /** Since 8.9.0. */
  TPM: 1 << 5,
  /** Since 8.9.0. */
  KEEP_TPM: 1 << 6,
} as const;

/** virDomainShutdownFlagValues (libvirt-domain.h): how shutdown asks the guest. */
export const ShutdownFlag = {
  /** Since 0.9.10. */
  DEFAULT: 0,
  /** Since 0.9.10. */
  ACPI_POWER_BTN: 1 << 0,
  /** Since 0.9.10. */
  GUEST_AGENT: 1 << 1,
  /** Since 1.0.1. */
  INITCTL: 1 << 2,
  /** Since 1.0.1. */
  SIGNAL: 1 << 3,
  /** Since 1.2.5. */
  PARAVIRT: 1 << 4,
} as const;

/** virDomainSaveRestoreFlags (libvirt-domain.h): how save writes and restore starts. */
export const SaveRestoreFlag = {
  /** Since 0.9.4. */
  BYPASS_CACHE: 1 << 0,
  /** Since 0.9.5. */
  RUNNING: 1 << 1,
  /** Since 0.9.5. */
  PAUSED: 1 << 2,
  /** Since 8.1.0. */
  RESET_NVRAM: 1 << 3,
} as const;
