/**
 * Where a run goes, in the two shapes beside the living one: as a journal can hold it, and fitted to
 * what its VM has become while it waited, which its migration is told, too.
 */
import { isDeepStrictEqual } from "node:util";
import { downtimeStepWaitMs } from "../core/downtime.ts";
import type { Input } from "../core/input.ts";
import type { VmDetails } from "../hypervisor/port.ts";
import type { JournaledTarget } from "./journal-schema.ts";
import { callTemplate } from "./migrate-call.ts";
import type { Target } from "./run-effects.ts";
import type { MigrateRequest } from "./service.ts";
import type { Settings } from "../config/settings.ts";

/** What of a target a journal can hold. */
export function journaled(target: Target): JournaledTarget {
  switch (target.mode) {
    case "remote": {
      const { host, port } = target.peer.address;
      return { mode: "remote", host, port, call: target.call };
    }
    case "file":
      return { mode: "file", files: target.files.prepared };
    case "foreign":
      return target;
  }
}

/** libvirt's call as the VM is now: persistent or not, its graphics. The same object if it is so. */
export function fitted(
  target: Target,
  request: MigrateRequest,
  vm: VmDetails,
  settings: Settings,
): Target {
  if (target.mode !== "remote") return target;
  const call = callTemplate(request, target.peer.address.host, vm, settings);
  return isDeepStrictEqual(call, target.call) ? target : { ...target, call };
}

/** What of a VM counts for the migration of one that waits. */
export function seenAs({ runState, name, memoryBytes }: VmDetails, settings: Settings): Input {
  const { downtimeDelaySecondsPerGiB, downtimeSteps } = settings;
  const stepWaitMs = downtimeStepWaitMs(downtimeDelaySecondsPerGiB, memoryBytes, downtimeSteps);
  return { kind: "seen", runState, vmName: name, memoryBytes, stepWaitMs };
}
