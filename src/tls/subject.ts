/** Whose a certificate is, in the one form in which subjects are compared and shown. Pure but for bytes. */

/**
 * A subject as Node shows it (`X509Certificate.subject`: a line for each part, the outermost first)
 * in RFC 2253's form. Values are escaped by then, line ends and plus signs among them, so lines and
 * ` + ` can only be what divides. Example: `C=US\nO=Example\, Inc.\nCN=engine` is
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

/** `ü` is `\C3\BC`. */
function escapeBytes(text: string): string {
  return [...Buffer.from(text)].map((byte) => `\\${byte.toString(16).toUpperCase()}`).join("");
}
