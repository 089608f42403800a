/**
 * Runs every script beside it. A script is prose (lines beginning with #), then blocks: commands, a
 * line `----`, and what must come of them, each line with its time; a blank line ends a block.
 * `REWRITE_SCENARIOS=1 npx vitest run test/scenarios` writes what comes of them into the files: read
 * the difference before you commit it. Adding a bug is adding a file.
 *
 * A status that repeats the last one is not shown. Commands: migrate, admit, prepared, begin,
 * not-begun, sample, pass, guest, advance, cycle, cycles, libvirt, took, refused, change, cancel,
 * stopped-migrated, guest-stopped, daemon-down, host-down, call-ended, place, record (interpreter.ts).
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { Interpreter } from "./interpreter.ts";

const REWRITE = process.env["REWRITE_SCENARIOS"] === "1";

/** The script with what really comes of its commands in the place of what it expects. */
function replay(script: string): string {
  const interpreter = new Interpreter();
  return script
    .trimEnd()
    .split(/\n{2,}/)
    .map((block) => replayBlock(block, interpreter))
    .join("\n\n")
    .concat("\n");
}

function replayBlock(block: string, interpreter: Interpreter): string {
  const lines = block.split("\n");
  const end = lines.indexOf("----");
  const commands = end === -1 ? lines : lines.slice(0, end);
  const played = commands.flatMap((line) => (line.startsWith("#") ? [] : interpreter.play(line)));
  if (commands.every((line) => line.startsWith("#"))) return block;
  return [...commands, "----", ...(played.length === 0 ? ["nothing"] : played)].join("\n");
}

const folder = new URL("./", import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith(".txt"));

describe("scenarios", () => {
  it("there are some", () => {
    expect(files.length).toBeGreaterThan(0);
  });

  it.each(files)("%s", (name) => {
    const file = new URL(name, folder);
    const script = readFileSync(file, "utf8");
    const replayed = replay(script);
    if (REWRITE) writeFileSync(file, replayed);
    else expect(replayed).toBe(script);
  });
});
