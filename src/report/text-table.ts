/** Tables of words and numbers: for the terminal, and as Markdown. */

export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;

/** The lines of a table in Markdown. */
export const markdownTable = ({ head, rows }: TextTable): readonly string[] =>
  [head, head.map(() => '---'), ...rows].map(line);
