/** A number for a table: `digits` decimals, a dash where there is none, and no sign on what rounds to zero. */
export function fixed(value: number | undefined, digits = 4): string {
  if (value === undefined || Number.isNaN(value)) return '–';
  const text = value.toFixed(digits);
  return /^-0(?:\.0*)?$/.test(text) ? text.slice(1) : text;
}
