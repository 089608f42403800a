/**
 * This host's own identity, by which it knows its journal. The name and /etc/machine-id are known at
 * once; libvirt's host UUID only when libvirt is, so it is asked for before the journal is read. What
 * makes two identities the same host is journal/host-identity.ts's.
 */
import type { ThisHost } from "../../host/this-host.ts";
import type { CallResult, Hypervisor } from "../../hypervisor/port.ts";
import type { HostIdentity } from "../../journal/host-identity.ts";
import type { Log } from "../../logger.ts";

/** libvirtd may need seconds for its first description of a host: it probes every installed QEMU. */
const HOST_UUID_WAIT_MS = 10_000;

export class OwnIdentity {
  #identity: HostIdentity;

  constructor({ name, machineId }: Pick<ThisHost, "name" | "machineId">) {
    this.#identity = { name, machineId, hostUuid: null };
  }

  get current(): HostIdentity {
    return this.#identity;
  }

  /** Never rejects: without libvirt's UUID the other two decide. */
  async complete(hypervisor: Pick<Hypervisor, "hostUuid">, log: Log): Promise<void> {
    const answer = await patient(await hypervisor.hostUuid());
    const hostUuid = answer.kind === "ok" ? answer.value : null;
    this.#identity = { ...this.#identity, hostUuid };
    if (hostUuid === null) log.warn({ answer }, "libvirt does not give this host's UUID");
  }
}

async function patient<T>(answer: CallResult<T>): Promise<CallResult<T>> {
  if (answer.kind !== "noAnswer" || answer.late === undefined) return answer;
  const waited = new Promise<CallResult<T>>((resolve) => {
    setTimeout(() => resolve({ kind: "noAnswer" }), HOST_UUID_WAIT_MS).unref();
  });
  return await Promise.race([answer.late, waited]);
}
