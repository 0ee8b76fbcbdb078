import { describe, expect, it } from 'vitest';
import { intervalChart } from '../../../src/report/intervals.ts';

describe('intervals', () => {
  const rows = [
    { name: 'b <c>', intervals: [{ value: 0.2, low: 0.1, high: 0.3 }, undefined] },
    {
      name: 'd',
      intervals: [
        { value: -0.1, low: -0.2, high: Number.NaN },
        { value: 0, low: -0.1, high: 0.1 },
      ],
    },
  ];
  const svg = intervalChart(rows, { series: ['at home', 'under shift'], xLabel: 'Dice' });

  it('are lines from end to end with a mark between, in the order of the values; what is not finite is left out', () => {
    const lines = [...svg.matchAll(/x1="([\d.]+)" x2="([\d.]+)" [^>]*stroke-width="2"/g)].map(m => [+m[1], +m[2]]);
    expect(lines).toHaveLength(2);
    const [first, second] = lines;
    expect(first[0]).toBeLessThan(first[1]);
    expect(second[0]).toBeLessThan(first[0]);
    const [, circle] = /<circle cx="([\d.]+)"/.exec(svg) ?? [];
    expect(Number(circle)).toBeCloseTo((first[0] + first[1]) / 2, 1);
  });

  it('escape names, and say what is which', () => {
    expect(svg).toContain('>b &lt;c&gt;</text>');
    expect(svg).toContain('>under shift</text>');
    expect(svg).not.toContain('NaN');
    expect(intervalChart([], { series: ['at home'], xLabel: 'Dice' })).not.toContain('NaN');
  });
});
