/** Every lifecycle event of libvirt's that the daemon distinguishes, in the port's words. */
import { DomainEvent, ResumedDetail, StartedDetail, StoppedDetail, SuspendedDetail } from "libvirt";
import { expect, it } from "vitest";
import { guestEventFrom } from "../../../../src/hypervisor/libvirt/translate/guest-event.ts";

const { STARTED, SUSPENDED, RESUMED, STOPPED } = DomainEvent;
const NEWER = 99;

it.each([
  [STARTED, StartedDetail.BOOTED, { change: "started", incoming: false }],
  [STARTED, StartedDetail.MIGRATED, { change: "started", incoming: true }],
  [STARTED, StartedDetail.RESTORED, { change: "started", incoming: false }],
  [SUSPENDED, SuspendedDetail.PAUSED, { change: "suspended" }],
  [RESUMED, ResumedDetail.UNPAUSED, { change: "resumed", byMigration: false }],
  [RESUMED, ResumedDetail.MIGRATED, { change: "resumed", byMigration: true }],
  [RESUMED, ResumedDetail.POSTCOPY, { change: "resumed", byMigration: false }],
  [STOPPED, StoppedDetail.SHUTDOWN, { change: "stopped", how: "shutDown" }],
  [STOPPED, StoppedDetail.DESTROYED, { change: "stopped", how: "destroyed" }],
  [STOPPED, StoppedDetail.CRASHED, { change: "stopped", how: "crashed" }],
  [STOPPED, StoppedDetail.MIGRATED, { change: "stopped", how: "migrated" }],
  [STOPPED, StoppedDetail.SAVED, { change: "stopped", how: "saved" }],
  [STOPPED, StoppedDetail.FAILED, { change: "stopped", how: "crashed" }],
  [STOPPED, StoppedDetail.FROM_SNAPSHOT, { change: "stopped", how: "reverted" }],
  [STOPPED, NEWER, { change: "stopped", how: "unknown" }],
  [DomainEvent.PMSUSPENDED, 0, { change: "other" }],
  [NEWER, 0, { change: "other" }],
])("event %i, detail %i", (event, detail, expected) => {
  expect(guestEventFrom("vm1", event, detail)).toEqual({ kind: "guest", vmId: "vm1", ...expected });
});
