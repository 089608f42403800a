/**
 * What changed from each journal format to the next, as one step each. A migration's records are merged in
 * the format that they were written in, and the result is then upgraded step by step: a step always sees
 * a whole migration, never part of one. Pure, and before any check: what a step does not recognise it
 * leaves alone, for schema.ts to judge.
 *
 * A new field needs no step and no new format: it gets a default in schema.ts. A format of its
 * own is needed where a field is renamed, moves, or changes its meaning. Then JOURNAL_FORMAT goes up, a
 * step is added here, and `REWRITE_FORMATS=1` keeps journals of the new format in test/journal/formats.
 */
import { withChanges } from "./state.ts";
import { JOURNAL_FORMAT, type JournalRecord } from "../../journal/segments.ts";
import { isRecord } from "../../core/json.ts";

/** A migration as recorded, unchecked. */
export interface RawMigration {
  readonly request: unknown;
  readonly target: unknown;
  readonly state: JournalRecord;
}

interface Step {
  readonly migration: (raw: RawMigration) => RawMigration;
  /** One decision of an explanation. */
  readonly decision: (raw: unknown) => unknown;
}

/** By the format that the step upgrades from. */
const STEPS: ReadonlyMap<number, Step> = new Map([
  [1, { migration: from1, decision: decisionFrom1 }],
]);

function stepsFrom(format: number): readonly Step[] {
  const all: Step[] = [];
  for (let at = format; at < JOURNAL_FORMAT; at += 1) {
    const step = STEPS.get(at);
    if (step !== undefined) all.push(step);
  }
  return all;
}

/** In the present format. One in a newer, readable format is left as it is. */
export function upgraded(raw: RawMigration, format: number): RawMigration {
  return stepsFrom(format).reduce((done, { migration }) => migration(done), raw);
}

export function upgradedDecision(raw: unknown, format: number): unknown {
  return stepsFrom(format).reduce((done, { decision }) => decision(done), raw);
}

/**
 * Format 1 spoke of the shell and of mending where 2 speaks of the paused copy and of recovery, knew a
 * refusal by libvirt's number alone, 0 if it had none, and had every field of the state at the top where
 * 2 has groups.
 */
function from1({ request, target, state }: RawMigration): RawMigration {
  const { shellReads, postCopy, callRefusal, stop, waitingEnd, ...rest } = state;
  const renamed = {
    ...rest,
    pausedCopyReads: shellReads,
    postCopy: changed(postCopy, ({ mending, ...others }) => ({ ...others, recovery: mending })),
    callRefusal: refusalFrom1(callRefusal),
    stop: changed(stop, (each) => ({ ...each, refusal: refusalFrom1(each["refusal"]) })),
    waitingEnd: changed(waitingEnd ?? null, waitingEndFrom1),
  };
  return { request, target, state: grouped(renamed) };
}

/** The groups of format 2 that are made of fields of format 1 with the same names. */
const GROUPS_OF_2: Readonly<Record<string, readonly string[]>> = {
  facts: ["vmId", "vmName", "memoryBytes", "mode", "destination"],
  admission: [
    "acceptedAtMs",
    "retryAtMs",
    "deferrals",
    "deferralReason",
    "refusedTries",
    "destinationReached",
    "reservedThere",
  ],
  sample: ["stats", "dataSinceMs", "progressPercent"],
  evidence: [
    "runState",
    "guestStopped",
    "stoppedByJob",
    "superseded",
    "pausedCopyReads",
    "thereReads",
    "lostReads",
    "readAtMs",
    "undecidedSinceMs",
    "heardAtMs",
  ],
};

