/** Markdown as the reference needs it: tables, code, headings. What is in them is not known here. */

export type Cells = readonly string[];

export function code(text: string): string {
  return `\`${text}\``;
}

export function codes(texts: readonly string[]): string {
  return texts.map(code).join(", ");
}

export function table(head: Cells, rows: readonly Cells[]): string {
  const line = (cells: Cells): string => `| ${cells.map(escapePipes).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function escapePipes(cell: string): string {
  return cell.replaceAll("|", String.raw`\|`);
}

/** Blocks with an empty line between them, and a newline at the end. */
export function page(...blocks: readonly string[]): string {
  return `${blocks.join("\n\n")}\n`;
}
