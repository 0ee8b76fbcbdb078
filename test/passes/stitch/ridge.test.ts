import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type PairMoments, ridge, ridgeOfSamples, withoutStops } from '../../../passes/index.ts';
import { random, relativeError } from '../ort.ts';
import { solved } from './algebra/reference.ts';
import { momentsOf } from './moments.ts';

const matrix = (rows: number, columns: number, data: readonly number[]) => ({
  rows,
  columns,
  data: Float64Array.from(data),
});

describe('ridge', () => {
  test('recovers an affine map that holds exactly', () => {
    // y = [2 x0 - x1 + 3], x of unit variance, independent.
    const map = ridge(
      {
        meanX: Float64Array.of(1, 2),
        meanY: Float64Array.of(3),
        xx: matrix(2, 2, [1, 0, 0, 1]),
        xy: matrix(2, 1, [2, -1]),
      },
      1e-12,
    );
    expect(map.weight[0]).toBeCloseTo(2, 9);
    expect(map.weight[1]).toBeCloseTo(-1, 9);
    expect(map.bias[0]).toBeCloseTo(3, 9);
  });

  test('solves the normal equations', () => {
    const size = fc.integer({ min: 1, max: 6 });
    fc.assert(
      fc.property(size, size, fc.integer(), (c, m, seed) => {
        const r = random(seed);
        const root = Array.from({ length: c * c }, () => r() - 0.5);
        const xx = Array.from({ length: c * c }, (_, i) => {
          const [row, column] = [Math.floor(i / c), i % c];
          return Array.from({ length: c }, (_v, k) => root[row * c + k] * root[column * c + k]).reduce((a, b) => a + b);
        });
        const xy = Array.from({ length: c * m }, () => r() - 0.5);
        const lambda = 0.01;
        const { weight, bias } = ridge(
          {
            meanX: new Float64Array(c).fill(2),
            meanY: new Float64Array(m),
            xx: matrix(c, c, xx),
            xy: matrix(c, m, xy),
          },
          lambda,
        );
        const trace = xx.filter((_, i) => i % (c + 1) === 0).reduce((a, b) => a + b) / c;
        for (let i = 0; i < c; i++) {
          for (let j = 0; j < m; j++) {
            let sum = lambda * trace * weight[j * c + i];
            for (let k = 0; k < c; k++) sum += xx[i * c + k] * weight[j * c + k];
            expect(sum).toBeCloseTo(xy[i * m + j], 8);
          }
        }
        for (let j = 0; j < m; j++) {
          expect(bias[j]).toBeCloseTo(-2 * weight.slice(j * c, (j + 1) * c).reduce((a, b) => a + b, 0), 8);
        }
      }),
      { numRuns: 20 },
    );
  });

  test('a feature that never varies maps to the mean of the target', () => {
    const map = ridge({
      meanX: Float64Array.of(5),
      meanY: Float64Array.of(7),
      xx: matrix(1, 1, [0]),
      xy: matrix(1, 1, [0]),
    });
    expect([map.weight[0], map.bias[0]]).toEqual([0, 7]);
  });

  test('from samples is the same map as from moments: few rows, many rows, scales far apart, columns that are equal', () => {
    const size = fc.integer({ min: 1, max: 70 });
    fc.assert(
      fc.property(size, size, size, fc.integer(), fc.boolean(), (rows, c, m, seed, dependent) => {
        const r = random(seed);
        const scales = Float64Array.from({ length: c }, () => 10 ** (6 * r() - 3));
        const x = new Float64Array(rows * c);
        for (let i = 0; i < rows; i++) {
          // With every other column equal to the one before it, the covariance has half the rank.
          for (let j = 0; j < c; j++)
            x[i * c + j] = dependent && j % 2 === 1 ? x[i * c + j - 1] : (r() - 0.3) * scales[j];
        }
        const samples = {
          x: { rows, columns: c, data: x },
          y: { rows, columns: m, data: Float64Array.from({ length: rows * m }, r) },
        };
        const want = ridge(momentsOf(samples.x, samples.y));
        const got = withoutStops(ridgeOfSamples(samples));
        // Rounding of the covariance, relative to λ.
        expect(relativeError(got.weight, want.weight)).toBeLessThan(1e-8);
        expect(relativeError(got.bias, want.bias)).toBeLessThan(1e-8);
      }),
      { numRuns: 25 },
    );
  });

  test('is what Gaussian elimination finds, over several tiles', () => {
    const [rows, c, m] = [400, 130, 60];
    const r = random(4);
    const draw = (columns: number) => ({ rows, columns, data: Float64Array.from({ length: rows * columns }, r) });
    const moments = momentsOf(draw(c), draw(m));
    const { weight } = ridge(moments, 1e-3);
    const variance = Array.from({ length: c }, (_, i) => moments.xx.data[i * (c + 1)]).reduce((p, q) => p + q) / c;
    const a = moments.xx.data.map((v, i) => (i % (c + 1) === 0 ? v + 1e-3 * variance : v));
    const right = Float64Array.from({ length: m * c }, (_, i) => moments.xy.data[(i % c) * m + Math.floor(i / c)]);
    expect(relativeError(weight, solved(a, c, right, m))).toBeLessThan(1e-11);
  });

  test('has the rank of the samples, and goes through them where λ is nothing', () => {
    const [rows, c, m] = [5, 300, 200];
    const r = random(9);
    const draw = (columns: number) => ({ rows, columns, data: Float64Array.from({ length: rows * columns }, r) });
    const [x, y] = [draw(c), draw(m)];
    const { weight, bias } = withoutStops(ridgeOfSamples({ x, y }, 1e-12));
    const got = Float64Array.from({ length: rows * m }, (_, i) => {
      const [row, j] = [Math.floor(i / m), i % m];
      let sum = bias[j];
      for (let k = 0; k < c; k++) sum += weight[j * c + k] * x.data[row * c + k];
      return sum;
    });
    expect(relativeError(got, y.data)).toBeLessThan(1e-9);
  });

  test('refuses what is not finite, wherever it stands', () => {
    const moments = () => ({
      meanX: Float64Array.of(0, 0),
      meanY: Float64Array.of(0, 0),
      xx: matrix(2, 2, [1, 0, 0, 1]),
      xy: matrix(2, 2, [1, 0, 0, 1]),
    });
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
      for (const spoil of [
        (p: PairMoments) => p.xx.data.fill(bad, 0, 1),
        (p: PairMoments) => p.xx.data.fill(bad, 1, 3),
        (p: PairMoments) => p.xy.data.fill(bad, 3),
        (p: PairMoments) => p.meanX.fill(bad, 1),
        (p: PairMoments) => p.meanY.fill(bad, 1),
      ]) {
        const p = moments();
        spoil(p);
        expect(() => ridge(p)).toThrow(/NaN or infinite/);
      }
      const x = matrix(2, 3, [1, 2, 3, 4, 5, bad]);
      expect(() => withoutStops(ridgeOfSamples({ x, y: x }))).toThrow(/NaN or infinite/);
    }
  });
});
