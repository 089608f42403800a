/**
 * Runs the demo: brings up two hosts with a daemon each, tells the story, and tears everything
 * down, whether it ends by itself, by a signal, a closed pipe or a failure. test/demo.mjs sets the
 * machine up and then imports this file.
 *
 * The hosts cannot outlive this process anyway (lab.ts); the teardown here makes sure that they are
 * gone before the prompt returns. Exit status: 0, 1 after a failure, 128 + the signal's number.
 */
import { setTimeout as delay } from "node:timers/promises";
import { startDaemon, type Daemon } from "../lab/daemon.ts";
import { Lab } from "../lab/lab.ts";
import { openScreen } from "./screen.ts";
import { DAEMON_VARS, tellStory } from "./show.ts";
import { seconds } from "./text.ts";
import { Watch } from "./watch.ts";

const WHOLE_DEADLINE_MS = 110_000;
/** How long to wait for an interrupted start of the hosts. */
const START_PATIENCE_MS = 3000;
const LOOK_FOR_PARENT_EVERY_MS = 500;
const LAST_LOG_LINES = 8;
const LAST_MESSAGE_LINES = 24;
const SIGPIPE_STATUS = 128 + 13;
const SIGNAL_STATUS = { SIGINT: 128 + 2, SIGTERM: 128 + 15, SIGHUP: 128 + 1 } as const;

/** Why the demo ended early. */
class Interrupted extends Error {
  readonly status: number;

  constructor(status: number, what: string) {
    super(what);
    this.status = status;
  }
}

const screen = openScreen(process.stdout, process.env);
const daemons: Daemon[] = [];
let labUp: Promise<Lab> | null = null;

function interruption(): Promise<never> {
  return new Promise((_, reject) => {
    for (const [signal, status] of Object.entries(SIGNAL_STATUS)) {
      process.on(signal, () =>
        reject(new Interrupted(status, `${signal}: tearing everything down`)),
      );
    }
    process.stdout.on("error", () => reject(new Interrupted(SIGPIPE_STATUS, "output closed")));
    process.stderr.on("error", () => undefined);
    process.on("uncaughtException", reject);
    process.on("unhandledRejection", reject);
    onParentEnd(() =>
      reject(new Interrupted(SIGNAL_STATUS.SIGTERM, "npm ended: tearing everything down")),
    );
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

async function deadline(): Promise<never> {
  await delay(WHOLE_DEADLINE_MS, undefined, { ref: false });
  throw new Error(`did not finish within ${seconds(WHOLE_DEADLINE_MS)}`);
}

async function diesEarly(daemon: Daemon): Promise<never> {
  const { code, signal } = await daemon.process.exited;
  throw new Error(`the daemon on ${daemon.host.name} exited with ${signal ?? `status ${code}`}`);
}

async function play(): Promise<void> {
  screen.print(
    "vdsm-migrationd: two hosts on this machine, each with its own network, libvirtd and daemon, " +
      "and real QEMU guests. You see what a management engine sees and does: -> its calls, " +
      "<- the events it receives.",
  );
  labUp = Lab.up();
  const lab = await labUp;
  const options = { vars: DAEMON_VARS };
  const [source, destination] = await Promise.all([
    startDaemon(lab.a, options),
    startDaemon(lab.b, options),
  ]);
  daemons.push(source, destination);
  const locale = process.env["LC_ALL"] || process.env["LC_CTYPE"] || process.env["LANG"] || "";
  const watch = new Watch(source, screen, /utf-?8/i.test(locale));
  const watching = new AbortController();
  const story = tellStory({ source, destination, screen, watch }).finally(() => watching.abort());
  await Promise.race([
    Promise.all([story, watch.run(watching.signal)]),
    ...daemons.map((daemon) => diesEarly(daemon)),
  ]);
}

async function takeDown(): Promise<void> {
  if (labUp === null) return;
  const up = labUp.catch(() => undefined);
  const lab = await Promise.race([up, delay(START_PATIENCE_MS, undefined)]);
  await lab?.down();
}

/**
 * The last lines of the daemons' logs, read before the hosts and their log files are removed. A
 * daemon that did not become ready is in no list; the failure's message ends with its log.
 */
function lastLines(message: string): string[] {
  const tail = (text: string, most: number): string[] =>
    text
      .trimEnd()
      .split("\n")
      .slice(-most)
      .map((line) => `  ${line}`);
  if (daemons.length === 0) {
    const [, ...rest] = message.split("\n");
    return rest.length === 0 ? [] : tail(rest.join("\n"), LAST_MESSAGE_LINES);
  }
  return daemons.flatMap(({ host, process: daemonProcess }) => [
    `last log lines of ${host.name}'s daemon:`,
    ...tail(daemonProcess.log(), LAST_LOG_LINES),
  ]);
}

function say(lines: readonly string[]): void {
  process.stderr.write(`${lines.join("\n")}\n`);
}

async function main(): Promise<number> {
  const startedMs = performance.now();
  const interrupted = interruption();
  try {
    await Promise.race([interrupted, play(), deadline()]);
    await takeDown();
    const took = seconds(performance.now() - startedMs);
    screen.close();
    screen.print(`Both hosts are torn down and nothing is left behind. The demo took ${took}.`);
    return 0;
  } catch (error) {
    screen.close();
    if (error instanceof Interrupted) {
      if (error.status !== SIGPIPE_STATUS) say([error.message]);
      await takeDown();
      return error.status;
    }
    const message = error instanceof Error ? error.message : String(error);
    say([`demo failed: ${message.split("\n")[0] ?? ""}`, ...lastLines(message)]);
    await takeDown();
    return 1;
  }
}

process.on("exit", () => screen.close());
process.exit(await main());
