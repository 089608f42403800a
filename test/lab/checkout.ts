/** The folder of the checkout, found from the lab's sources and from wherever they are compiled to. */
import path from "node:path";

/** Compiled files lie below it, however deep. */
const BUILT = `${path.sep}test${path.sep}.build${path.sep}`;

export function checkoutFolder(): string {
  const here = import.meta.dirname;
  const built = here.indexOf(BUILT);
  return built < 0 ? path.resolve(here, "../..") : here.slice(0, built);
}
