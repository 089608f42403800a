/**
 * The README's tables, made from what the code declares: verbs, events, configuration, errors and
 * limits from their tables, phases and reasons from their types. A type has no texts and a limit
 * none for people, so theirs are in texts.ts.
 */
import { configRows } from "../../src/config/config.ts";
import { endReasons, stallReasons, whereabouts } from "../../src/core/event.ts";
import { checkNames } from "../../src/core/migrate-check.ts";
import { phases } from "../../src/core/migration.ts";
import { errorTable } from "../../src/errors.ts";
import { eventFields } from "../../src/monitor/wire-events.ts";
import { defaultRpcLimits } from "../../src/rpc/limits.ts";
import { mayHearEvents, verbRoles } from "../../src/rpc/roles.ts";
import { describeParam, type ParamRow, type VerbRow } from "../../src/rpc/verb-row.ts";
import { verbRows } from "../../src/rpc/verb-table.ts";
import { migrationFields } from "./migration-fields.ts";
import * as texts from "./texts.ts";

type Cells = readonly string[];

/** Never in the README: the test looks for it. */
export const NO_TEXT = "no text in test/docs/texts.ts";

/** Verbs whose parameters have a table of their own; those of the others share one. */
const OWN_TABLE = ["VM.migrate", "VM.migrateChangeParams"];

/** Takes what VM.migrate takes. */
const SAME_AS_MIGRATE = "VM.migrateCheck";

/** Every table by the name in its marker. */
export function readmeTables(): ReadonlyMap<string, string> {
  const own = verbRows().filter(({ name }) => OWN_TABLE.includes(name));
  return new Map([
    ["phases", phaseTable()],
    ["verbs", verbTable()],
    ...own.map((verb) => [verb.name, paramTable(verb.params)] as const),
    ["other parameters", otherParamTable()],
    ["Host.getMigrations", fieldTable(migrationFields)],
    ...Object.entries(eventFields).map(([name, fields]) => [name, fieldTable(fields)] as const),
    [
      "stall reasons",
      table(["Reason", "It means", "What to do"], rowsOf(stallReasons, texts.stallReasons)),
    ],
    [
      "outcomes",
      table(["Reason", "Outcome", "Code", "What happened"], rowsOf(endReasons, texts.outcomes)),
    ],
    ["where", table(["Where", "The guest"], rowsOf(whereabouts, texts.places))],
    ["checks", table(["Check", "ok true", "ok false or null"], rowsOf(checkNames, texts.checks))],
    ["roles", roleTable()],
    ["configuration", configTable()],
    ["errors", errorRows()],
    ["limits", limitTable()],
  ]);
}

function rowsOf(names: readonly string[], cells: texts.Texts): readonly Cells[] {
  return names.map((name) => [code(name), ...(cells[name] ?? [NO_TEXT])]);
}

function phaseTable(): string {
  const head = ["Phase", "What happens", "Stall clock", "`VM.migrateCancel`"];
  const stopping = Object.keys(texts.stoppingPhases);
  return table(head, [...rowsOf(phases, texts.phases), ...rowsOf(stopping, texts.stoppingPhases)]);
}

function verbTable(): string {
  const unknownKeys = { refuse: "-32602", ignore: "ignored", report: "logged once" } as const;
  const rows = verbRows().map((verb) => [
    code(verb.name),
    verb.aliases.map(code).join(", "),
    paramNames(verb),
    unknownKeys[verb.unknownKeys],
    verb.result,
    verb.doc,
  ]);
  return table(["Verb", "Also", "Parameters", "Unknown keys", "Result", "What it does"], rows);
}

function paramNames({ params }: VerbRow): string {
  const [only, ...others] = params;
  if (only === undefined) return "none";
  return others.length === 0 ? code(only.name) : "see below";
}

const PARAM_HEAD = ["Parameter", "Type, range, unit", "Default", "Meaning"];

function paramTable(params: readonly ParamRow[]): string {
  return table(PARAM_HEAD, paramRows(params));
}

function paramRows(params: readonly ParamRow[]): readonly Cells[] {
  return params.map((param) => [
    code(param.name),
    describeParam(param),
    param.required ? "required" : param.default,
    param.doc,
  ]);
}

function otherParamTable(): string {
  const rows = verbRows()
    .filter(
      ({ name, params }) => params.length > 1 && ![...OWN_TABLE, SAME_AS_MIGRATE].includes(name),
    )
    .flatMap((verb) => paramRows(verb.params).map((cells) => [code(verb.name), ...cells]));
  return table(["Verb", ...PARAM_HEAD], rows);
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

function fieldTable(fields: Readonly<Record<string, string>>): string {
  const rows = Object.entries(fields).map(([name, text]) => [code(name), text]);
  return table(["Field", "Unit and meaning"], rows);
}

function configTable(): string {
  const rows = configRows().map((row) => [
    code(row.key),
    code(JSON.stringify(row.default)),
    [row.range, ...(row.unit === "" ? [] : [row.unit])].join(", "),
    row.reloadable ? "yes" : "restart",
    row.doc,
  ]);
  return table(["Key", "Default", "Range, unit", "SIGHUP", "Meaning"], rows);
}

function errorRows(): string {
  const rows = Object.values(errorTable)
    .toSorted((one, other) => one.number - other.number)
    .map(({ number, level, when }) => [String(number), level, when]);
  return table(["Code", "Logged at", "When"], rows);
}

function limitTable(): string {
  const rows = numbersIn(defaultRpcLimits).map(([name, value]) => [
    code(name),
    String(value),
    ...(texts.limits[name] ?? [NO_TEXT]),
  ]);
  return table(["Limit", "Value", "Of what (and what comes beyond it)"], rows);
}

/** `stomp.lineBytes` for what is one level down. */
function numbersIn(limits: object, prefix = ""): readonly (readonly [string, number])[] {
  return Object.entries(limits).flatMap(([name, value]: [string, unknown]) => {
    if (typeof value === "number") return [[`${prefix}${name}`, value] as const];
    return typeof value === "object" && value !== null ? numbersIn(value, `${prefix}${name}.`) : [];
  });
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: Cells, rows: readonly Cells[]): string {
  const line = (cells: Cells): string => `| ${cells.map(escapePipes).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function escapePipes(cell: string): string {
  return cell.replaceAll("|", String.raw`\|`);
}
