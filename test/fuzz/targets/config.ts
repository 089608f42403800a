/**
 * The configuration: almost valid or hostile values, and files of arbitrary bytes. It is either
 * parsed or rejected with a one-line ConfigError; a parsed one parses to the same again.
 */

import fc from "fast-check";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  applyReload,
  type Config,
  ConfigError,
  configRows,
  diffConfig,
  loadConfig,
  parseConfig,
} from "../../../src/config/config.ts";
import { mutated, rawBytes } from "../bytes.ts";
import { objectText, STRINGS, stringText, valueText } from "../json-text.ts";
import { claim, pure, show, type Target } from "../target.ts";

const LINE_LENGTH_MAX = 2000;

type Member = readonly [key: string, value: string];

const TEXTS = [
  "/a",
  "/a/../b",
  "a",
  "/",
  `/${"a".repeat(106)}`,
  `/${"a".repeat(107)}`,
  `/${"é".repeat(53)}`,
  "/a\nb",
  "127.0.0.1",
  "::1",
  "fe80::1%lo",
  "qemu:///system",
  "qemu+tls://{host}/system",
  "qemu+tls://{host}{host}/$&",
  "qemu://{host}\n",
  "none",
  "daemon",
  "debug",
  ...STRINGS,
].map((text) => JSON.stringify(text));

const goodValue = fc.oneof(
  fc.constantFrom("1", "2", "10", "0.1", "60", "true", "false", "0", "-0", "null"),
  fc.constantFrom(...TEXTS),
);
const value = fc.oneof({ weight: 6, arbitrary: goodValue }, { weight: 1, arbitrary: valueText });

const sections = [...new Set(configRows().map(({ key }) => key.split(".")[0] ?? ""))];

function sectionOf(section: string): fc.Arbitrary<Member> {
  const names = configRows().flatMap(({ key }) => {
    const [own, name = ""] = key.split(".");
    return own === section ? [name] : [];
  });
  const name = fc.oneof(
    { weight: 30, arbitrary: fc.constantFrom(...names) },
    { weight: 1, arbitrary: fc.constantFrom(...STRINGS) },
  );
  // Each key's default is always valid.
  const defaults = new Map(
    configRows().map((row) => [row.key, JSON.stringify(row.default)] as const),
  );
  const member = fc
    .tuple(
      name,
      fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: value }),
    )
    .map(([key, own]): Member => [key, own ?? defaults.get(`${section}.${key}`) ?? "null"]);
  const content = fc.oneof(
    { weight: 30, arbitrary: objectText(fc.array(member, { maxLength: 4 })) },
    { weight: 1, arbitrary: valueText },
  );
  return content.map((text): Member => [section, text]);
}

const oddSection: fc.Arbitrary<Member> = fc.tuple(fc.constantFrom(...STRINGS), valueText);

const configText = fc.oneof(
  {
    weight: 30,
    arbitrary: objectText(fc.array(fc.oneof(...sections.map(sectionOf)), { maxLength: 3 })),
  },
  {
    weight: 1,
    arbitrary: objectText(fc.array(oddSection, { maxLength: 2 })),
  },
  { weight: 1, arbitrary: valueText },
  { weight: 1, arbitrary: stringText(fc.constantFrom(...STRINGS)) },
);

/** The configuration, or undefined if it was rejected properly. **Fails**: Error. */
function attempt(read: () => Config): Config | undefined {
  try {
    return read();
  } catch (error) {
    claim(error instanceof ConfigError, `not a ConfigError: ${String(error)}`);
    const { message } = error;
    claim(!/[\p{Cc}\u2028\u2029]/u.test(message), `more than one line: ${show(message)}`);
    claim(message.length <= LINE_LENGTH_MAX, `a line of ${message.length}: ${show(message, 300)}`);
    return undefined;
  }
}

function claimSame(config: Config): void {
  const text = JSON.stringify(config);
  claim(
    JSON.stringify(parseConfig(JSON.parse(text))) === text,
    `parsed differently the second time: ${text}`,
  );
  const { changed, needsRestart } = diffConfig(config, config);
  claim(changed.length === 0 && needsRestart.length === 0, "differs from itself");
  claim(JSON.stringify(applyReload(config, config)) === text, "changed by reloading itself");
  const frozen = [config, ...Object.values(config)].every((each) => Object.isFrozen(each));
  claim(frozen, "not frozen");
}

export const configValues = pure<string>(
  { name: "config-values", input: configText, share: 6 },
  (text) => {
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      return;
    }
    const config = attempt(() => parseConfig(json));
    if (config !== undefined) claimSame(config);
  },
);

export const configFiles: Target<Uint8Array> = {
  name: "config-files",
  input: fc.oneof(
    { weight: 6, arbitrary: mutated(configText.map((text) => Buffer.from(text))) },
    { weight: 1, arbitrary: rawBytes },
  ),
  batch: 16,
  share: 3,
  start: async () => {
    const folder = await mkdtemp(join(tmpdir(), "vdsm-fuzz-"));
    let files = 0;
    return {
      run: async (bytes) => {
        files += 1;
        const path = join(folder, `${files % 16}.json`);
        await writeFile(path, bytes);
        const config = attempt(() => loadConfig(path));
        if (config !== undefined) claimSame(config);
      },
      check: async () => await Promise.resolve(),
      stop: async () => await rm(folder, { recursive: true, force: true }),
    };
  },
};
