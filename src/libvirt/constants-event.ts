/**
 * Constants of events: what happened to a domain and in which detail, and why a connection was closed.
 * Names are libvirt's without the prefix, and so are the values: a test compares each with the API
 * description of the installed libvirt.
 *
 * Source: <libvirt/libvirt-domain.h> and <libvirt/libvirt-common.h>, libvirt 9.0; "Since" is the
 * version that added the value.
 */

/** virDomainEventType (libvirt-domain.h): `event` of a lifecycle event. */
export const DomainEvent = {
  /** Since 0.5.0. */
  DEFINED: 0,
  /** Since 0.5.0. */
  UNDEFINED: 1,
  /** Since 0.5.0. */
  STARTED: 2,
  /** Since 0.5.0. */
  SUSPENDED: 3,
  /** Since 0.5.0. */
  RESUMED: 4,
  /** Since 0.5.0. */
  STOPPED: 5,
  /** Since 0.9.8. */
  SHUTDOWN: 6,
  /** Since 0.10.2. */
  PMSUSPENDED: 7,
  /** Since 1.1.1. */
  CRASHED: 8,
} as const;

/** virDomainEventDefinedDetailType (libvirt-domain.h): `detail` of DEFINED. */
export const DefinedDetail = {
  /** Since 0.5.0. */
  ADDED: 0,
  /** Since 0.5.0. */
  UPDATED: 1,
  /** Since 1.2.19. */
  RENAMED: 2,
  /** Since 1.3.3. */
  FROM_SNAPSHOT: 3,
} as const;

/** virDomainEventUndefinedDetailType (libvirt-domain.h): `detail` of UNDEFINED. */
export const UndefinedDetail = {
  /** Since 0.5.0. */
  REMOVED: 0,
  /** Since 1.2.19. */
  RENAMED: 1,
} as const;

/** virDomainEventStartedDetailType (libvirt-domain.h): `detail` of STARTED. */
export const StartedDetail = {
  /** Since 0.5.0. */
  BOOTED: 0,
  /** Since 0.5.0. */
  MIGRATED: 1,
  /** Since 0.5.0. */
  RESTORED: 2,
  /** Since 0.8.0. */
  FROM_SNAPSHOT: 3,
  /** Since 0.9.11. */
  WAKEUP: 4,
} as const;

/** virDomainEventSuspendedDetailType (libvirt-domain.h): `detail` of SUSPENDED. */
export const SuspendedDetail = {
  /** Since 0.5.0. */
  PAUSED: 0,
  /** Since 0.5.0. */
  MIGRATED: 1,
  /** Since 0.8.0. */
  IOERROR: 2,
  /** Since 0.8.0. */
  WATCHDOG: 3,
  /** Since 0.9.5. */
  RESTORED: 4,
  /** Since 0.9.5. */
  FROM_SNAPSHOT: 5,
  /** Since 1.0.1. */
  API_ERROR: 6,
  /** Since 1.3.3. */
  POSTCOPY: 7,
  /** Since 1.3.3. */
  POSTCOPY_FAILED: 8,
} as const;

/** virDomainEventResumedDetailType (libvirt-domain.h): `detail` of RESUMED. */
export const ResumedDetail = {
  /** Since 0.5.0. */
  UNPAUSED: 0,
  /** Since 0.5.0. */
  MIGRATED: 1,
  /** Since 0.9.5. */
  FROM_SNAPSHOT: 2,
  /** Since 1.3.3. */
  POSTCOPY: 3,
  /** Since 8.5.0. */
  POSTCOPY_FAILED: 4,
} as const;

/** virDomainEventStoppedDetailType (libvirt-domain.h): `detail` of STOPPED. */
export const StoppedDetail = {
  /** Since 0.5.0. */
  SHUTDOWN: 0,
  /** Since 0.5.0. */
  DESTROYED: 1,
  /** Since 0.5.0. */
  CRASHED: 2,
  /** Since 0.5.0. */
  MIGRATED: 3,
  /** Since 0.5.0. */
  SAVED: 4,
  /** Since 0.5.0. */
  FAILED: 5,
  /** Since 0.8.0. */
  FROM_SNAPSHOT: 6,
} as const;

/** virDomainEventShutdownDetailType (libvirt-domain.h): `detail` of SHUTDOWN. */
export const ShutdownDetail = {
  /** Since 0.9.8. */
  FINISHED: 0,
  /** Since 3.4.0. */
  GUEST: 1,
  /** Since 3.4.0. */
  HOST: 2,
} as const;

/** virDomainEventCrashedDetailType (libvirt-domain.h): `detail` of CRASHED. */
export const CrashedDetail = {
  /** Since 1.1.1. */
  PANICKED: 0,
  /** Since 6.1.0. */
  CRASHLOADED: 1,
} as const;

/** virConnectCloseReason (libvirt-common.h): why onClose was called. */
export const ConnectionCloseReason = {
  /** Since 0.10.0. */
  ERROR: 0,
  /** Since 0.10.0. */
  EOF: 1,
  /** Since 0.10.0. */
  KEEPALIVE: 2,
  /** Since 0.10.0. */
  CLIENT: 3,
} as const;
