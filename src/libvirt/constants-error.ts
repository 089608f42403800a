/**
 * Numbers in libvirt's errors: what went wrong (`code`) and how severe it is (`level`). Names are
 * libvirt's without the prefix, and so are the values: a test compares each with the API description of
 * the installed libvirt. `domain` (which part of libvirt) has no names: nothing depends on it.
 *
 * Source: <libvirt/virterror.h>, libvirt 9.0; "Since" is the version that added the value.
 */

/** virErrorNumber (virterror.h): `code` of LibvirtError. */
export const ErrorCode = {
  /** Since 0.1.0. */
  OK: 0,
  /** Since 0.1.0. */
  INTERNAL_ERROR: 1,
  /** Since 0.1.0. */
  NO_MEMORY: 2,
  /** Since 0.1.0. */
  NO_SUPPORT: 3,
  /** Since 0.1.0. */
  UNKNOWN_HOST: 4,
  /** Since 0.1.0. */
  NO_CONNECT: 5,
  /** Since 0.1.0. */
  INVALID_CONN: 6,
  /** Since 0.1.0. */
  INVALID_DOMAIN: 7,
  /** Since 0.1.0. */
  INVALID_ARG: 8,
  /** Since 0.1.0. */
  OPERATION_FAILED: 9,
  /** Since 0.1.0. */
  GET_FAILED: 10,
  /** Since 0.1.0. */
  POST_FAILED: 11,
  /** Since 0.1.0. */
  HTTP_ERROR: 12,
  /** Since 0.1.0. */
  SEXPR_SERIAL: 13,
  /** Since 0.1.0. */
  NO_XEN: 14,
  /** Since 0.1.0. */
  XEN_CALL: 15,
  /** Since 0.1.0. */
  OS_TYPE: 16,
  /** Since 0.1.0. */
  NO_KERNEL: 17,
  /** Since 0.1.0. */
  NO_ROOT: 18,
  /** Since 0.1.0. */
  NO_SOURCE: 19,
  /** Since 0.1.0. */
  NO_TARGET: 20,
  /** Since 0.1.0. */
  NO_NAME: 21,
  /** Since 0.1.0. */
  NO_OS: 22,
  /** Since 0.1.0. */
  NO_DEVICE: 23,
  /** Since 0.1.0. */
  NO_XENSTORE: 24,
  /** Since 0.1.0. */
  DRIVER_FULL: 25,
  /** Since 0.1.0. */
  CALL_FAILED: 26,
  /** Since 0.1.1. */
  XML_ERROR: 27,
  /** Since 0.1.1. */
  DOM_EXIST: 28,
  /** Since 0.1.4. */
  OPERATION_DENIED: 29,
  /** Since 0.1.6. */
  OPEN_FAILED: 30,
  /** Since 0.1.6. */
  READ_FAILED: 31,
  /** Since 0.1.6. */
  PARSE_FAILED: 32,
  /** Since 0.1.6. */
  CONF_SYNTAX: 33,
  /** Since 0.1.6. */
  WRITE_FAILED: 34,
  /** Since 0.1.9. */
  XML_DETAIL: 35,
  /** Since 0.2.0. */
  INVALID_NETWORK: 36,
  /** Since 0.2.0. */
  NETWORK_EXIST: 37,
  /** Since 0.2.1. */
  SYSTEM_ERROR: 38,
  /** Since 0.2.3. */
  RPC: 39,
  /** Since 0.2.3. */
  GNUTLS_ERROR: 40,
  /** Since 0.3.0. */
  NO_DOMAIN: 42,
  /** Since 0.3.0. */
  NO_NETWORK: 43,
  /** Since 0.3.1. */
  INVALID_MAC: 44,
  /** Since 0.4.1. */
  AUTH_FAILED: 45,
  /** Since 0.4.1. */
  INVALID_STORAGE_POOL: 46,
  /** Since 0.4.1. */
  INVALID_STORAGE_VOL: 47,
  /** Since 0.4.1. */
  NO_STORAGE_POOL: 49,
  /** Since 0.4.1. */
  NO_STORAGE_VOL: 50,
  /** Since 0.5.0. */
  INVALID_NODE_DEVICE: 52,
  /** Since 0.5.0. */
  NO_NODE_DEVICE: 53,
  /** Since 0.6.1. */
  NO_SECURITY_MODEL: 54,
  /** Since 0.6.4. */
  OPERATION_INVALID: 55,
  /** Since 0.6.4. */
  NO_INTERFACE: 57,
  /** Since 0.6.4. */
  INVALID_INTERFACE: 58,
  /** Since 0.7.0. */
  MULTIPLE_INTERFACES: 59,
  /** Since 0.8.0. */
  INVALID_NWFILTER: 61,
  /** Since 0.8.0. */
  NO_NWFILTER: 62,
  /** Since 0.8.0. */
  BUILD_FIREWALL: 63,
  /** Since 0.7.1. */
  INVALID_SECRET: 65,
  /** Since 0.7.1. */
  NO_SECRET: 66,
  /** Since 0.7.3. */
  CONFIG_UNSUPPORTED: 67,
  /** Since 0.7.3. */
  OPERATION_TIMEOUT: 68,
  /** Since 0.7.3. */
  MIGRATE_PERSIST_FAILED: 69,
  /** Since 0.8.0. */
  HOOK_SCRIPT_FAILED: 70,
  /** Since 0.8.0. */
  INVALID_DOMAIN_SNAPSHOT: 71,
  /** Since 0.8.0. */
  NO_DOMAIN_SNAPSHOT: 72,
  /** Since 0.9.0. */
  INVALID_STREAM: 73,
  /** Since 0.9.4. */
  ARGUMENT_UNSUPPORTED: 74,
  /** Since 0.9.5. */
  STORAGE_PROBE_FAILED: 75,
  /** Since 0.9.5. */
  STORAGE_POOL_BUILT: 76,
  /** Since 0.9.7. */
  SNAPSHOT_REVERT_RISKY: 77,
  /** Since 0.9.9. */
  OPERATION_ABORTED: 78,
  /** Since 0.9.10. */
  AUTH_CANCELLED: 79,
  /** Since 0.9.10. */
  NO_DOMAIN_METADATA: 80,
  /** Since 0.9.11. */
  MIGRATE_UNSAFE: 81,
  /** Since 0.9.11. */
  OVERFLOW: 82,
  /** Since 0.9.12. */
  BLOCK_COPY_ACTIVE: 83,
  /** Since 0.10.0. */
  OPERATION_UNSUPPORTED: 84,
  /** Since 0.10.0. */
  SSH: 85,
  /** Since 0.10.0. */
  AGENT_UNRESPONSIVE: 86,
  /** Since 1.0.0. */
  RESOURCE_BUSY: 87,
  /** Since 1.1.0. */
  ACCESS_DENIED: 88,
  /** Since 1.1.1. */
  DBUS_SERVICE: 89,
  /** Since 1.1.4. */
  STORAGE_VOL_EXIST: 90,
  /** Since 1.2.6. */
  CPU_INCOMPATIBLE: 91,
  /** Since 1.2.12. */
  XML_INVALID_SCHEMA: 92,
  /** Since 1.2.18. */
  MIGRATE_FINISH_OK: 93,
  /** Since 1.3.3. */
  AUTH_UNAVAILABLE: 94,
  /** Since 1.3.3. */
  NO_SERVER: 95,
  /** Since 1.3.5. */
  NO_CLIENT: 96,
  /** Since 2.3.0. */
  AGENT_UNSYNCED: 97,
  /** Since 2.5.0. */
  LIBSSH: 98,
  /** Since 4.1.0. */
  DEVICE_MISSING: 99,
  /** Since 4.5.0. */
  INVALID_NWFILTER_BINDING: 100,
  /** Since 4.5.0. */
  NO_NWFILTER_BINDING: 101,
  /** Since 5.2.0. */
  INVALID_DOMAIN_CHECKPOINT: 102,
  /** Since 5.2.0. */
  NO_DOMAIN_CHECKPOINT: 103,
  /** Since 5.2.0. */
  NO_DOMAIN_BACKUP: 104,
  /** Since 5.5.0. */
  INVALID_NETWORK_PORT: 105,
  /** Since 5.5.0. */
  NETWORK_PORT_EXIST: 106,
  /** Since 5.5.0. */
  NO_NETWORK_PORT: 107,
  /** Since 6.1.0. */
  NO_HOSTNAME: 108,
  /** Since 6.10.0. */
  CHECKPOINT_INCONSISTENT: 109,
  /** Since 7.1.0. */
  MULTIPLE_DOMAINS: 110,
} as const;

/** virErrorLevel (virterror.h): `level` of LibvirtError. */
export const ErrorLevel = {
  /** Since 0.1.0. */
  NONE: 0,
  /** Since 0.1.0. */
  WARNING: 1,
  /** Since 0.1.0. */
  ERROR: 2,
} as const;
