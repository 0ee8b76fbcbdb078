import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ChartSeries, lineChart, scatterChart } from '../../../src/report/chart.ts';
import { anyText } from './characters.ts';

const options = { xLabel: 'positions', yLabel: 'Dice', width: 400, height: 300 };
const two: readonly ChartSeries[] = [
  {
    name: 'all <on>',
    points: [
      { x: 1, y: 0.9 },
      { x: 2, y: 0.8, low: 0.7, high: 0.85 },
    ],
  },
  { name: 'sampled', points: [{ x: 1, y: 0.95, text: 'best', title: '"k" & 1' }], dashed: true },
];

describe('charts', () => {
  it('have one path for each line, one mark for each point and each legend entry', () => {
    const svg = lineChart(two, options);
    expect(svg.match(/<path [^>]*stroke-width="2"/g)).toHaveLength(2);
    expect(svg.match(/<circle /g)).toHaveLength(3 + 2);
    expect(svg).toContain('stroke-dasharray');
    expect(svg).toContain('>all &lt;on&gt;</text>');
    expect(svg).toContain('<title>&quot;k&quot; &amp; 1</title>');
  });

  it('join points only where asked for in a scatter chart', () => {
    expect(scatterChart(two, options)).not.toContain('<path ');
    expect(scatterChart([{ ...two[0], joined: true }], options)).toContain('<path ');
  });

  it('have no room below 0 where nothing is negative', () => {
    const ticksOf = (values: readonly number[]) =>
      [
        ...lineChart([{ name: '', points: values.map((y, x) => ({ x, y })) }], options).matchAll(
          /text-anchor="end">([^<]+)</g,
        ),
      ].map(([, text]) => text);
    expect(ticksOf([0, 0.3, 0.92])[0]).toBe('0.0');
    expect(ticksOf([-0.1, 0.3, 0.92])[0]).toMatch(/^−/);
  });

  it('put a larger y higher and a larger x further to the right', () => {
    const svg = scatterChart([{ name: '', points: two[0].points }], options);
    const [first, second] = [...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)"/g)].map(m => [+m[1], +m[2]]);
    expect(first[0]).toBeLessThan(second[0]);
    expect(first[1]).toBeLessThan(second[1]);
  });

  it('hold whatever numbers and names there are without a NaN or an open tag', () => {
    const number = fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.constantFrom(0.1, 1e-4, NaN, Infinity));
    const point = fc.record({ x: number, y: number });
    const series = fc.record({ name: anyText, points: fc.array(point, { maxLength: 5 }) });
    fc.assert(
      fc.property(fc.array(series, { maxLength: 4 }), fc.boolean(), (list, log) => {
        const svg = lineChart(list, { ...options, xLog: log });
        expect(svg).not.toMatch(/="[^"]*NaN/);
        expect(svg.match(/</g)).toHaveLength(svg.match(/>/g)!.length);
        // biome-ignore lint/suspicious/noControlCharactersInRegex: the characters that XML forbids.
        expect(svg).not.toMatch(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/);
      }),
      { numRuns: 50 },
    );
  });
});
