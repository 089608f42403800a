/**
 * Runs commands inside a lab host: in its network, mounts, hostname and process tree. Owns the way
 * in (nsenter) and the lifetime of what it starts: everything ends with the process that started
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
 * nsenter remains the parent, because only a child can enter another process tree. It dies with
 * this process, and the command dies with it.
 */
function wayIn(initPid: number, command: string, args: readonly string[], cwd = "/"): string[] {
  const namespaces = ["--net", "--mount", "--uts", "--pid", `--wd=${cwd}`];
  const enter = ["nsenter", "--target", String(initPid), ...namespaces, "--"];
  return [...DIES_WITH_PARENT, ...enter, ...DIES_WITH_PARENT, command, ...args];
}

/** Runs a command to its end. Fails only at the deadline; any exit status is a result. */
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
        const why = error.killed === true ? `still running after ${deadlineMs} ms` : error.message;
        reject(new Error(`${command} ${args.join(" ")}: ${why}`, { cause: error }));
      }
    });
    // A command may end without reading its input (EPIPE); its status tells whether it succeeded.
    started.stdin?.on("error", () => undefined);
    started.stdin?.end(options.input ?? "");
  });
}

/** The child of `parentPid`, which nsenter forks shortly after it starts. */
function childOf(parentPid: number): number | undefined {
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, "utf8");
      const [, ppid] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      if (Number(ppid) === parentPid) return Number(entry);
    } catch {
      // The process ended between listing and reading.
    }
  }
  return undefined;
}

/** Starts a daemon with its output in `logPath`; resolves once it has a process ID. */
export async function spawnInside(
  initPid: number,
  command: string,
  args: readonly string[],
  logPath: string,
  options: SpawnOptions,
): Promise<LabProcess> {
  const [program = "", ...rest] = wayIn(initPid, command, args, options.cwd);
  const logFd = openSync(logPath, "a");
  // In its own session: Ctrl-C in the terminal stops the test run, which then stops this.
  const child = spawn(program, rest, {
    stdio: ["ignore", logFd, logFd],
    env: { ...process.env, ...options.env },
    detached: true,
  });
  closeSync(logFd);
  const exited = exitOf(child);
  const pid = await until(
    () => (child.pid === undefined || hasEnded(child) ? -1 : childOf(child.pid)),
    LOG_DEADLINE_MS,
    () => `${command} to get a process`,
  );
  if (pid === -1) {
    await exited;
    throw new Error(`${command} exited immediately: ${readFileSync(logPath, "utf8")}`);
  }
  return labProcess(command, child, pid, logPath, exited);
}

/** The same on this machine itself; it ends with this process. */
export async function spawnHere(
  command: string,
  args: readonly string[],
  logPath: string,
  options: SpawnOptions = {},
): Promise<LabProcess> {
  const logFd = openSync(logPath, "a");
  const [program, ...rest] = [...DIES_WITH_PARENT, command, ...args];
  const child = spawn(program, rest, {
    stdio: ["ignore", logFd, logFd],
    env: { ...process.env, ...options.env },
    detached: true,
  });
  closeSync(logFd);
  const exited = exitOf(child);
  // setpriv becomes the command.
  if (child.pid === undefined) throw new Error(`${command} cannot be started`);
  return labProcess(command, child, child.pid, logPath, exited);
}

function exitOf(child: ChildProcess): Promise<ProcessExit> {
  const exited = new Promise<ProcessExit>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  exited.catch(() => undefined);
  return exited;
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
    // The ID cannot be reused until nsenter, the parent, has reaped the process.
    if (hasEnded(child)) return;
    process.kill(pid, name);
    // nsenter stops itself when its child is stopped, and would then miss the child's exit.
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
          if (hasEnded(child))
            throw new Error(`${command} exited without logging ${pattern}:\n${log()}`);
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
          () => hasEnded(child),
          deadlineMs,
          () => `${command} to exit on SIGTERM:\n${log()}`,
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
