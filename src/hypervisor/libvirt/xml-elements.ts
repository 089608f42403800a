/**
 * The elements of a document with their positions in the text, so that a few can be changed while every
 * other byte stays the same: a parser that rewrites the document would not preserve all of a domain's
 * XML (namespaces of QEMU's command line, CDATA and comments in metadata, entities in names). Text,
 * comments, CDATA, processing instructions and a doctype are skipped, so nothing in them is mistaken
 * for an element. It knows nothing of domains.
 */

export interface XmlAttribute {
  /** With entities resolved. */
  readonly value: string;
  /** Of the text between the quotes. */
  readonly start: number;
  readonly end: number;
}

export interface XmlElement {
  /** The names from the root: `domain/devices/graphics`. */
  readonly path: string;
  readonly attributes: ReadonlyMap<string, XmlAttribute>;
  /** Of the whole element. */
  readonly start: number;
  readonly end: number;
  /** Between its tags; for an empty element (`<a/>`) both are the end of its tag. */
  readonly contentStart: number;
  readonly contentEnd: number;
  readonly selfClosing: boolean;
}

export interface XmlEdit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** What is not an element: how it begins and ends. */
const PASSED_OVER: readonly (readonly [string, string])[] = [
  ["<!--", "-->"],
  ["<![CDATA[", "]]>"],
  ["<?", "?>"],
  ["<!", ">"],
];

const NAME = String.raw`[^\s/>=<"'&]+`;
const TAG = new RegExp(
  String.raw`<(/?)(${NAME})((?:\s+${NAME}\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(/?)>`,
  "y",
);
const ATTRIBUTE = new RegExp(String.raw`(${NAME})\s*=\s*(?:"([^"]*)"|'([^']*)')`, "g");

type Open = Omit<XmlElement, "end" | "contentEnd">;

/** In the order in which they begin. **Fails**: Error if the document is not well-formed. */
export function elementsIn(xml: string): readonly XmlElement[] {
  const found: XmlElement[] = [];
  const open: Open[] = [];
  let at = xml.indexOf("<");
  while (at >= 0) {
    const passed = PASSED_OVER.find(([begin]) => xml.startsWith(begin, at));
    at = passed === undefined ? takeTag(xml, at, open, found) : endOf(xml, at, passed);
    at = xml.indexOf("<", at);
  }
  if (open.length > 0) throw new Error(`XML: ${open.at(-1)?.path ?? ""} is not closed`);
  return found.toSorted((one, other) => one.start - other.start);
}

function endOf(xml: string, at: number, [begin, end]: readonly [string, string]): number {
  const found = xml.indexOf(end, at + begin.length);
  if (found < 0) throw new Error(`XML: no ${end} after ${begin}`);
  return found + end.length;
}

function takeTag(xml: string, start: number, open: Open[], found: XmlElement[]): number {
  TAG.lastIndex = start;
  const tag = TAG.exec(xml);
  if (tag === null) throw new Error(`XML: malformed tag at ${start}`);
  const [whole, closing, name = "", attributes = "", empty] = tag;
  const end = start + whole.length;
  if (closing === "/") {
    const begun = open.pop();
    if (begun === undefined || lastName(begun.path) !== name) {
      throw new Error(`XML: unexpected </${name}>`);
    }
    found.push({ ...begun, contentEnd: start, end });
    return end;
  }
  const parent = open.at(-1)?.path;
  const begun: Open = {
    path: parent === undefined ? name : `${parent}/${name}`,
    attributes: attributesIn(attributes, start + 1 + name.length),
    start,
    contentStart: end,
    selfClosing: empty === "/",
  };
  if (begun.selfClosing) found.push({ ...begun, contentEnd: end, end });
  else open.push(begun);
  return end;
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

function attributesIn(text: string, offset: number): ReadonlyMap<string, XmlAttribute> {
  const attributes = new Map<string, XmlAttribute>();
  for (const match of text.matchAll(ATTRIBUTE)) {
    const [whole, name = "", double, single] = match;
    const raw = double ?? single ?? "";
    const end = offset + match.index + whole.length - 1;
    attributes.set(name, { value: unescaped(raw), start: end - raw.length, end });
  }
  return attributes;
}

const ENTITIES: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  quot: '"',
  apos: "'",
};

function unescaped(raw: string): string {
  return raw.replaceAll(
    /&(?:#x([0-9a-f]{1,6})|#([0-9]{1,7})|([a-z]+));/gi,
    (whole, hex, dec, name) => {
      if (typeof name === "string") return ENTITIES[name] ?? whole;
      const point = typeof hex === "string" ? Number.parseInt(hex, 16) : Number(dec);
      return point <= 0x10_ff_ff ? String.fromCodePoint(point) : whole;
    },
  );
}

/** The text with the edits applied, which must not overlap. Edits at one position keep their order. */
export function edited(xml: string, edits: readonly XmlEdit[]): string {
  let at = 0;
  const parts: string[] = [];
  for (const { start, end, text } of edits.toSorted((one, other) => one.start - other.start)) {
    parts.push(xml.slice(at, start), text);
    at = end;
  }
  return parts.join("") + xml.slice(at);
}
