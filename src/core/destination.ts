/**
 * What it means for a migration that has not begun when its destination's daemon gives no useful
 * answer: whether waiting may cure that. What waiting cannot cure fails at once; a port that refuses,
 * or closes without a word, may belong to a daemon that is just being started, so it is tried a few
 * times, unless that daemon has answered before: then it is being restarted, and is waited for.
 *
 * Only a migration whose call is not out yet is judged so; later a silent destination costs bandwidth
 * (bandwidth.ts), never the migration.
 */

/** Why there was no useful answer. Closed: whoever reports one names it, whoever reads one knows all. */
export const silenceCauses = [
  /** The name does not exist. */
  "nameUnknown",
  /** Nobody can say now whether it does. */
  "resolverSilent",
  /** Not an address that can be connected to. */
  "badAddress",
  /** A host that is up, and nobody at that port. */
  "refused",
  /** The connection was closed before anything was answered on it. */
  "closed",
  /** No way to the host. */
  "unreachable",
  /** Nothing in time. */
  "timeout",
  /** A connection broke that had worked. */
  "broken",
  /** An answer, and not a daemon's. */
  "notADaemon",
  /** Its certificate is refused here. */
  "certificateThere",
  /** This host's certificate is refused there. */
  "certificateHere",
  /** This host has no certificate to show. */
  "noCertificate",
  /** This host may not ask there. */
  "denied",
  /** It answers that it cannot now. */
  "busy",
  /** It answers with another error. */
  "failed",
] as const;

export type SilenceCause = (typeof silenceCauses)[number];

export interface Silence {
  readonly cause: SilenceCause;
  /** For people: what was tried, what came of it, and what to look at. */
  readonly text: string;
}

/** `fatal`: no waiting can help. `soon`: asked again after SOON_MS. `wait`: as long as admission may take. */
export type SilenceVerdict = "fatal" | "soon" | "wait";

/** A port that refuses is tried so often, within 10 s. */
export const REFUSED_TRIES = 3;
export const SOON_MS = 3_000;

type Hope = "never" | "briefly" | "always";

const HOPE: Readonly<Record<SilenceCause, Hope>> = {
  nameUnknown: "never",
  badAddress: "never",
  notADaemon: "never",
  certificateThere: "never",
  certificateHere: "never",
  noCertificate: "never",
  denied: "never",
  refused: "briefly",
  closed: "briefly",
  resolverSilent: "always",
  unreachable: "always",
  timeout: "always",
  broken: "always",
  busy: "always",
  failed: "always",
};

/**
 * `refusedTries`: in a row, this one included. `reachedBefore`: a daemon has answered at that address.
 * Example: refused for the third time by a host whose daemon was never heard of is fatal.
 */
export function judgeSilence(
  cause: SilenceCause,
  { refusedTries, reachedBefore }: { refusedTries: number; reachedBefore: boolean },
): SilenceVerdict {
  switch (HOPE[cause]) {
    case "never":
      return "fatal";
    case "always":
      return "wait";
    case "briefly":
      if (reachedBefore) return "wait";
      return refusedTries >= REFUSED_TRIES ? "fatal" : "soon";
  }
}

/** The tries in a row that count against a destination; any other cause begins anew. */
export function refusedTriesAfter(before: number, cause: SilenceCause): number {
  return HOPE[cause] === "briefly" ? before + 1 : 0;
}

/** Whether a reason says something else than the one before; numbers in it change with each try. */
export function isNewReason(before: string | null, reason: string): boolean {
  return before === null || withoutNumbers(before) !== withoutNumbers(reason);
}

function withoutNumbers(text: string): string {
  return text.replaceAll(/\d+/g, "#");
}
