/**
 * Loaded before the daemon's own code (`node --import`): kills the process, like a crash, right
 * before or after it writes the first journal record that matches the crash point. The crash point
 * is read from the file CRASH_POINT once that exists: {"record": a regular expression, "when":
 * "before" or "after"}. The file is removed, so that the next daemon survives. The daemon does not
 * know about any of it.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const file = process.env["CRASH_POINT"];
const write = fs.writeSync;

function crash() {
  fs.rmSync(file);
  process.kill(process.pid, "SIGKILL");
}

fs.writeSync = (fd, bytes, ...rest) => {
  const point = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, "utf8")) : null;
  const hit = point !== null && new RegExp(point.record).test(Buffer.from(bytes).toString());
  if (hit && point.when === "before") crash();
  const written = write(fd, bytes, ...rest);
  if (hit) crash();
  return written;
};
syncBuiltinESMExports();
