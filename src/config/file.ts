/**
 * Reads a file of JSON, and says in words what is wrong with one that cannot be read. What the values
 * mean is not known here.
 */
import { readFileSync } from "node:fs";
import { jsonMistake } from "./json-position.ts";

export type ReadJson =
  | { readonly kind: "read"; readonly value: unknown }
  | { readonly kind: "unreadable"; readonly why: string };

/** **Fails**: never. */
export function readJsonFile(path: string): ReadJson {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    return { kind: "unreadable", why: whyUnreadable(error) };
  }
  if (text.trim() === "") return { kind: "unreadable", why: "the file is empty" };
  try {
    return { kind: "read", value: JSON.parse(text) };
  } catch (error) {
    return { kind: "unreadable", why: `not readable as JSON: ${whyNoJson(text, error)}` };
  }
}

/** What the file system said of a file, in words. */
export function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "ENOENT":
      return "no such file";
    case "EISDIR":
      return "a folder, not a file";
    case "ENOTDIR":
      return "no such file: a part of its path is not a folder";
    case "EACCES":
    case "EPERM":
      return "not allowed to read it";
    default:
      return error instanceof Error ? error.message : String(error);
  }
}

function whyNoJson(text: string, error: unknown): string {
  const mistake = jsonMistake(text);
  if (mistake === undefined) return error instanceof Error ? error.message : String(error);
  const { line, column, expected } = mistake;
  return `line ${line}, column ${column}: expected ${expected}`;
}
