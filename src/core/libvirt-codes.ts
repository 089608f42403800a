/**
 * The few of libvirt's numbers whose meaning decides something about a migration. The text that
 * comes with an error changes between versions: one rule looks at it, post-copy-refusal.ts.
 *
 * Source: virterror.h (virErrorNumber), libvirt-domain.h; held to the headers by a test.
 */

export const LIBVIRT_ERROR = {
  INTERNAL_ERROR: 1,
  OPERATION_FAILED: 9,
  SYSTEM_ERROR: 38,
  RPC: 39,
  NO_DOMAIN: 42,
  OPERATION_INVALID: 55,
  CONFIG_UNSUPPORTED: 67,
  OPERATION_TIMEOUT: 68,
  ARGUMENT_UNSUPPORTED: 74,
  OPERATION_ABORTED: 78,
  OPERATION_UNSUPPORTED: 84,
} as const;

/** Our own: there was no connection, so no call was made and libvirt said nothing. */
export const NO_CALL = 0;

/** virDomainEventType with virDomainEventResumedDetailType and virDomainEventStoppedDetailType */
export const LIFECYCLE = {
  STARTED: 2,
  STARTED_MIGRATED: 1,
  SUSPENDED: 3,
  RESUMED: 4,
  RESUMED_MIGRATED: 1,
  STOPPED: 5,
  STOPPED_SHUTDOWN: 0,
  STOPPED_DESTROYED: 1,
  STOPPED_CRASHED: 2,
  STOPPED_MIGRATED: 3,
  STOPPED_SAVED: 4,
  STOPPED_FAILED: 5,
  STOPPED_FROM_SNAPSHOT: 6,
} as const;
