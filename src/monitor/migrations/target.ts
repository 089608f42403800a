/**
 * Where a migration goes, in two more shapes: as the journal holds it, and adapted to a VM that has
 * changed while the migration waited.
 */
import { isDeepStrictEqual } from "node:util";
import { downtimeStepWaitMs } from "../../core/downtime.ts";
import type { Input } from "../../core/input.ts";
import type { VmDetails } from "../../hypervisor/port.ts";
import type { JournaledTarget } from "../recovery/schema.ts";
import { callTemplate } from "./call.ts";
import type { Target } from "./effects.ts";
import type { MigrateRequest } from "../service.ts";
import type { Settings } from "../../config/settings.ts";

/** What the journal holds of a target. */
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

/** With libvirt's call as the VM requires it now (persistent, graphics). The same object if unchanged. */
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

/** What a waiting migration is told of its VM. */
export function seenAs({ runState, name, memoryBytes }: VmDetails, settings: Settings): Input {
  const { downtimeDelaySecondsPerGiB, downtimeSteps } = settings;
  const stepWaitMs = downtimeStepWaitMs(downtimeDelaySecondsPerGiB, memoryBytes, downtimeSteps);
  return { kind: "seen", runState, vmName: name, memoryBytes, stepWaitMs };
}
