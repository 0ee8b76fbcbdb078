import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decompose, solveRows, withoutStops } from '../../../../passes/stitch/algebra/cholesky.ts';
import { addProduct, tile } from '../../../../passes/stitch/algebra/product.ts';
import { random } from '../../ort.ts';
import { solved } from './reference.ts';

const draw = (length: number, seed: number): Float64Array => {
  const r = random(seed);
  return Float64Array.from({ length }, () => r() - 0.5);
};

/** A positive definite matrix [n, n]: the product of a random one with itself, and a little more on the diagonal. */
function definite(n: number, seed: number): Float64Array {
  const root = draw(n * n, seed);
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) for (let k = 0; k < n; k++) a[i * n + j] += root[i * n + k] * root[j * n + k];
    a[i * n + i] += 0.1;
  }
  return a;
}

const farthest = (x: Float64Array, y: Float64Array): number =>
  x.reduce((most, v, i) => Math.max(most, Math.abs(v - y[i])), 0);
const largest = (x: Float64Array): number => x.reduce((most, v) => Math.max(most, Math.abs(v)), 0);

describe('addProduct', () => {
  test('adds a multiple of a bᵀ to a part of a matrix, and touches nothing around it', () => {
    const side = fc.integer({ min: 1, max: tile });
    fc.assert(
      fc.property(side, side, fc.integer({ min: 0, max: 400 }), fc.integer(), (m, n, k, seed) => {
        const [a, b, c] = [
          draw((m + 1) * (k + 3), seed),
          draw((n + 1) * (k + 2), seed + 1),
          draw((m + 2) * (n + 5), seed + 2),
        ];
        const want = c.slice();
        for (let i = 0; i < m; i++) {
          for (let j = 0; j < n; j++) {
            let sum = 0;
            for (let p = 0; p < k; p++) sum += a[2 + i * (k + 3) + p] * b[1 + j * (k + 2) + p];
            want[7 + i * (n + 5) + j] -= 2 * sum;
          }
        }
        const block = (data: Float64Array, at: number, stride: number) => ({ data, at, stride });
        addProduct(block(c, 7, n + 5), -2, block(a, 2, k + 3), block(b, 1, k + 2), m, n, k);
        expect(farthest(c, want)).toBeLessThan(1e-12);
      }),
      { numRuns: 20 },
    );
  });
});

describe('decompose and solveRows', () => {
  test('solve as Gaussian elimination does, whatever the size is to that of a tile', () => {
    const size = fc.oneof(
      fc.integer({ min: 1, max: 2 * tile + 5 }),
      fc.constantFrom(tile - 1, tile, tile + 1, 3 * tile),
    );
    fc.assert(
      fc.property(size, size, fc.integer(), (n, rows, seed) => {
        const a = definite(n, seed);
        const right = draw(rows * n, seed + 1);
        const factor = a.slice();
        expect(withoutStops(decompose(factor, n))).toBe(true);
        const x = right.slice();
        withoutStops(solveRows(factor, n, x, rows));
        const want = solved(a, n, right, rows);
        expect(farthest(x, want)).toBeLessThan(1e-9 * largest(want));
      }),
      { numRuns: 10 },
    );
  });

  test('leave L below and Lᵀ above the diagonal', () => {
    const n = tile + 17;
    const a = definite(n, 3);
    const factor = a.slice();
    withoutStops(decompose(factor, n));
    const product = new Float64Array(n * n);
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        expect(factor[i * n + j]).toBe(factor[j * n + i]);
        for (let k = 0; k <= Math.min(i, j); k++) product[i * n + j] += factor[i * n + k] * factor[j * n + k];
      }
    }
    expect(farthest(product, a)).toBeLessThan(1e-12);
  });

  test('say so of what is not positive definite, or not a number, in whichever tile', () => {
    const n = 2 * tile + 3;
    const whole = definite(n, 5);
    for (const at of [0, tile - 1, tile, 2 * tile + 2]) {
      for (const value of [-1, 0, Number.NaN]) {
        const a = whole.slice();
        a[at * n + at] = value;
        expect(withoutStops(decompose(a, n))).toBe(false);
      }
    }
  });

  test('stop often: no stretch of work is longer than a tile by all columns', () => {
    const n = 4 * tile;
    const factor = definite(n, 7);
    for (const steps of [decompose(factor, n), solveRows(factor, n, draw(n * n, 8), n)]) {
      const stretches = [...(steps as Generator<number>)];
      expect(stretches.length).toBeGreaterThan(9);
      expect(Math.max(...stretches)).toBeLessThanOrEqual(tile * tile * (n + tile));
    }
  });
});
