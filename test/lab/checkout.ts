/**
 * Where the checkout is, seen from the lab's sources and from what the demo's build makes of them
 * (test/.build/lab).
 */
import path from "node:path";

export function checkoutFolder(): string {
  const here = import.meta.dirname;
  return path.resolve(here, here.endsWith(path.join(".build", "lab")) ? "../../.." : "../..");
}
