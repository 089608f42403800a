/**
 * Reads a JSON file, and explains in words why one cannot be read. Does not know what the values
 * mean.
 */
import { readFileSync } from "node:fs";
import { jsonMistake } from "./json-position.ts";
import { messageOf } from "../errors.ts";

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
    return { kind: "unreadable", why: `not valid JSON: ${whyNotJson(text, error)}` };
  }
}

/** A file system error in words, to follow the file's name. */
export function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  switch (code) {
    case "ENOENT":
      return "no such file";
    case "EISDIR":
      return "is a directory";
    case "ENOTDIR":
      return "no such file: part of its path is not a directory";
    case "EACCES":
    case "EPERM":
      return "permission denied";
    default:
      return messageOf(error);
  }
}

function whyNotJson(text: string, error: unknown): string {
  const mistake = jsonMistake(text);
  if (mistake === undefined) return messageOf(error);
  const { line, column, expected } = mistake;
  return `line ${line}, column ${column}: expected ${expected}`;
}
