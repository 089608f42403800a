/**
 * Running commands inside a lab host: in its network, mounts, hostname and process tree. Owns the
 * way in (nsenter) and the life of what was started: everything ends with the process that started
 * it, and with the host at the latest.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import type { ExecOptions, ExecResult, LabProcess, ProcessExit, SpawnOptions } from "./api.ts";
import { until } from "./until.ts";

const EXEC_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 5_000;
const LOG_DEADLINE_MS = 10_000;
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;

const DIES_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL"] as const;

/**
 * nsenter stays as the parent, since only a child can be in another process tree. It dies with us,
 * and the command with it.
 */
function wayIn(initPid: number, command: string, args: readonly string[], cwd = "/"): string[] {
  const namespaces = ["--net", "--mount", "--uts", "--pid", `--wd=${cwd}`];
  const enter = ["nsenter", "--target", String(initPid), ...namespaces, "--"];
  return [...DIES_WITH_PARENT, ...enter, ...DIES_WITH_PARENT, command, ...args];
}

/** Runs to the end. Fails at the deadline only: any exit status is an answer. */
export function execInside(
  initPid: number,
  command: string,
  args: readonly string[],
  options: ExecOptions,
): Promise<ExecResult> {
  const [program = "", ...rest] = wayIn(initPid, command, args);
  const deadlineMs = options.deadlineMs ?? EXEC_DEADLINE_MS;
  const child = {
    timeout: deadlineMs,
    killSignal: "SIGKILL",
    maxBuffer: OUTPUT_LIMIT_BYTES,
  } as const;
  return new Promise((resolve, reject) => {
    const env = { ...process.env, LC_ALL: "C", ...options.env };
    const started = execFile(program, rest, { ...child, env }, (error, stdout, stderr) => {
      if (error === null) resolve({ status: 0, stdout, stderr });
      else if (typeof error.code === "number") resolve({ status: error.code, stdout, stderr });
      else {
        const why = error.killed === true ? `no end within ${deadlineMs} ms` : error.message;
        reject(new Error(`${command} ${args.join(" ")}: ${why}`, { cause: error }));
      }
    });
    // A command may end without reading what it is given (EPIPE): its status tells what became of it.
    started.stdin?.on("error", () => undefined);
    started.stdin?.end(options.input ?? "");
  });
}

/** The child of `parentPid`, which nsenter forks a moment after its start. */
function childOf(parentPid: number): number | undefined {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const [, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(ppid) === parentPid) return Number(entry);
    } catch {
      // It ended between the listing and the look.
    }
  }
  return undefined;
}

/** Starts a daemon, its output in `logPath`; resolves once it has a process id. */
export async function spawnInside(
  initPid: number,
  command: string,
  args: readonly string[],
  logPath: string,
  options: SpawnOptions,
): Promise<LabProcess> {
  const [program = "", ...rest] = wayIn(initPid, command, args, options.cwd);
  const logFd = openSync(logPath, "a");
  // A session of its own: Ctrl-C at the terminal is for the test run, which then ends this.
  const child = spawn(program, rest, {
    stdio: ["ignore", logFd, logFd],
    env: { ...process.env, ...options.env },
    detached: true,
  });
  closeSync(logFd);
  const exited = new Promise<ProcessExit>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  exited.catch(() => undefined);
  const pid = await until(
    () => (child.pid === undefined || hasEnded(child) ? -1 : childOf(child.pid)),
    LOG_DEADLINE_MS,
    () => `${command} has no process`,
  );
  if (pid === -1) {
    await exited;
    throw new Error(`${command} ended at once: ${readFileSync(logPath, "utf8")}`);
  }
  return labProcess(command, child, pid, logPath, exited);
}

function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function labProcess(
  command: string,
  child: ChildProcess,
  pid: number,
  logPath: string,
  exited: Promise<ProcessExit>,
): LabProcess {
  const log = (): string => readFileSync(logPath, "utf8");
  const signal = (name: NodeJS.Signals): void => {
    // The id is its own as long as nsenter, its parent, has not reaped it.
    if (hasEnded(child)) return;
    process.kill(pid, name);
    // nsenter stops itself when its child is stopped, and would then never hear of the child's end.
    if (name === "SIGCONT" && child.pid !== undefined) process.kill(child.pid, name);
  };
  return {
    pid,
    logPath,
    exited,
    log,
    signal,
    waitForLog: (pattern, options) =>
      until(
        () => {
          const match = pattern.exec(log());
          if (match !== null) return match;
          if (hasEnded(child)) throw new Error(`${command} ended without ${pattern}:\n${log()}`);
          return undefined;
        },
        options?.deadlineMs ?? LOG_DEADLINE_MS,
        () => `${pattern} in the log of ${command}:\n${log()}`,
      ),
    stop: async (options) => {
      signal("SIGTERM");
      const deadlineMs = options?.deadlineMs ?? STOP_DEADLINE_MS;
      try {
        await until(
          () => (hasEnded(child) ? true : undefined),
          deadlineMs,
          () => `${command} ended on SIGTERM:\n${log()}`,
        );
      } catch (error) {
        signal("SIGKILL");
        await exited;
        throw error;
      }
      return exited;
    },
    kill: () => {
      signal("SIGKILL");
      return exited;
    },
  };
}
