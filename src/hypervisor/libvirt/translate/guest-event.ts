/**
 * libvirt's lifecycle events as the port's guest events.
 *
 * Source: libvirt-domain.h, virDomainEventType and virDomainEvent{Started,Resumed,Stopped}DetailType.
 */
import { DomainEvent, ResumedDetail, StartedDetail, StoppedDetail } from "libvirt";
import type { GuestEvent, StoppedHow } from "../../port.ts";
import { byNumber } from "./by-number.ts";

const stoppedHow: ReadonlyMap<number, StoppedHow> = byNumber(StoppedDetail, {
  SHUTDOWN: "shutDown",
  DESTROYED: "destroyed",
  CRASHED: "crashed",
  MIGRATED: "migrated",
  SAVED: "saved",
  // Its QEMU is gone.
  FAILED: "crashed",
  FROM_SNAPSHOT: "reverted",
});

export function guestEventFrom(vmId: string, event: number, detail: number): GuestEvent {
  switch (event) {
    case DomainEvent.STARTED:
      return {
        kind: "guest",
        vmId,
        change: "started",
        incoming: detail === StartedDetail.MIGRATED,
      };
    case DomainEvent.SUSPENDED:
      return { kind: "guest", vmId, change: "suspended" };
    case DomainEvent.RESUMED:
      return {
        kind: "guest",
        vmId,
        change: "resumed",
        byMigration: detail === ResumedDetail.MIGRATED,
      };
    case DomainEvent.STOPPED:
      return { kind: "guest", vmId, change: "stopped", how: stoppedHow.get(detail) ?? "unknown" };
  }
  return { kind: "guest", vmId, change: "other" };
}
