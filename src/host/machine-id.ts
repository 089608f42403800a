/**
 * The installation's own id, machine-id(5): it stays when the host is renamed. What it is used for is not
 * known here.
 */
import { readFileSync } from "node:fs";

const PATTERN = /^[0-9a-f]{32}$/;

/** null: there is none, as in an image that was never booted. */
export function machineId(): string | null {
  try {
    const text = readFileSync("/etc/machine-id", "utf8").trim();
    return PATTERN.test(text) ? text : null;
  } catch {
    return null;
  }
}
