/**
 * Header text on the wire and off it: `\n`, `\r`, `\\` and `\c` (a colon), as STOMP 1.2 has them.
 *
 * Reading is more lenient than the specification, which calls any other escape, and a bare colon in
 * a value, a fatal error: vdsm-jsonrpc-java escapes nothing, and an administrator's correlation id
 * such as `a\b` must not cut the engine off from the host. Both are taken literally.
 */

const toWire: ReadonlyMap<string, string> = new Map([
  ["\\", "\\\\"],
  ["\n", "\\n"],
  ["\r", "\\r"],
  [":", "\\c"],
]);

const fromWire: ReadonlyMap<string, string> = new Map(
  [...toWire].map(([plain, escaped]) => [escaped, plain]),
);

export function escapeHeader(text: string): string {
  return text.replace(/[\\\n\r:]/g, (plain) => toWire.get(plain) ?? plain);
}

export function unescapeHeader(text: string): string {
  return text.replace(/\\[\s\S]/g, (escaped) => fromWire.get(escaped) ?? escaped);
}
