/**
 * Wraps a long run in a lab of its own: brings the hosts up, runs the work, and tears everything
 * down, also after Ctrl-C, a closed terminal or a failure. The hosts cannot outlive this process
 * anyway (lab.ts); the teardown here makes sure that they are gone before the prompt returns.
 */
import type { LabOptions } from "../lab/api.ts";
import { Lab } from "../lab/lab.ts";

const SIGNAL_STATUS = { SIGINT: 128 + 2, SIGTERM: 128 + 15, SIGHUP: 128 + 1 } as const;
const LOOK_FOR_PARENT_EVERY_MS = 500;

export function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The exit status: the one returned by `work`, 1 if it fails, or 128 + the signal's number. */
export async function withLab(
  work: (lab: Lab) => Promise<number>,
  options: LabOptions = {},
): Promise<number> {
  const interrupted = interruption();
  let lab: Lab | undefined;
  try {
    const up = Lab.up(options);
    lab = await Promise.race([up, interrupted]);
    return await Promise.race([work(lab), interrupted]);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof Interrupted ? error.status : 1;
  } finally {
    await lab?.down();
  }
}

class Interrupted extends Error {
  readonly status: number;

  constructor(status: number, why: string) {
    super(`${why}: tearing everything down`);
    this.status = status;
  }
}

function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const [signal, status] of Object.entries(SIGNAL_STATUS)) {
      process.on(signal, () => reject(new Interrupted(status, signal)));
    }
    for (const stream of [process.stdout, process.stderr]) {
      stream.on("error", () => reject(new Interrupted(SIGNAL_STATUS.SIGHUP, "output closed")));
    }
    onParentEnd(() => reject(new Interrupted(SIGNAL_STATUS.SIGTERM, "npm ended")));
  });
}

/** npm run puts a shell in between, which dies of npm's SIGTERM without telling anyone. */
function onParentEnd(tell: () => void): void {
  if (process.env["npm_lifecycle_event"] === undefined) return;
  const parentPid = process.ppid;
  const look = (): void => {
    if (process.ppid !== parentPid) tell();
  };
  setInterval(look, LOOK_FOR_PARENT_EVERY_MS).unref();
}
