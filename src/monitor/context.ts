/**
 * What every part of the monitor is given: the outside world behind its ports. Assembled once, in
 * main.ts.
 */
import type { Clock } from "../clock.ts";
import type { ThisHost } from "../host/this-host.ts";
import type { Hypervisor } from "../hypervisor/port.ts";
import type { Log } from "../logger.ts";
import type { Peers } from "../peer/peers.ts";
import type { Defects } from "../defects.ts";
import type { HostView } from "./host-view.ts";
import type { MigrationJournal } from "./recovery/record.ts";
import type { EventSink } from "./service.ts";
import type { Settings } from "../config/settings.ts";

export interface Context {
  readonly hypervisor: Hypervisor;
  readonly hostView: HostView;
  readonly peers: Peers;
  readonly clock: Clock;
  readonly log: Log;
  readonly defects: Defects;
  /** The present configuration; a reload changes it. */
  readonly settings: () => Settings;
  readonly events: EventSink;
  readonly journal: MigrationJournal;
  readonly thisHost: ThisHost;
  /** This daemon's version. */
  readonly version: string;
}
