/** Tables as CSV (RFC 4180), for spreadsheets and statistics programs. */

/** A number that is not defined is left empty, an infinite one is `inf`: what NumPy, pandas and R read as such. */
function cellText(cell: string | number): string {
  if (typeof cell === 'number')
    return Number.isFinite(cell) ? String(cell) : Number.isNaN(cell) ? '' : cell > 0 ? 'inf' : '-inf';
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** Rows that all have the same columns; the first says in which order. Lines end as the RFC has it, with CR and LF. */
export function csvText(rows: readonly { readonly [column: string]: string | number }[]): string {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map(row => columns.map(column => row[column]))];
  return lines.map(line => `${line.map(cellText).join(',')}\r\n`).join('');
}
