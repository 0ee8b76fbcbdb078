import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultCounts, evenlySpread } from '../../../src/selection/spread.ts';

describe('the positions of a curve', () => {
  it('are spread from the first to the last', () => {
    expect(evenlySpread(4, 48)).toEqual([0, 16, 31, 47]);
    expect(evenlySpread(1, 48)).toEqual([30]);
    expect(evenlySpread(1, 1)).toEqual([0]);
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 90 }), fc.nat(200), (count, more) => {
        const positions = count + more;
        const at = evenlySpread(count, positions);
        expect(new Set(at).size).toBe(count);
        expect([at[0], at.at(-1)]).toEqual([0, positions - 1]);
      }),
    );
  });

  it('double at first, and end with all', () => {
    expect(defaultCounts(48)).toEqual([1, 2, 4, 8, 16, 24, 32, 40, 48]);
    expect(defaultCounts(1)).toEqual([1]);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), positions => {
        const counts = defaultCounts(positions);
        expect([counts[0], counts.at(-1)]).toEqual([1, positions]);
        expect(counts.every((c, i) => i === 0 || c > counts[i - 1])).toBe(true);
      }),
    );
  });
});
