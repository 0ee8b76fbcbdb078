import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rankCorrelation } from '../../../../src/selection/diagnose/positions.ts';

describe('rank correlation', () => {
  it("is Spearman's, as SciPy has it", () => {
    expect(rankCorrelation([1, 2, 2, 4, 5, 0.5], [3, 1, 4, 4, 9, -2])).toBeCloseTo(0.8676470588235294, 12);
    expect(rankCorrelation([0.1, 0.5, 0.2, 0.9], [4, 3, 2, 1])).toBeCloseTo(-0.8, 12);
  });

  it('is 1 for whatever rises with it and -1 for what falls, and leaves out what is no number', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.integer(), { minLength: 2 }), values => {
        const risen = values.map(value => value / 2 + 1);
        expect(rankCorrelation(values, risen)).toBeCloseTo(1, 9);
        expect(rankCorrelation([...values, 3], [...risen.map(value => -value), Number.NaN])).toBeCloseTo(-1, 9);
      }),
    );
  });

  it('says nothing of what is the same everywhere', () => {
    expect(rankCorrelation([1, 1, 1], [1, 2, 3])).toBeNaN();
  });
});
