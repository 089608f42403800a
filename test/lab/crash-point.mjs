/**
 * Loaded before the daemon's own code (`node --import`): kills the process, as a crash would, right
 * before or right after it writes the first journal record that the crash point finds, once one lies
 * in the file CRASH_POINT: {"record": a regular expression, "when": "before" or "after"}. The file is
 * removed, so that the next daemon lives. The daemon knows nothing of it.
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
