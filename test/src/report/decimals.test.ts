import { describe, expect, it } from 'vitest';
import { fixed } from '../../../src/report/decimals.ts';

describe('fixed', () => {
  it('has no sign on what rounds to zero', () => {
    expect([-0, -0.00004, -0.00006, 0.00004].map(v => fixed(v))).toEqual(['0.0000', '0.0000', '-0.0001', '0.0000']);
    expect([fixed(-0.4, 0), fixed(-10, 0), fixed(-1.5, 1)]).toEqual(['0', '-10', '-1.5']);
  });

  it('is a dash where there is no number', () => {
    expect([fixed(undefined), fixed(Number.NaN)]).toEqual(['–', '–']);
  });
});
