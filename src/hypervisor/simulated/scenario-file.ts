/** A scenario from its file, and the world that it begins. */
import { readFileSync } from "node:fs";
import type { Clock } from "../../clock.ts";
import { messageOf } from "../../errors.ts";
import { LiveWorld } from "./live-world.ts";
import { parseScenario, type Scenario, worldOf } from "./scenario.ts";

/** **Fails**: an Error that names the file, if it cannot be read or is no scenario. */
export function readScenario(path: string): Scenario {
  try {
    return parseScenario(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new Error(`${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Its time begins now. **Fails**: as readScenario. */
export function liveWorldOf(path: string, { monotonicMs }: Pick<Clock, "monotonicMs">): LiveWorld {
  return new LiveWorld(worldOf(readScenario(path), monotonicMs()), monotonicMs);
}
