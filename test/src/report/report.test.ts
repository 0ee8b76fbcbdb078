import { expect, it } from 'vitest';
import { comparisonTexts } from '../../../src/report/report.ts';

it('comparisons are sentences that say what was shown', () => {
  const found = (value: number, low: number, high: number, groups = 20) => ({
    network: 'stitched',
    against: 'output ensemble',
    value,
    low,
    high,
    groups,
  });
  const tests = [
    {
      name: 'b',
      data: 'b.npz',
      images: 20,
      metric: 'dice',
      rows: [],
      comparisons: [
        found(0.0009, -0.001, 0.0028),
        found(0.02, 0.01, 0.03),
        found(-0.02, -0.03, -0.01),
        found(0.00001, -0.00001, 0),
        found(0.5, 0.5, 0.5, 1),
        found(Number.NaN, Number.NaN, Number.NaN),
      ],
    },
  ] as const;
  expect(comparisonTexts(tests)).toEqual([
    'stitched − output ensemble on b: +0.0009 [−0.0010, +0.0028]: no difference shown',
    'stitched − output ensemble on b: +0.0200 [+0.0100, +0.0300]: better',
    'stitched − output ensemble on b: −0.0200 [−0.0300, −0.0100]: worse',
    'stitched − output ensemble on b: 0.0000 [0.0000, 0.0000]: no difference shown',
    'stitched − output ensemble on b: +0.5000 on one group of images alone: no difference shown',
    'stitched − output ensemble on b: – [–, –]: no difference shown',
  ]);
});