/** Format 1 had each field at the top; what some of its daemons did not have yet gets its default. */
function grouped(flat: JournalRecord): JournalRecord {
  const state = { ...DEFAULTS_IN_1, ...flat };
  const { phase, limits, postCopy, advance, stall, stop, schedule } = state;
  const groups = Object.entries(GROUPS_OF_2).map(([group, names]) => [
    group,
    Object.fromEntries(names.map((name) => [name, state[name]])),
  ]);
  const { admission, evidence, facts, sample } = Object.fromEntries(groups);
  return {
    phase,
    limits,
    postCopy,
    advance,
    stall,
    stop,
    schedule,
    facts,
    sample,
    admission: { ...admission, ending: endingFrom1(state) },
    evidence: { ...evidence, record: state["completedStats"] },
    call: { madeAtMs: state["callAtMs"], returned: returnedFrom1(state) },
    bandwidth: bandwidthFrom1(state),
    downtime: changed(state["downtime"], (each) => ({
      ...each,
      foundMs: state["downtimeFoundMs"],
    })),
    end: endFrom1(state),
  };
}

const DEFAULTS_IN_1: JournalRecord = {
  runState: "running",
  undecidedSinceMs: null,
  waitingEnd: null,
  refusedTries: 0,
  destinationReached: false,
  departureOver: null,
};

function endingFrom1({ waitingEnd: why, settlingSinceMs }: JournalRecord): unknown {
  return why === null ? null : { why, sinceMs: settlingSinceMs };
}

function returnedFrom1(state: JournalRecord): unknown {
  if (state["callReturned"] === false) return null;
  const { settlingSinceMs, callSucceeded, callRefusal, unwatched, acceptedAtMs } = state;
  return {
    // A resume that succeeded was a return without a time of its own.
    sinceMs: settlingSinceMs ?? acceptedAtMs,
    succeeded: callSucceeded,
    refusal: callRefusal,
    unwatched,
  };
}

function bandwidthFrom1(state: JournalRecord): unknown {
  const { sourceMigrations, destinationCount: destination, destinationAtCall } = state;
  return changed(state["cap"], (cap) => ({
    ...cap,
    sourceMigrations,
    destination,
    destinationAtCall,
  }));
}

function endFrom1({ outcome, endedAtMs, cleared, departureOver }: JournalRecord): unknown {
  return outcome === null ? null : { outcome, atMs: endedAtMs, cleared, departureOver };
}

/** What a step of this format has made of the state. Format 1 wrote each field whole, all at the top. */
export function merged(
  state: JournalRecord,
  changes: JournalRecord,
  format: number,
): JournalRecord {
  return format === 1 ? { ...state, ...changes } : withChanges(state, changes);
}

function waitingEndFrom1(end: JournalRecord): JournalRecord {
  return end["kind"] === "notBegun" ? { ...end, refusal: refusalFrom1(end["refusal"]) } : end;
}

const REFUSAL_KINDS_OF_1: ReadonlyMap<unknown, string> = new Map([
  [1, "internalError"],
  [9, "operationFailed"],
  [39, "tooLarge"],
  [42, "noVm"],
  [55, "invalidState"],
  [68, "locked"],
  [78, "aborted"],
]);

function refusalFrom1(refusal: unknown): unknown {
  return changed(refusal, ({ code, ...rest }) => ({
    ...rest,
    kind: REFUSAL_KINDS_OF_1.get(code) ?? "other",
    code: code === 0 ? null : code,
  }));
}

const RULES_RENAMED_IN_2: ReadonlyMap<unknown, string> = new Map([
  ["place", "location"],
  ["shell", "pausedCopy"],
]);

/** Of a stall format 1 gave the cap alone, under the name that 2 has for the engine's maximum. */
function decisionFrom1(decision: unknown): unknown {
  return changed(decision, ({ rule, numbers, ...rest }) => ({
    ...rest,
    rule: RULES_RENAMED_IN_2.get(rule) ?? rule,
    numbers: rule === "stalling" ? changed(numbers, stallNumbersFrom1) : numbers,
  }));
}

function stallNumbersFrom1({ maxBandwidthMiBps, ...numbers }: JournalRecord): JournalRecord {
  return { ...numbers, capMiBps: maxBandwidthMiBps };
}

/** What is not an object stays as it is: null, or nothing that any daemon wrote. */
function changed(value: unknown, change: (object: JournalRecord) => JournalRecord): unknown {
  return isRecord(value) ? change(value) : value;
}
