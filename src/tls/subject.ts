/** Certificate subjects in the one form in which they are compared and shown. Pure. */

/**
 * Converts a subject from Node's form (`X509Certificate.subject`: one line per part, outermost first)
 * to RFC 2253's. Node escapes line ends and plus signs in values, so an unescaped line end or ` + `
 * is always a separator. Example: `C=US\nO=Example\, Inc.\nCN=engine` becomes
 * `CN=engine,O=Example\, Inc.,C=US`.
 */
export function formatSubject(lines: string): string {
  return lines
    .split("\n")
    .toReversed()
    .map((part) => part.split(" + ").toReversed().join("+"))
    .join(",")
    .replace(/[\u{80}-\u{10ffff}]+/gu, escapeBytes);
}

/** `ü` becomes `\C3\BC`. */
function escapeBytes(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\${byte.toString(16).toUpperCase()}`).join("");
}
