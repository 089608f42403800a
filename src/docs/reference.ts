/**
 * The reference, made wholly from what the code declares: verbs, events, outcomes, errors, states,
 * decisions, limits and configuration. `npm run docs` writes it into src/docs/reference, and a test
 * holds it to the code. Nobody edits those files by hand.
 */
import { configRows } from "../config/config.ts";
import { decisionRules } from "../core/decision-rules.ts";
import { endReasons } from "../core/end-reasons.ts";
import { limitTexts } from "../rpc/limit-texts.ts";
import { defaultRpcLimits } from "../rpc/limits.ts";
import { mayHearEvents } from "../rpc/roles.ts";
import { daemonVersion } from "../version.ts";
import { errorTable } from "../wire/errors.ts";
import { eventTable } from "../wire/events.ts";
import type { Field, Fields } from "../wire/field.ts";
import { openRpcDocument } from "../wire/openrpc.ts";
import { checks, foreignPhase, locations, phases, stallReasons, vmStates } from "../wire/states.ts";
import { describeField, describeParam, verbRoles, type Verb } from "../wire/verb.ts";
import { verbRows } from "../wire/verbs.ts";
import { code, codes, page, table, type Cells } from "./markdown.ts";

const MADE = "<!-- Made from the code by `npm run docs`. Do not edit. -->";

/** Every file of the reference by its name. */
export function referenceFiles(): ReadonlyMap<string, string> {
  return new Map([
    ["verbs.md", verbsPage()],
    ["events.md", eventsPage()],
    ["outcomes-and-errors.md", outcomesPage()],
    ["states.md", statesPage()],
    ["decisions.md", decisionsPage()],
    ["configuration.md", configurationPage()],
    ["limits.md", limitsPage()],
    ["openrpc.json", `${JSON.stringify(openRpcDocument(daemonVersion()), null, 2)}\n`],
  ]);
}

function verbsPage(): string {
  const rows = verbRows();
  return page(
    "# Verbs",
    MADE,
    "JSON-RPC 2.0 as HTTP POST and WebSocket, both at `/jsonrpc`, and over STOMP 1.2. Parameters may be nested as in VDSM (`{vmID, params: {…}}`) or flat (`{vmID, …}`); numbers may be strings of digits, booleans the strings true and false. Errors are listed with their numbers in [outcomes-and-errors.md](outcomes-and-errors.md); any verb may also fail with the common ones.",
    table(
      ["Verb", "Also", "What it does"],
      rows.map(({ name, aliases, doc }) => [code(name), codes(aliases), doc]),
    ),
    "## Who may call what",
    roleTable(),
    ...rows.flatMap(verbSection),
  );
}

function roleTable(): string {
  const mark = (may: boolean): string => (may ? "yes" : "");
  const rows = verbRows().map(({ name, roles }) => [
    code(name),
    ...verbRoles.map((role) => mark(roles.includes(role))),
  ]);
  const events = ["events", ...verbRoles.map((role) => mark(mayHearEvents(role)))];
  return table(["Verb", ...verbRoles], [...rows, events]);
}

const UNKNOWN_KEYS = {
  refuse: "Unknown parameters are refused (-32602).",
  ignore: "Unknown parameters are ignored.",
  report: "Unknown parameters are ignored, and logged once.",
} as const;

/** Takes what VM.migrate takes. */
const SAME_AS_MIGRATE = "VM.migrateCheck";

function verbSection(verb: Verb & { readonly name: string }): readonly string[] {
  const errors = verb.errors.map((name) => `${errorTable[name].number} ${name}`);
  return [
    `## ${verb.name}`,
    verb.doc,
    ...paramsOf(verb),
    `Returns ${resultWords(verb.result)}${errors.length === 0 ? "" : ` Errors: ${errors.join(", ")}.`}`,
    ...fieldTables(verb.result),
    ...(verb.name === SAME_AS_MIGRATE ? [checkTable()] : []),
  ];
}

function paramsOf({ name, params, unknownKeys }: Verb & { readonly name: string }): Cells {
  const rows = Object.entries(params);
  if (name === SAME_AS_MIGRATE) return ["Takes what [VM.migrate](#vmmigrate) takes."];
  if (rows.length === 0) return ["No parameters."];
  return [
    table(
      ["Parameter", "Type, range, unit", "Default", "Meaning"],
      rows.map(([param, field]) => [
        code(param),
        describeParam(field),
        field.optional ?? "required",
        field.doc,
      ]),
    ),
    UNKNOWN_KEYS[unknownKeys],
  ];
}

function resultWords(result: Field): string {
  switch (result.kind) {
    case "true":
      return "`true`.";
    case "list":
      return `a list: ${lowerFirst(result.doc)}`;
    case "object":
    case "string":
    case "integer":
    case "boolean":
    case "enum":
    case "map":
    case "raw":
      return `an object: ${lowerFirst(result.doc)}`;
  }
}

function lowerFirst(sentence: string): string {
  return `${sentence.charAt(0).toLowerCase()}${sentence.slice(1)}`;
}

function fieldTables(result: Field): readonly string[] {
  const inner = result.kind === "list" ? result.of : result;
  return inner.kind === "object" ? [fieldTable(inner.fields)] : [];
}

function fieldTable(fields: Fields): string {
  return table(
    ["Field", "Type, unit", "Present", "Meaning"],
    [...fieldRows(fields, "")].map(([name, field]) => [
      code(name),
      describeField(field),
      field.optional ?? "always",
      field.doc,
    ]),
  );
}

