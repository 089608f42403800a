/**
 * The house rules that no tool holds: sizes, headers, leftovers, who may import what, exact versions
 * and what may lie at the top. A rule that fails names file and line.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { blocksOf, importsOf } from "./source-text.ts";

const ROOT = path.resolve(import.meta.dirname, "../..");
const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;
/** What tools make and git ignores. */
const MADE = new Set(["node_modules", "dist", "build", ".build", ".git"]);
const TOP_LEVEL: ReadonlySet<string> = new Set(
  "package.json package-lock.json tsconfig.json README.md conf systemd src test".split(" "),
);

interface Source {
  /** From the top, with forward slashes. */
  readonly name: string;
  readonly text: string;
  readonly lines: readonly string[];
}

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(path.join(ROOT, folder), { withFileTypes: true })) {
    if (MADE.has(entry.name) || entry.name.endsWith(".tsbuildinfo")) continue;
    const name = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(name);
    else if (entry.isFile()) yield name;
  }
}

function read(name: string): Source {
  const text = readFileSync(path.join(ROOT, name), "utf8");
  return { name, text, lines: text.replace(/\n$/, "").split("\n") };
}

const all: readonly Source[] = [...filesBelow(".")].map(read);
const below = (folder: string): readonly Source[] =>
  all.filter(({ name }) => name.startsWith(`${folder}/`));
const isCode = ({ name }: Source): boolean => /\.(ts|mjs)$/.test(name);
const isNative = ({ name }: Source): boolean => /\.(cc|h)$/.test(name);
const code = [...below("src"), ...below("test")].filter(isCode);
const daemon = below("src").filter(
  (source) => isCode(source) && !/^src\/(libvirt|posix)\//.test(source.name),
);

/** `file:line: text` of every line that matches. */
function hits(sources: readonly Source[], pattern: RegExp): readonly string[] {
  return sources.flatMap(({ name, lines }) =>
    lines.flatMap((line, at) =>
      pattern.test(line) ? [`${name}:${at + 1}: ${line.trim().slice(0, 100)}`] : [],
    ),
  );
}

/** Split, so that this file does not match itself. */
const word = (...parts: readonly string[]): string => parts.join("");

function json(name: string): Record<string, Record<string, unknown> | undefined> {
  return JSON.parse(read(name).text);
}

