/**
 * The part of a Host.getMigrations entry that the demo shows, and its two forms: a bar with numbers
 * for a terminal, one line for a log. The numbers are the daemon's; only the length of the bar is
 * computed.
 */
import type { Block, Line } from "./screen.ts";
import { mib, pack } from "./text.ts";

export interface MigrationView {
  readonly vmId: string;
  readonly vmName: string;
  readonly phase: string;
  readonly progressPercent: number;
  readonly pass: number;
  readonly remainingBytes: number;
  readonly totalBytes: number;
  readonly bytesPerSecond: number;
  readonly dirtyBytesPerSecond: number;
  readonly capMiBps: number;
  readonly capAppliedMiBps: number;
  readonly maxDowntimeMs: number;
  readonly stalledForSeconds: number;
  readonly timeoutInSeconds: number;
  readonly outcome: string | null;
}

const NAME_COLUMNS = 9;
const INDENT = "  ";

export function readMigration(wire: Readonly<Record<string, unknown>>): MigrationView {
  const number = (key: string): number => Number(wire[key] ?? 0);
  const text = (key: string): string => {
    const value = wire[key];
    return typeof value === "string" ? value : "";
  };
  const { outcome } = wire;
  const ended = typeof outcome === "object" && outcome !== null && "outcome" in outcome;
  return {
    vmId: text("vmId"),
    vmName: text("vmName"),
    phase: text("phase"),
    progressPercent: number("progress"),
    pass: number("pass"),
    remainingBytes: number("dataRemaining"),
    totalBytes: number("dataTotal"),
    bytesPerSecond: number("bandwidthBytesPerSecond"),
    dirtyBytesPerSecond: number("dirtyRateBytesPerSecond"),
    capMiBps: number("cap"),
    capAppliedMiBps: number("capApplied"),
    maxDowntimeMs: number("downtime"),
    stalledForSeconds: number("stalledFor"),
    timeoutInSeconds: number("timeoutIn"),
    outcome: ended ? String(outcome.outcome) : null,
  };
}

/** The migrations below each other; `unicode`: the terminal has block characters. */
export function migrationsBlock(views: readonly MigrationView[], unicode: boolean): Block {
  return {
    live: (columns) => [
      { text: "", tone: "plain" },
      ...views.flatMap((view) => panel(view, columns, unicode)),
    ],
    plain: () => views.filter((view) => view.outcome === null).map(logLine),
  };
}

export function panel(view: MigrationView, columns: number, unicode: boolean): readonly Line[] {
  const stalled = view.outcome === null && view.stalledForSeconds > 0;
  const tone = view.outcome === null ? (stalled ? "stalled" : "bar") : outcomeTone(view.outcome);
  const percent = `${view.progressPercent}`.padStart(3);
  const head = `${view.vmName.padEnd(NAME_COLUMNS)} `;
  const tail = ` ${percent} % ${state(view)}`;
  const cells = Math.max(5, columns - head.length - tail.length);
  const text = `${head}${bar(view, cells, unicode)}${tail}`;
  const facts = view.outcome === null ? pack(numbers(view), columns, INDENT) : [];
  return [{ text, tone }, ...facts.map((fact): Line => ({ text: fact, tone: "plain" }))];
}

function outcomeTone(outcome: string): "good" | "bad" {
  return outcome === "completed" ? "good" : "bad";
}

/** Filled: transferred and clean. Shaded: still remaining, up to the best progress so far. */
function bar(view: MigrationView, cells: number, unicode: boolean): string {
  const [full, shaded, open] = unicode ? ["█", "▒", "░"] : ["#", "=", "."];
  const reached = Math.round((view.progressPercent / 100) * cells);
  const running = view.outcome === null && view.totalBytes > 0;
  const share = running ? 1 - view.remainingBytes / view.totalBytes : 1;
  const clean = Math.min(reached, Math.max(0, Math.floor(share * cells)));
  return full.repeat(clean) + shaded.repeat(reached - clean) + open.repeat(cells - reached);
}

/** Always the same width, so that the end of the bar does not move. */
function state(view: MigrationView): string {
  if (view.outcome !== null) return view.outcome.padEnd(10);
  const word = view.stalledForSeconds > 0 ? "stalled" : view.phase;
  return word.slice(0, 10).padEnd(10);
}

/** Padded, so that they do not move while the numbers change. */
function numbers(view: MigrationView): string[] {
  const pad = (text: string, columns: number): string => text.padStart(columns);
  const dirty = view.dirtyBytesPerSecond === 0 ? "-" : mib(view.dirtyBytesPerSecond);
  const cap = view.capMiBps === 0 ? "-" : `${view.capMiBps}`;
  return [
    `pass ${pad(`${view.pass}`, 2)}`,
    `remaining ${pad(mib(view.remainingBytes), 4)} MiB`,
    `rate ${pad(mib(view.bytesPerSecond), 4)} MiB/s`,
    `dirty ${pad(dirty, 4)} MiB/s`,
    `cap ${pad(cap, 2)} MiB/s`,
    `downtime ${pad(`${view.maxDowntimeMs}`, 4)} ms`,
    `stalled ${pad(`${view.stalledForSeconds}`, 2)} s`,
    `abort in ${pad(`${view.timeoutInSeconds}`, 2)} s`,
  ];
}

function logLine(view: MigrationView): string {
  const percent = `${view.progressPercent}`.padStart(3);
  const facts = numbers(view).slice(0, -1).join(", ").replaceAll(/ +/g, " ");
  return `  ${view.vmName.padEnd(NAME_COLUMNS)} ${percent} %, ${facts}`;
}
