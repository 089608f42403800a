/** A log that checks itself: every line must be JSON, not too long, and report no defect. */

import { createLog, type Log } from "../../src/logger.ts";
import { claim, show } from "./target.ts";

const LOG_LINE_MAX = 6000;

export interface WatchedLog {
  readonly log: Log;
  /** **Fails**: Error with the first line that reports a defect. */
  readonly claimClean: () => void;
}

export function watchedLog(): WatchedLog {
  let wrong: string | undefined;
  const write = (line: string): void => {
    if (wrong !== undefined) return;
    if (line.length > LOG_LINE_MAX) wrong = `a log line of ${line.length}: ${show(line, 300)}`;
    else if (line.indexOf("\n") !== line.length - 1) wrong = `more than one line: ${show(line)}`;
    else {
      const { level } = JSON.parse(line) as { level: unknown };
      if (level === "error") wrong = `logged: ${line}`;
    }
  };
  return {
    log: createLog({ level: "debug", stream: { write } }),
    claimClean: () => {
      const found = wrong;
      wrong = undefined;
      claim(found === undefined, found ?? "");
    },
  };
}
