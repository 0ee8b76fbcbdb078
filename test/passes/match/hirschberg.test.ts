import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { align, alignmentScore } from '../../../passes/match/hirschberg.ts';
import { matrixScores, type PairScores, progressScores, similarityScores } from '../../../passes/match/scores.ts';
import { bestAlignment, mulberry } from './problems.ts';

const identity = (length: number): Int32Array => Int32Array.from({ length }, (_, i) => i);

/** Random scores in which whole stretches are not allowed, as with features of different resolutions. */
function table(rows: number, columns: number, density: number, seed: number): PairScores {
  const random = mulberry(seed);
  const kinds = (length: number): number[] => Array.from({ length }, (_, i) => Math.floor((3 * i) / length));
  const [kindsA, kindsB] = [kinds(rows), kinds(columns)];
  const values = kindsA.flatMap(a =>
    kindsB.map(b => (a === b && random() < density ? 0.5 + random() / 2 : Number.NaN)),
  );
  return matrixScores(rows, columns, Float64Array.from(values));
}

function expectBest(scores: PairScores): void {
  const { rows, columns } = scores;
  const scorer = scores.arrange(identity(rows), identity(columns));
  const expected = bestAlignment((i, j) => scores.at(i, j), rows, columns);
  const found = align(scorer, rows, columns);
  expect(found.score).toBeCloseTo(expected, 9);
  expect(alignmentScore(scorer, rows, columns)).toBeCloseTo(expected, 9);
  let sum = 0;
  for (let i = 0; i < found.rows.length; i++) {
    if (i > 0) {
      expect(found.rows[i]).toBeGreaterThan(found.rows[i - 1]);
      expect(found.columns[i]).toBeGreaterThan(found.columns[i - 1]);
    }
    sum += scores.at(found.rows[i], found.columns[i]);
  }
  expect(sum).toBeCloseTo(expected, 9);
}

describe("Hirschberg's alignment", () => {
  it('scores what the full table scores', () => {
    const sizes = fc.integer({ min: 0, max: 30 });
    fc.assert(
      fc.property(sizes, sizes, fc.double({ min: 0, max: 1, noNaN: true }), fc.integer(), (rows, columns, d, seed) =>
        expectBest(table(rows, columns, d, seed)),
      ),
    );
  });

  it.each([
    [300, 250],
    [20, 4000],
    [4000, 20],
    [1, 40_000],
    [3, 25_000],
  ])('divides tables of %i x %i', (rows, columns) => {
    expectBest(table(rows, columns, 0.3, rows));
  });

  it('leaves out what costs more than it brings', () => {
    const scores = matrixScores(2, 2, Float64Array.of(1, Number.NaN, Number.NaN, -1));
    const { rows, columns, score } = align(scores.arrange(identity(2), identity(2)), 2, 2);
    expect([[...rows], [...columns], score]).toEqual([[0], [0], 1]);
  });

  it('aligns a long chain in linear memory', () => {
    const length = 2000;
    const side = {
      classes: Int32Array.from({ length }, (_, i) => Math.floor(i / 500)),
      progress: Float64Array.from({ length }, (_, i) => (i + 1) / (length + 1)),
    };
    const scores = progressScores(side, side);
    const { score } = align(scores.arrange(identity(length), identity(length)), length, length);
    expect(score).toBe(length);
  });
});

describe('scores', () => {
  const a = { classes: Int32Array.of(0, 1, -1), progress: Float64Array.of(0.25, 0.5, 0.75) };
  const b = { classes: Int32Array.of(1, 0, -1), progress: Float64Array.of(0.5, 0.75, 0.75) };

  it('fall with the square of the distance, or with the distance', () => {
    expect(progressScores(a, b).at(0, 1)).toBe(1 - 0.5 * 0.25);
    expect(progressScores(a, b, 'linear').at(0, 1)).toBe(0.5);
    expect(similarityScores(a, b, () => 0.5).at(0, 1)).toBe(0.5 + 0.5 * 0.5 * 0.75);
    expect(similarityScores(a, b, () => 1).at(0, 1)).toBe(progressScores(a, b).at(0, 1));
  });

  it('forbid pairs of different classes, and of none', () => {
    for (const scores of [progressScores(a, b), similarityScores(a, b, () => 1)]) {
      const allowed = [0, 1, 2].flatMap(i => [0, 1, 2].filter(j => scores.at(i, j) !== -Infinity).map(j => [i, j]));
      expect(allowed).toEqual([
        [0, 1],
        [1, 0],
      ]);
      expect([0, 1, 2].map(v => scores.rowAllowed(v))).toEqual([true, true, false]);
    }
  });

  it('are the same in rows, in single pairs, transposed and renumbered', () => {
    const side = fc
      .array(fc.tuple(fc.integer({ min: -1, max: 2 }), fc.double({ min: 0, max: 1, noNaN: true })), { minLength: 1 })
      .map(list => ({
        classes: Int32Array.from(list, ([kind]) => kind),
        progress: Float64Array.from(list, ([, progress]) => progress),
      }));
    fc.assert(
      fc.property(side, side, fc.constantFrom('quadratic', 'linear', 'matrix'), (x, y, kind) => {
        const scores = kind === 'matrix' ? similarityScores(x, y, () => 0.7) : progressScores(x, y, kind);
        const rowOrder = identity(scores.rows).reverse();
        const columnOrder = identity(scores.columns).reverse();
        const scorer = scores.arrange(rowOrder, columnOrder);
        const relabelled = scores.relabel(rowOrder, columnOrder);
        const transposed = scores.transpose();
        const row = new Float64Array(scores.columns);
        for (let i = 0; i < scores.rows; i++) {
          const [from, to] = [scorer.spanStart[i], scorer.spanEnd[i]];
          scorer.fill(i, from, to, row);
          for (let j = 0; j < scores.columns; j++) {
            const expected = scores.at(rowOrder[i], columnOrder[j]);
            expect(from <= j && j < to ? row[j - from] : -Infinity).toBe(expected);
            expect(relabelled.at(i, j)).toBe(expected);
            expect(transposed.at(columnOrder[j], rowOrder[i])).toBe(expected);
          }
        }
      }),
    );
  });
});
