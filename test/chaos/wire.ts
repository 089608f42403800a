/**
 * The parts of Host.getMigrations and Host.getEvents that the chaos run reads, narrowed field by
 * field. A field that is missing or has another type reads as 0, "" or null.
 */

type Wire = Readonly<Record<string, unknown>>;

export interface MigrationEntry {
  readonly vmId: string;
  readonly mode: string;
  readonly phase: string;
  readonly acceptedAt: string;
  readonly progressPercent: number;
  readonly capAppliedMiBps: number;
  readonly maxBandwidthMiBps: number;
  readonly minBandwidthMiBps: number;
  readonly sourceMigrations: number;
  /** null if the destination's daemon is silent or was never asked. */
  readonly destinationMigrations: number | null;
  readonly isPostCopy: boolean;
  readonly hasData: boolean;
  readonly stallReason: string;
  readonly outcome: EndedFields | null;
}

export interface EndedFields {
  readonly outcome: string;
  readonly reason: string;
  readonly where: string;
  readonly confirmed: boolean;
  readonly message: string;
}

export interface SeenEvent {
  readonly epoch: string;
  readonly seq: number;
  readonly name: string;
  readonly vmId: string;
  readonly notifyTimeMs: number;
  readonly fields: Wire;
  /** The whole event, for comparison. */
  readonly text: string;
}

export interface EventsAnswer {
  readonly epoch: string;
  readonly next: number;
  readonly gone: boolean;
  readonly events: readonly SeenEvent[];
}

export function isWire(value: unknown): value is Wire {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function numberIn(wire: Wire, key: string): number {
  const value = wire[key];
  return typeof value === "number" ? value : 0;
}

export function textIn(wire: Wire, key: string): string {
  const value = wire[key];
  return typeof value === "string" ? value : "";
}

function objectIn(wire: Wire, key: string): Wire {
  const value = wire[key];
  return isWire(value) ? value : {};
}

function objects(value: unknown): readonly Wire[] {
  return Array.isArray(value) ? value.filter(isWire) : [];
}

export function readEnded(wire: Wire): EndedFields {
  return {
    outcome: textIn(wire, "outcome"),
    reason: textIn(wire, "reason"),
    where: textIn(wire, "where"),
    confirmed: wire["confirmed"] === true,
    message: textIn(wire, "message"),
  };
}

/** The answer of Host.getMigrations. */
export function readMigrations(answer: unknown): readonly MigrationEntry[] {
  return objects(answer).map((wire) => {
    const parameters = objectIn(wire, "parameters");
    const { outcome } = wire;
    return {
      vmId: textIn(wire, "vmId"),
      mode: textIn(wire, "mode"),
      phase: textIn(wire, "phase"),
      acceptedAt: textIn(wire, "acceptedAt"),
      progressPercent: numberIn(wire, "progress"),
      capAppliedMiBps: numberIn(wire, "capApplied"),
      maxBandwidthMiBps: numberIn(parameters, "maxBandwidth"),
      minBandwidthMiBps: numberIn(parameters, "minBandwidth"),
      sourceMigrations: numberIn(wire, "sourceMigrations"),
      destinationMigrations:
        wire["destination"] === "counted" ? numberIn(wire, "destinationMigrations") : null,
      isPostCopy: wire["postcopy"] === true,
      hasData: numberIn(wire, "dataTotal") > 0,
      stallReason: textIn(wire, "stallReason"),
      outcome: isWire(outcome) ? readEnded(outcome) : null,
    };
  });
}

/** The answer of Host.getEvents; null if it is not one. */
export function readEvents(answer: unknown): EventsAnswer | null {
  if (!isWire(answer)) return null;
  const epoch = textIn(answer, "epoch");
  return {
    epoch,
    next: numberIn(answer, "next"),
    gone: answer["gone"] === true,
    events: objects(answer["events"]).map((wire) => {
      const [, , name = "", vmId = ""] = textIn(wire, "method").split("|");
      const params = objectIn(wire, "params");
      return {
        epoch,
        seq: numberIn(wire, "seq"),
        name,
        vmId,
        notifyTimeMs: numberIn(params, "notify_time"),
        fields: objectIn(params, vmId),
        text: JSON.stringify(wire),
      };
    }),
  };
}
