/** A crash of the serving process: one JSON line, exit status 1, nothing on standard error. */
import { spawnSync } from "node:child_process";
import path from "node:path";
import { expect, it } from "vitest";

const DIST = path.resolve(import.meta.dirname, "../dist");

function crash(body: string): { status: number | null; stdout: string; stderr: string } {
  const program = `
    import { logCrashes } from "${DIST}/process-errors.js";
    import { createLog } from "${DIST}/logger.js";
    logCrashes(createLog({ level: "info" }));
    ${body}`;
  return spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
    encoding: "utf8",
  });
}

it.each([
  ["an exception in a timer", "setTimeout(() => { throw new TypeError('a defect'); }, 1);"],
  ["a promise that nobody awaits", "void Promise.reject(new TypeError('a defect'));"],
  ["something thrown that is not an Error", "setTimeout(() => { throw 'a defect'; }, 1);"],
])("%s is one line of the log", (_, body) => {
  const { status, stdout, stderr } = crash(body);
  expect(status).toBe(1);
  expect(stderr).toBe("");
  const lines = stdout.trimEnd().split("\n");
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    level: "error",
    msg: "crashed; migrations continue in libvirt",
    err: expect.anything(),
  });
  expect(lines[0]).toContain("a defect");
});
