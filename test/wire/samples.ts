/** Values as the wire declares them: what a stand-in answers, and the check of real answers. */
import { expect } from "vitest";
import { conforms, faultsIn } from "../../src/wire/check.ts";
import { eventTable } from "../../src/wire/events.ts";
import { object, type Field, type Fields, type ObjectOf } from "../../src/wire/field.ts";

/** An object with every field that is always present. */
export function sampleOf<S extends Fields>(fields: S): ObjectOf<S> {
  const value = membersOf(fields);
  if (!conforms(fields, value)) throw new Error("the sample is not as declared");
  return value;
}

function membersOf(fields: Fields): Record<string, unknown> {
  const required = Object.entries(fields).filter(([, { optional }]) => optional === undefined);
  return Object.fromEntries(required.map(([name, field]) => [name, valueOf(field)]));
}

const STRINGS = {
  uuid: "0b6f2f0e-5a0c-4f7e-9d0e-0123456789ab",
  host: "host-b",
  path: "/image",
  time: "2026-01-02T03:04:05.678Z",
};

function valueOf(field: Field): unknown {
  switch (field.kind) {
    case "string":
      return field.format === undefined ? "text" : STRINGS[field.format];
    case "integer":
      return Math.max(field.min, 1);
    case "boolean":
    case "true":
      return true;
    case "enum":
      return field.values[0];
    case "list":
      return [];
    case "object":
      return membersOf(field.fields);
    case "map":
    case "raw":
      return {};
  }
}

/** A result has the fields that its verb declares, and no others. */
export function expectAsDeclared(field: Field, value: unknown): void {
  expect([...faultsIn(field, JSON.parse(JSON.stringify(value)))]).toEqual([]);
}

/** The same for an event: its name, its envelope and its fields. */
export function expectEventAsDeclared(event: {
  readonly method: string;
  readonly params: object;
}): void {
  const [, component, name = "", vmId = ""] = event.method.split("|");
  const row = eventTable[name];
  expect(component).toBe("virt");
  expect(row, event.method).toBeDefined();
  const { notify_time: time, ...rest } = JSON.parse(JSON.stringify(event.params));
  expect(Number.isSafeInteger(time)).toBe(true);
  expect(Object.keys(rest)).toEqual([vmId]);
  if (row !== undefined) expectAsDeclared(object(row.fields, ""), rest[vmId]);
}
