import { expect, it } from 'vitest';
import { csvText } from '../../../src/report/csv.ts';

it('quotes what a comma, a quote or a line end would tear apart, and writes what is no number as statistics programs read it', () => {
  const rows = [
    { name: 'a,b', value: 0.1 },
    { name: 'say "x"', value: Number.NaN },
    { name: 'two\nlines', value: Number.POSITIVE_INFINITY },
  ];
  expect(csvText(rows)).toBe('name,value\r\n"a,b",0.1\r\n"say ""x""",\r\n"two\nlines",inf\r\n');
});
