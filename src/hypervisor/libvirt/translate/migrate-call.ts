/**
 * A migrate call in libvirt's terms: flags and typed parameters.
 * Source: libvirt-domain.h, virDomainMigrateFlags and VIR_MIGRATE_PARAM_*.
 */
import { MigrateFlag, type MigrateParams } from "libvirt";
import type { MigrateCall } from "../../port.ts";

export function migrateFlags(call: MigrateCall): number {
  const chosen: readonly (readonly [boolean, number])[] = [
    [call.persistent, MigrateFlag.PERSIST_DEST | MigrateFlag.UNDEFINE_SOURCE],
    [call.postcopy, MigrateFlag.POSTCOPY],
    [call.resume === true, MigrateFlag.POSTCOPY_RESUME],
    [call.tunneled, MigrateFlag.TUNNELLED],
    [call.compressed, MigrateFlag.COMPRESSED],
    [call.autoConverge, MigrateFlag.AUTO_CONVERGE],
    [call.abortOnError, MigrateFlag.ABORT_ON_ERROR],
    [call.encrypted, MigrateFlag.TLS],
    [call.parallelConnections !== undefined, MigrateFlag.PARALLEL],
  ];
  return chosen.reduce(
    (flags, [on, flag]) => (on ? flags | flag : flags),
    MigrateFlag.LIVE | MigrateFlag.PEER2PEER,
  );
}

export function migrateParamsOf(call: MigrateCall): MigrateParams {
  return {
    bandwidth: call.bandwidthMiBps,
    ...(call.postcopy ? { "bandwidth.postcopy": call.postcopyBandwidthMiBps } : {}),
    ...(call.migrateUri === undefined ? {} : { migrate_uri: call.migrateUri }),
    ...(call.graphicsUri === undefined ? {} : { graphics_uri: call.graphicsUri }),
    ...(call.tlsDestination === undefined ? {} : { "tls.destination": call.tlsDestination }),
    ...(call.parallelConnections === undefined
      ? {}
      : { "parallel.connections": call.parallelConnections }),
  };
}
