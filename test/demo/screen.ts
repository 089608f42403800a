/**
 * The demo's output. On a terminal: permanent lines that scroll, and below them a block that is
 * redrawn in place; each change is one write without clearing first, so nothing flickers. In a
 * pipe, a file, under CI or with NO_COLOR: plain lines, with the block's one-line form now and
 * then. Knows nothing of migrations.
 */
import { wrap } from "./text.ts";

export type Tone = "plain" | "heading" | "call" | "event" | "bar" | "stalled" | "good" | "bad";

export interface Line {
  readonly text: string;
  readonly tone: Tone;
}

/** The same facts for a terminal of a given width, and as lines of a log. */
export interface Block {
  live(columns: number): readonly Line[];
  plain(): readonly string[];
}

export interface Screen {
  /** Maximum width of a line. */
  readonly columns: number;
  /** Prints permanent lines. Longer ones are wrapped and continued with `indent`. */
  print(text: string, tone?: Tone, indent?: string): void;
  /** Replaces the block. */
  show(block: Block): void;
  /** Removes the block and restores the cursor. A second call does nothing. */
  close(): void;
}

type Stdout = typeof process.stdout;

const PLAIN_COLUMNS = 100;
const PLAIN_EVERY_MS = 2500;
const MOST_COLUMNS = 100;
const FEWEST_COLUMNS = 20;

const ESC = "\u001b[";
const HIDE_CURSOR = `${ESC}?25l`;
const SHOW_CURSOR = `${ESC}?25h`;
/** Terminals that support it draw what is in between at once; others ignore it. */
const FRAME_BEGINS = `${ESC}?2026h`;
const FRAME_ENDS = `${ESC}?2026l`;
const CLEAR_LINE_REST = `${ESC}K`;
const CLEAR_BELOW = `${ESC}J`;
const RESET = `${ESC}0m`;

const STYLES: Readonly<Record<Tone, string>> = {
  plain: "",
  heading: `${ESC}1m`,
  call: `${ESC}36m`,
  event: `${ESC}35m`,
  bar: `${ESC}36m`,
  stalled: `${ESC}33m`,
  good: `${ESC}32m`,
  bad: `${ESC}31m`,
};

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== "" && value !== "false" && value !== "0";
}

export function openScreen(stdout: Stdout, env: NodeJS.ProcessEnv): Screen {
  const plain = isSet(env["CI"]) || isSet(env["NO_COLOR"]) || env["TERM"] === "dumb";
  return stdout.isTTY && !plain ? new Terminal(stdout) : new Plain(stdout);
}

class Plain implements Screen {
  readonly columns = PLAIN_COLUMNS;
  readonly #stdout: Stdout;
  #shownAtMs = 0;

  constructor(stdout: Stdout) {
    this.#stdout = stdout;
  }

  print(text: string, _tone?: Tone, indent = ""): void {
    this.#stdout.write(`${wrap(text, this.columns, indent).join("\n")}\n`);
  }

  show(block: Block): void {
    const nowMs = performance.now();
    if (nowMs - this.#shownAtMs < PLAIN_EVERY_MS) return;
    this.#shownAtMs = nowMs;
    for (const text of block.plain()) this.#stdout.write(`${text}\n`);
  }

  close(): void {
    // Nothing to restore.
  }
}

class Terminal implements Screen {
  readonly #stdout: Stdout;
  readonly #onResize = (): void => this.#draw([], true);
  #block: Block | null = null;
  /** The block as drawn, without styles: its rows are recounted when the width changes. */
  #drawn: readonly string[] = [];
  #closed = false;

  constructor(stdout: Stdout) {
    this.#stdout = stdout;
    stdout.on("resize", this.#onResize);
    stdout.write(HIDE_CURSOR);
  }

  /** One column stays free, because a full line leaves the cursor's position undefined. */
  get columns(): number {
    return Math.max(FEWEST_COLUMNS, Math.min(MOST_COLUMNS, this.#width() - 1));
  }

  #width(): number {
    return this.#stdout.columns > 0 ? this.#stdout.columns : 80;
  }

  print(text: string, tone: Tone = "plain", indent = ""): void {
    this.#draw(
      wrap(text, this.columns, indent).map((line) => ({ text: line, tone })),
      false,
    );
  }

  show(block: Block): void {
    this.#block = block;
    this.#draw([], false);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#stdout.off("resize", this.#onResize);
    const up = this.#upToBlock();
    this.#drawn = [];
    this.#stdout.write(`${up}${CLEAR_BELOW}${SHOW_CURSOR}`);
  }

  #upToBlock(): string {
    const width = this.#width();
    const rows = this.#drawn.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(line.length / width)),
      0,
    );
    return rows === 0 ? "\r" : `\r${ESC}${rows}A`;
  }

  /** Writes permanent lines in place of the block, and the block below them. */
  #draw(staying: readonly Line[], resized: boolean): void {
    if (this.#closed) {
      for (const line of staying) this.#stdout.write(`${styled(line)}\n`);
      return;
    }
    const most = Math.max(1, (this.#stdout.rows > 0 ? this.#stdout.rows : 24) - 1);
    const block = (this.#block?.live(this.columns) ?? []).slice(0, most);
    const up = this.#upToBlock();
    this.#drawn = block.map((line) => line.text);
    const lines = [...staying, ...block].map((line) => `${styled(line)}${CLEAR_LINE_REST}\n`);
    const clear = resized ? CLEAR_BELOW : "";
    const frame = [FRAME_BEGINS, up, clear, ...lines, CLEAR_BELOW, FRAME_ENDS];
    this.#stdout.write(frame.join(""));
  }
}

function styled({ text, tone }: Line): string {
  const style = STYLES[tone];
  return style === "" ? text : `${style}${text}${RESET}`;
}
