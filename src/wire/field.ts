/**
 * How a value on the wire is declared: once, as data. A `Field` says what type a value has, its unit
 * and range, what it means, and when it may be missing. From it come the check of a request
 * (check.ts), the TypeScript type (`ObjectOf`), JSON Schema (json-schema.ts) and the tables of the
 * reference. Which fields there are is not known here.
 */

interface About {
  /** What it means, in words that follow the name in a table. */
  readonly doc: string;
  readonly unit?: string;
  /** The values allowed, in words, where type and bounds do not say enough. */
  readonly range?: string;
  /** A parameter: what applies without it. A result's or event's field: when it is present. */
  readonly optional?: string;
  readonly nullable?: boolean;
}

/** What a string must be. */
export type Format = "uuid" | "host" | "path" | "time";

export interface StringField extends About {
  readonly kind: "string";
  readonly format?: Format;
}

export interface IntegerField extends About {
  readonly kind: "integer";
  readonly min: number;
  readonly max: number;
}

export interface BooleanField extends About {
  readonly kind: "boolean";
}

/** What a verb returns that has nothing else to say. */
export interface TrueField extends About {
  readonly kind: "true";
}

export interface EnumField<V extends string = string> extends About {
  readonly kind: "enum";
  readonly values: readonly V[];
}

export interface ListField<F = unknown> extends About {
  readonly kind: "list";
  readonly of: F;
  readonly maxItems?: number;
}

export interface ObjectField<S = unknown> extends About {
  readonly kind: "object";
  readonly fields: S;
}

/** An object whose names are not declared; its values are numbers, strings, booleans or null. */
export interface MapField extends About {
  readonly kind: "map";
}

/** Described by `as`, and checked by a reader of its own. */
export interface RawField extends About {
  readonly kind: "raw";
  readonly as: Field;
}

export type Field =
  | StringField
  | IntegerField
  | BooleanField
  | TrueField
  | EnumField
  | ListField<Field>
  | ObjectField<Fields>
  | MapField
  | RawField;

/** The members of an object, or a verb's parameters, in the order in which they are shown. */
export interface Fields {
  readonly [name: string]: Field;
}

export type Scalar = number | string | boolean | null;

type Plain<F> = F extends { readonly kind: "integer" }
  ? number
  : F extends { readonly kind: "boolean" }
    ? boolean
    : F extends { readonly kind: "true" }
      ? true
      : F extends EnumField<infer V>
        ? V
        : F extends ListField<infer O>
          ? readonly ValueOf<O>[]
          : F extends ObjectField<infer S>
            ? ObjectOf<S>
            : F extends { readonly kind: "map" }
              ? Readonly<Record<string, Scalar>>
              : F extends { readonly kind: "raw" }
                ? unknown
                : string;

/** The type of the value that a field declares. */
export type ValueOf<F> = F extends { readonly nullable: true } ? Plain<F> | null : Plain<F>;

type IsOptional<F> = F extends { readonly optional: string } ? true : false;

type Flat<T> = { readonly [K in keyof T]: T[K] };

/** The type of the object that the fields declare. */
export type ObjectOf<S> = Flat<
  {
    readonly [K in keyof S as IsOptional<S[K]> extends true ? never : K]: ValueOf<S[K]>;
  } & {
    readonly [K in keyof S as IsOptional<S[K]> extends true ? K : never]?: ValueOf<S[K]>;
  }
>;

type More = Pick<About, "unit" | "range">;

export function text(doc: string, more: More & { readonly format?: Format } = {}): StringField {
  return { kind: "string", doc, ...more };
}

export function uuid(doc: string): StringField {
  return { kind: "string", format: "uuid", range: "UUID", doc };
}

/** ISO 8601, UTC. */
export function time(doc: string): StringField {
  return { kind: "string", format: "time", range: "ISO 8601, UTC", doc };
}

/** Above it a JSON number is no longer exact. */
export const COUNT_MAX = Number.MAX_SAFE_INTEGER;

export function integer(
  bounds: { readonly min: number; readonly max: number },
  doc: string,
  more: More = {},
): IntegerField {
  return { kind: "integer", min: bounds.min, max: bounds.max, doc, ...more };
}

/** A whole number that is not negative. */
export function count(doc: string, unit?: string): IntegerField {
  return integer({ min: 0, max: COUNT_MAX }, doc, unit === undefined ? {} : { unit });
}

export function boolean(doc: string): BooleanField {
  return { kind: "boolean", doc };
}

export function oneOf<const V extends string>(values: readonly V[], doc: string): EnumField<V> {
  return { kind: "enum", values, doc };
}

export function listOf<F extends Field>(
  of: F,
  doc: string,
  more: More & { readonly maxItems?: number } = {},
): ListField<F> {
  return { kind: "list", of, doc, ...more };
}

export function object<S extends Fields>(fields: S, doc: string): ObjectField<S> {
  return { kind: "object", fields, doc };
}

export function map(doc: string): MapField {
  return { kind: "map", doc };
}

export function raw(as: Field, doc: string, more: More = {}): RawField {
  return { kind: "raw", as, doc, ...more };
}

/** `when`: of a parameter its default, of any other field when it is there. */
export function optional<F extends Field>(
  when: string,
  field: F,
): F & { readonly optional: string } {
  return { ...field, optional: when };
}

export function orNull<F extends Field>(field: F): F & { readonly nullable: true } {
  return { ...field, nullable: true };
}

/** The same fields, each of them only present `when`. */
export function allOptional<S extends Fields>(
  when: string,
  fields: S,
): { readonly [K in keyof S]: S[K] & { readonly optional: string } };
export function allOptional(when: string, fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [name, optional(when, field)]),
  );
}
