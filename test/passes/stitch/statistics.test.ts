import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluateGraph } from '../../../ir/evaluate/index.ts';
import { float32, GraphBuilder, numbersOf, symbol, type Tensor, verify } from '../../../ir/index.ts';
import { FeatureMoments, featureStatistics, ridge, specialize, stitch } from '../../../passes/index.ts';
import { random, relativeError, runOrt } from '../ort.ts';

const matrix = (rows: number, columns: number, data: readonly number[]) => ({
  rows,
  columns,
  data: Float64Array.from(data),
});

function parent(channels: number, seed: number) {
  const r = random(seed);
  const draw = (...shape: number[]) =>
    float32(
      shape,
      Array.from({ length: shape.reduce((a, b) => a * b) }, () => r() - 0.5),
    );
  const b = new GraphBuilder('p');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2, 4, 4] });
  const conv = b.op('Conv', [x, b.constant(draw(channels, 2, 3, 3))], { pads: [1, 1, 1, 1] }, { outputs: ['feature'] });
  // A large mean beside a small spread is what float32 moments are worst at.
  const shifted = b.op('Add', [conv, b.constant(float32([1], [100]))], {}, { outputs: ['shifted'] });
  b.output('y', b.op('Conv', [shifted, b.constant(draw(2, channels, 1, 1))]));
  return b.build();
}

const pair = { features: { a: 'shifted', b: 'shifted' } };

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
      { numRuns: 50 },
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
});

describe('feature statistics', () => {
  const parents = [
    { tag: 'a', graph: parent(3, 1) },
    { tag: 'b', graph: parent(4, 2) },
  ];
  const network = stitch(parents, [pair]);
  const graph = verify(featureStatistics(network));
  const batch = (seed: number, n: number): Tensor => {
    const r = random(seed);
    return float32(
      [n, 2, 4, 4],
      Array.from({ length: n * 32 }, () => r() - 0.5),
    );
  };

  test('batches collected one by one give the moments of all samples together', async () => {
    const batches = [batch(1, 3), batch(2, 1), batch(3, 4)];
    const moments = new FeatureMoments(network);
    for (const x of batches) {
      const outputs = await runOrt(graph, { x });
      moments.add(
        new Map(Object.entries(outputs).map(([k, v]) => [k, float32(v.shape, Array.from(v.data))])),
        x.shape[0],
      );
    }
    const x = float32(
      [8, 2, 4, 4],
      batches.flatMap(b => Array.from(numbersOf(b))),
    );
    const [a, b] = parents.map(p => {
      const feature = p.graph.with({ outputs: [{ name: 'f', value: p.graph.value('shifted') }] });
      return evaluateGraph(specialize(feature, { N: 8 }), { x }).get('f')!;
    });
    const rows = (t: Tensor) =>
      Array.from({ length: 8 * 16 }, (_, i) =>
        Array.from(
          { length: t.shape[1] },
          (_v, c) => numbersOf(t)[(Math.floor(i / 16) * t.shape[1] + c) * 16 + (i % 16)],
        ),
      );
    const mean = (list: number[][]) => list[0].map((_, c) => list.reduce((s, row) => s + row[c], 0) / list.length);
    const [ra, rb] = [rows(a), rows(b)];
    const [ma, mb] = [mean(ra), mean(rb)];
    const covariance = (p: number[][], mp: number[], q: number[][], mq: number[]) =>
      mp.flatMap((_, i) =>
        mq.map((_v, j) => p.reduce((s, row, k) => s + (row[i] - mp[i]) * (q[k][j] - mq[j]), 0) / p.length),
      );
    const got = moments.pair(0, 'b', 'a');
    expect(relativeError(got.meanX, mb)).toBeLessThan(1e-6);
    expect(relativeError(got.meanY, ma)).toBeLessThan(1e-6);
    expect(relativeError(got.xx.data, covariance(rb, mb, rb, mb))).toBeLessThan(1e-4);
    expect(relativeError(got.xy.data, covariance(rb, mb, ra, ma))).toBeLessThan(1e-4);
    expect(relativeError(moments.pair(0, 'a', 'b').xy.data, covariance(ra, ma, rb, mb))).toBeLessThan(1e-4);
  });

  test('between equal features ridge finds the identity', async () => {
    const same = stitch(
      [
        { tag: 'a', graph: parent(3, 1) },
        { tag: 'b', graph: parent(3, 1) },
      ],
      [pair],
    );
    const outputs = await runOrt(featureStatistics(same), { x: batch(1, 4) });
    const moments = new FeatureMoments(same);
    moments.add(new Map(Object.entries(outputs).map(([k, v]) => [k, float32(v.shape, Array.from(v.data))])), 4);
    const parameters = moments.ridge(1e-9);
    expect([...parameters.keys()].sort()).toEqual(same.stitches.flatMap(s => [s.weight, s.bias]).sort());
    expect(relativeError(numbersOf(parameters.get('stitch/0/b-a/weight')!), [1, 0, 0, 0, 1, 0, 0, 0, 1])).toBeLessThan(
      1e-4,
    );
  });
});
