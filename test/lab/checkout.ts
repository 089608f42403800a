/**
 * The folder of the checkout, found both from the lab's sources and from their compiled form in
 * test/.build/lab.
 */
import path from "node:path";

export function checkoutFolder(): string {
  const here = import.meta.dirname;
  return path.resolve(here, here.endsWith(path.join(".build", "lab")) ? "../../.." : "../..");
}
