import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minimise } from '../../../src/training/lbfgs.ts';

describe('minimise', () => {
  it('finds the least of any convex quadratic', async () => {
    const numbers = fc.array(fc.double({ min: -2, max: 2, noNaN: true }), { minLength: 5, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(numbers, numbers, numbers, async (least, start, tilt) => {
        // A diagonal of five scales and a rank one part.
        const evaluate = async (x: Float64Array) => {
          const d = x.map((v, i) => v - least[i]);
          const along = d.reduce((sum, v, i) => sum + v * tilt[i], 0);
          const gradient = d.map((v, i) => 2 * 3 ** i * v + 2 * along * tilt[i]);
          return { value: d.reduce((sum, v, i) => sum + 3 ** i * v * v, along * along), gradient };
        };
        const found = await minimise(evaluate, Float64Array.from(start), { iterations: 100, tolerance: 0 });
        for (const [i, v] of found.entries()) expect(Math.abs(v - least[i])).toBeLessThan(1e-4);
      }),
      { numRuns: 50 },
    );
  });

  it("follows Rosenbrock's valley to its end", async () => {
    const found = await minimise(
      async ([x, y]) => ({
        value: (1 - x) ** 2 + 100 * (y - x ** 2) ** 2,
        gradient: Float64Array.of(-2 * (1 - x) - 400 * x * (y - x ** 2), 200 * (y - x ** 2)),
      }),
      Float64Array.of(-1.2, 1),
      { iterations: 200, tolerance: 0 },
    );
    expect(found[0]).toBeCloseTo(1, 4);
    expect(found[1]).toBeCloseTo(1, 4);
  });

  it('shortens steps to where the value is finite, and stays where no step helps', async () => {
    const log = async ([x]: Float64Array) => ({ value: x - Math.log(x), gradient: Float64Array.of(1 - 1 / x) });
    expect((await minimise(log, Float64Array.of(0.01), { tolerance: 0 }))[0]).toBeCloseTo(1, 4);
    const nowhere = async () => ({ value: Number.NaN, gradient: Float64Array.of(Number.NaN) });
    expect(await minimise(nowhere, Float64Array.of(3))).toEqual(Float64Array.of(3));
  });

  it('tells of every point, each lower than the one before', async () => {
    const values: number[] = [];
    const square = (x: Float64Array) => x.reduce((sum, v, i) => sum + (i + 1) * v ** 4, 0);
    await minimise(
      async x => ({ value: square(x), gradient: x.map((v, i) => 4 * (i + 1) * v ** 3) }),
      Float64Array.of(1, -2, 3),
      { iterations: 7, tolerance: 0, onStep: async x => void values.push(square(x)) },
    );
    expect(values.length).toBe(7);
    expect(values).toEqual(values.toSorted((x, y) => y - x));
  });
});