describe("sizes and headers", () => {
  it("every file has at most 400 lines", () => {
    const long = [...code, ...below("src").filter(isNative)]
      .filter(({ lines }) => lines.length > FILE_LINES_MAX)
      .map(({ name, lines }) => `${name}: ${lines.length}`);
    expect(long).toEqual([]);
  });

  it("every function has at most 70 lines", () => {
    const long = code.flatMap(({ name, lines }) =>
      blocksOf(lines)
        .filter(({ first, last }) => last - first + 1 > FUNCTION_LINES_MAX)
        .map(({ first, last }) => `${name}:${first}: ${last - first + 1}`),
    );
    expect(long).toEqual([]);
  });

  it("every file opens with a comment that says what it owns", () => {
    const bare = [...code, ...below("src").filter(isNative)]
      .filter(({ text }) => !/^(#!.*\n)?(\/\*\*( |\n \* )\S|\/\/ \S)/.test(text))
      .map(({ name }) => name);
    expect(bare).toEqual([]);
  });
});

describe("leftovers", () => {
  it("nothing is left to do without the number of its issue", () => {
    const left = new RegExp(`\\b(${word("TO", "DO")}|${word("FIX", "ME")})\\b(?! ?\\(?#\\d)`);
    expect(hits(all, left)).toEqual([]);
  });

  it("no text refers to a file that is not in the repository", () => {
    const there = new Set(all.map(({ name }) => path.posix.basename(name)));
    // The names in source-text.test.ts are invented.
    const texts = all.filter(({ name }) => !name.endsWith("source-text.test.ts"));
    const absent = texts.flatMap(({ name, lines }) =>
      lines.flatMap((line, at) =>
        [...line.matchAll(/(?<![\w.*-])[a-z][\w.-]*\.(md|ts)\b/gi)]
          .filter(([file]) => !there.has(file) && !file.endsWith(".d.ts"))
          .map(([file]) => `${name}:${at + 1}: ${file}`),
      ),
    );
    const plan = new RegExp(`\\b(${word("iss", "ue")} #?\\d|${word("mile", "stone")})`, "i");
    expect([...absent, ...hits(all, plan)]).toEqual([]);
  });

  it("no test is left out, runs alone, runs twice or replaces a module", () => {
    const focus = /\b(it|test|describe)(\.\w+)*\.(only|skip|skipIf|runIf|todo|fails)\b/;
    const twice = new RegExp(`\\b${word("re", "try")}\\s*:`);
    const replaced = new RegExp(`\\b${word("vi", "\\.")}(mock|doMock|hoisted|stub)`);
    const tests = below("test").filter(isCode);
    expect([focus, twice, replaced].flatMap((pattern) => hits(tests, pattern))).toEqual([]);
  });

  it("nothing names a folder of somebody's machine", () => {
    const somebody = new RegExp(`(?<![\\w.*-])/(${word("wo", "rk")}|home|Users|root)/\\w`);
    expect(hits(all, somebody)).toEqual([]);
  });

  it("nothing lies at the top that does not belong there", () => {
    const there = readdirSync(ROOT).filter((name) => !name.startsWith(".") && !MADE.has(name));
    expect(there.filter((name) => !TOP_LEVEL.has(name))).toEqual([]);
  });
});

describe("who may import what", () => {
  const shared = ["clock.ts", "config", "defects.ts", "errors.ts", "logger.ts"];
  /** A folder of src, and the folders and files beside it that it may know. */
  const allowed: Readonly<Record<string, readonly string[]>> = {
    core: [],
    wire: ["core"],
    docs: [
      "core",
      "wire",
      "rpc/limits.ts",
      "rpc/limit-texts.ts",
      "rpc/roles.ts",
      "config/config.ts",
      "version.ts",
    ],
    stomp: [],
    host: ["core", "clock.ts"],
    config: ["core", "wire", "errors.ts", "logger.ts", "one-line.ts"],
    hypervisor: ["core", "host", "clock.ts", "defects.ts", "errors.ts", "logger.ts"],
    tls: shared,
    peer: ["core", "wire", "host", "stomp", "tls", ...shared],
    journal: ["host", "core/json.ts", "errors.ts", "logger.ts"],
    monitor: ["core", "wire", "hypervisor/port.ts", "journal", "peer", "host", ...shared],
    rpc: ["core", "wire", "stomp", "tls", "monitor/service.ts", "host", ...shared],
  };

  it.each(Object.keys(allowed))("src/%s knows only what it may", (folder) => {
    const may = [folder, ...(allowed[folder] ?? [])];
    const wrong = below(`src/${folder}`)
      .filter(isCode)
      .flatMap((source) =>
        importsOf(source.text)
          .filter((target) => target.startsWith("."))
          .map((target) => path.posix.relative("src", path.posix.join(source.name, "..", target)))
          .filter((target) => !may.some((each) => target === each || target.startsWith(`${each}/`)))
          .map((target) => `${source.name} imports ${target}`),
      );
    expect(wrong).toEqual([]);
  });

  it("src/core knows no package and nothing of Node", () => {
    const wrong = below("src/core")
      .filter(isCode)
      .flatMap(({ name, text }) => importsOf(text).map((target) => `${name} imports ${target}`))
      .filter((line) => !/ imports \.\/[\w-]+\.ts$/.test(line));
    expect(wrong).toEqual([]);
  });

  it("only src/hypervisor/libvirt imports libvirt, and only create-hypervisor.ts imports that folder", () => {
    const adapter = "src/hypervisor/libvirt/";
    const importing = (wanted: (target: string) => boolean): readonly string[] =>
      daemon
        .filter(({ name, text }) =>
          importsOf(text)
            .map((target) =>
              target.startsWith(".") ? path.posix.join(path.posix.dirname(name), target) : target,
            )
            .some(wanted),
        )
        .map(({ name }) => name)
        .filter((name) => !name.startsWith(adapter));
    expect(
      importing((target) => target === "libvirt" || target.startsWith("src/libvirt/")),
    ).toEqual([]);
    expect(importing((target) => target.startsWith(adapter))).toEqual(["src/create-hypervisor.ts"]);
  });

  it("src has no import circle, types included", () => {
    const imports = new Map(
      below("src")
        .filter(isCode)
        .map(({ name, text }) => [
          name,
          importsOf(text).map((target) => path.posix.join(name, "..", target)),
        ]),
    );
    const reaches = (from: string, seen = new Set<string>()): ReadonlySet<string> => {
      for (const next of imports.get(from) ?? [])
        if (!seen.has(next)) reaches(next, seen.add(next));
      return seen;
    };
    expect([...imports.keys()].filter((name) => reaches(name).has(name))).toEqual([]);
  });

  it("src/wire knows no package and nothing of Node", () => {
    const targets = below("src/wire")
      .filter(isCode)
      .flatMap(({ name, text }) => importsOf(text).map((target) => `${name} imports ${target}`));
    expect(targets.filter((line) => !/ imports \.(\.\/core)?\/[\w-]+\.ts$/.test(line))).toEqual([]);
  });

  it("only the locks of journal and saves, the listener and TLS know posix, and it knows nothing of the daemon", () => {
    const knowing = daemon
      .filter(({ text }) => importsOf(text).some((target) => /^posix$|\/posix\//.test(target)))
      .map(({ name }) => name);
    expect(
      knowing.filter(
        (name) => !/^src\/((journal|rpc|tls)\/|monitor\/hibernation\/held-file\.ts$)/.test(name),
      ),
    ).toEqual([]);
    const known = below("src/posix")
      .filter((source) => source.name.endsWith(".ts"))
      .flatMap(({ text }) => importsOf(text));
    expect(known.filter((target) => !/^node:|^\.\/[\w-]+\.ts$/.test(target))).toEqual([]);
  });

  it("only the resolver looks names up, and no file system is asked what it is", () => {
    const asking = daemon
      .filter(({ text }) => importsOf(text).some((target) => target.startsWith("node:dns")))
      .map(({ name }) => name);
    expect(asking).toEqual(["src/host/resolver.ts"]);
    expect(hits(daemon, /\bstatfs(Sync)?\b/)).toEqual([]);
  });

  it("every folder of src is in these rules", () => {
    const folders = new Set(daemon.map(({ name }) => name.split("/")[1] ?? ""));
    const ruled = [...folders].filter((folder) => !/\.(ts|mjs)$/.test(folder));
    expect(ruled.filter((folder) => !Object.hasOwn(allowed, folder))).toEqual([]);
  });
});

describe("packages", () => {
  const manifests = ["package.json", "src/libvirt/package.json", "src/posix/package.json"];

  it.each(manifests)("%s pins every version", (name) => {
    const { dependencies, devDependencies } = json(name);
    const versions = Object.entries({ ...dependencies, ...devDependencies });
    const loose = versions.filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(String(version)));
    expect(loose).toEqual([]);
  });

  it("the lock file names no registry", () => {
    const { packages } = json("package-lock.json");
    const hosts = Object.values(packages ?? {})
      .map((entry) => (entry as { resolved?: string }).resolved ?? "")
      .filter((resolved) => /^[a-z+]+:\/\//.test(resolved));
    expect(hosts).toEqual([]);
  });
});
