/**
 * Whose journal it is. A host has three names, and none is enough by itself:
 *
 * - libvirt's host UUID: hosts that migrate to each other have different ones (libvirt refuses to migrate
 *   to its own UUID). But boards of one make may share it, it changes with the board, and where firmware
 *   has none and libvirtd.conf gives none, libvirtd makes up another at each of its starts.
 * - /etc/machine-id: stays when the host is renamed. But a cloned image may have carried it to other
 *   hosts, and two libvirtds on one root file system share it.
 * - the host's name: an administrator may change it.
 *
 * So a journal is this host's if two of the three agree: a host keeps its migrations when it is renamed,
 * gets another board or another machine-id, and the journal of another host, copied or on a share that is
 * mounted by mistake, is nobody's here. What one side does not know is not compared; a journal that holds
 * the name alone, as format 1 does, goes by the name.
 */

export interface HostIdentity {
  readonly name: string;
  /** /etc/machine-id; null: the host has none. */
  readonly machineId: string | null;
  /** libvirt's; null: libvirt did not say. */
  readonly hostUuid: string | null;
}

const AGREEING_MIN = 2;

/** **Example**: (a, m1, u1) and (b, m1, u1) are the same host, renamed; (b, m1, u2) is another one. */
export function isSameHost(written: HostIdentity, own: HostIdentity): boolean {
  const compared = [
    [written.name, own.name],
    [written.machineId, own.machineId],
    [written.hostUuid, own.hostUuid],
  ].filter(([theirs, ours]) => theirs !== null && ours !== null);
  const agreeing = compared.filter(([theirs, ours]) => theirs === ours);
  return agreeing.length >= Math.min(AGREEING_MIN, compared.length);
}

/** For the log: `host-b (machine-id 3d12…, host UUID 9f0c…)`. */
export function hostInWords({ name, machineId, hostUuid }: HostIdentity): string {
  return `${name} (machine-id ${machineId ?? "unknown"}, libvirt's host UUID ${hostUuid ?? "unknown"})`;
}
