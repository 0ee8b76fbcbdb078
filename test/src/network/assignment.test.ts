import fc from 'fast-check';
import { expect, it } from 'vitest';
import { bestAssignment } from '../../../src/network/assignment.ts';

/** Every order of the numbers below n. */
const orders = (n: number): number[][] =>
  n === 0 ? [[]] : orders(n - 1).flatMap(o => Array.from({ length: n }, (_, at) => o.toSpliced(at, 0, n - 1)));

it('finds the assignment with the largest sum', () => {
  const square = fc.integer({ min: 1, max: 6 }).chain(n => {
    const row = fc.array(fc.integer({ min: -5, max: 20 }), { minLength: n, maxLength: n });
    return fc.array(row, { minLength: n, maxLength: n });
  });
  fc.assert(
    fc.property(square, gains => {
      const sum = (columns: readonly number[]): number => columns.reduce((total, c, r) => total + gains[r][c], 0);
      const found = bestAssignment(gains);
      expect([...found].sort((a, b) => a - b)).toEqual(gains.map((_, i) => i));
      expect(sum(found)).toBe(Math.max(...orders(gains.length).map(sum)));
    }),
  );
});