/** `parameters.parallel` for what is one level down, `decisions[].rule` for what is in a list. */
function* fieldRows(fields: Fields, prefix: string): Generator<readonly [string, Field]> {
  for (const [name, field] of Object.entries(fields)) {
    yield [`${prefix}${name}`, field];
    const inner = field.kind === "list" ? field.of : field;
    const dots = field.kind === "list" ? "[]." : ".";
    if (inner.kind === "object") yield* fieldRows(inner.fields, `${prefix}${name}${dots}`);
  }
}

function checkTable(): string {
  const rows = Object.entries(checks).map(([name, { good, otherwise }]) => [
    code(name),
    good,
    otherwise,
  ]);
  return table(["`check`", "`ok` true", "`ok` false or null"], rows);
}

function eventsPage(): string {
  return page(
    "# Events",
    MADE,
    'JSON-RPC notifications named as in VDSM: method `|virt|<event>|<vmId>`, params `{"<vmId>": {fields}, "notify_time": ms}`. `notify_time` is in milliseconds of one monotonic clock, 2^31 - 1 at the host\'s boot, the same as `statusTime` in answers: only good for order. All numbers are whole. They go to every WebSocket client and STOMP subscriber whose role may hear them.',
    ...Object.entries(eventTable).flatMap(([name, { when, fields }]) => [
      `## ${name}`,
      when,
      fieldTable(fields),
    ]),
  );
}

function outcomesPage(): string {
  return page(
    "# Outcomes and errors",
    MADE,
    "## How a migration ends",
    "`reason` and `code` of VM_migration_ended and of `outcome` in Host.getMigrations.",
    table(
      ["Reason", "Outcome", "Code", "What happened"],
      Object.entries(endReasons).map(([name, row]) => [
        code(name),
        row.outcome,
        name === "libvirt" ? "12 or 102" : String(row.code),
        row.doc,
      ]),
    ),
    table(
      ["`where`", "The guest"],
      Object.entries(locations).map(([name, text]) => [code(name), text]),
    ),
    "`confirmed` false: the guest has left, libvirt says that it arrived, and the destination's daemon does not answer. It is asked again every 5 s as long as the record is kept; Host.getMigrations then shows it as confirmed.",
    "## Errors",
    "Numbers above zero are VDSM's; only 1101 is our own. Match the number, never the message.",
    table(
      ["Code", "Name", "Logged at", "When"],
      Object.entries(errorTable)
        .toSorted(([, one], [, other]) => one.number - other.number)
        .map(([name, { number, level, when }]) => [String(number), name, level, when]),
    ),
  );
}

function statesPage(): string {
  return page(
    "# States",
    MADE,
    "## Phases of a migration",
    table(
      ["Phase", "What happens", "Stall clock", "`VM.migrateCancel`"],
      Object.entries(phases).map(([name, row]) => [
        code(name),
        row.what,
        row.stallClock,
        row.cancel,
      ]),
    ),
    "`cancelling` and `aborting` are shown instead of `preparing`, `starting` or `running`. Host.getMigrations has one more:",
    table(
      ["Phase", "Meaning"],
      Object.entries(foreignPhase).map(([name, text]) => [code(name), text]),
    ),
    "## Why a migration stalls",
    table(
      ["Reason", "Meaning", "What to do"],
      Object.entries(stallReasons).map(([name, row]) => [code(name), row.means, row.remedy]),
    ),
    "## States of a VM",
    "What libvirt says of a VM that is not off, what callers are shown, and whether it may migrate. While a migration of ours is running, `status` is `Migration Source` (`Saving State` for a hibernation), in post-copy `Paused` with pauseCode `POSTCOPY`; on the destination `Migration Destination` until the guest is active.",
    table(
      ["VM in libvirt", "Status", "pauseCode", "May migrate"],
      vmStates().map(({ state, status, pauseCode, mayNotMigrate, standsStill }) => [
        state,
        code(status),
        pauseCode === null ? "" : code(pauseCode),
        mayNotMigrate === null
          ? `yes${standsStill ? ", and arrives paused; no post-copy" : ""}`
          : `no: it ${mayNotMigrate}`,
      ]),
    ),
  );
}

function decisionsPage(): string {
  return page(
    "# Decisions",
    MADE,
    "`rule` of a decision in VM.explainMigration.",
    table(
      ["Rule", "What its line tells"],
      Object.entries(decisionRules).map(([name, text]) => [code(name), text]),
    ),
  );
}

function configurationPage(): string {
  const rows = configRows().map((row) => [
    code(row.key),
    code(JSON.stringify(row.default)),
    [row.range, ...(row.unit === "" ? [] : [row.unit])].join(", "),
    row.reloadable ? "yes" : "restart",
    row.doc,
  ]);
  return page(
    "# Configuration",
    MADE,
    "A JSON file, `{section: {key: value}}`; conf/vdsm.json has every key with its default. SIGHUP applies what is marked so; other changes need a restart.",
    table(["Key", "Default", "Range, unit", "SIGHUP", "Meaning"], rows),
  );
}

function limitsPage(): string {
  const texts = new Map(leavesIn(limitTexts));
  const rows = leavesIn(defaultRpcLimits).map(([name, value]) => [
    code(name),
    String(value),
    String(texts.get(name)),
  ]);
  return page(
    "# Limits",
    MADE,
    "Bounds on what clients may cost the daemon; they cannot be configured. In parentheses what a client gets beyond one.",
    table(["Limit", "Value", "Of what"], rows),
  );
}

/** `stomp.lineBytes` for what is one level down. */
function leavesIn(tree: object, prefix = ""): readonly (readonly [string, unknown])[] {
  return Object.entries(tree).flatMap(([name, value]: [string, unknown]) =>
    typeof value === "object" && value !== null
      ? leavesIn(value, `${prefix}${name}.`)
      : [[`${prefix}${name}`, value] as const],
  );
}
