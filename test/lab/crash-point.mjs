/**
 * Loaded before the daemon's own code (`node --import`): kills the process, as a crash would, right
 * before or right after it writes the first journal record that CRASH_RECORD (a regular expression)
 * finds. The daemon knows nothing of it.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

const record = new RegExp(process.env["CRASH_RECORD"] ?? "");
const before = process.env["CRASH_WHEN"] === "before";
const write = fs.writeSync;

fs.writeSync = (fd, bytes, ...rest) => {
  const hit = Buffer.isBuffer(bytes) && record.test(bytes.toString("utf8"));
  if (hit && before) process.kill(process.pid, "SIGKILL");
  const written = write(fd, bytes, ...rest);
  if (hit) process.kill(process.pid, "SIGKILL");
  return written;
};
syncBuiltinESMExports();
