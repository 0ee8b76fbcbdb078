import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32, type Graph, GraphBuilder, symbol } from '../../../ir/index.ts';
import { exactMatching } from '../../../passes/match/exact.ts';
import { matrixScores } from '../../../passes/match/scores.ts';
import { type Widths, withinWidth } from '../../../passes/match/widths.ts';
import { match, matchableValues, matchers } from '../../../passes/match.ts';
import { bestAlignment, mulberry, permutation, renamed, structuredProblems, transposed } from './problems.ts';

/** A linear layer and an activation for each width, and a last layer of two. Features are `gemm0`, `relu0`, `gemm1`, ... */
function perceptron(widths: readonly number[], name = 'net'): Graph {
  const b = new GraphBuilder(name);
  let x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 4] });
  for (const [i, width] of [...widths, 2].entries()) {
    const inputs = x.type.shape[1] as number;
    const weight = b.constant(float32([inputs, width], new Float32Array(inputs * width)));
    x = b.op('Gemm', [x, weight], {}, { name: `gemm${i}` });
    if (i < widths.length) x = b.op('Relu', [x], {}, { name: `relu${i}` });
  }
  b.output('y', x);
  return b.build();
}

const widthOf = (widths: readonly number[], name: string): number => widths[Number(name.slice(4))];

describe('layers too wide for each other', () => {
  it.each(matchers)('are not matched, and the best of the others is found (%s)', matcher => {
    const wide = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(wide, wide, fc.integer({ min: 1, max: 144 }), (a, b, stitch) => {
        const features = (widths: readonly number[]) => widths.flatMap(w => [w, w]);
        const [of, to] = [features(a), features(b)];
        // A chain of n features puts the i-th of them at (i + 1) / (n + 1).
        const score = (i: number, j: number): number =>
          of[i] * to[j] > stitch ? -Infinity : 1 - 0.5 * ((i + 1) / (of.length + 1) - (j + 1) / (to.length + 1)) ** 2;
        const best = bestAlignment(score, of.length, to.length);
        const [left, right] = [perceptron(a), perceptron(b)];
        if (best === 0) {
          expect(() => match(left, right, { matcher, limits: { stitch } })).toThrow(
            expect.objectContaining({ code: 'no-pairs', message: expect.stringContaining('SUTURE_LIMITS=stitch=') }),
          );
          return;
        }
        const found = match(left, right, { matcher, limits: { stitch } });
        expect(found.score).toBeCloseTo(best, 9);
        for (const { features } of found.pairs) {
          expect(widthOf(a, features.a) * widthOf(b, features.b)).toBeLessThanOrEqual(stitch);
        }
        const largest = Math.max(...a) * Math.max(...b);
        expect(found.warnings?.length).toBe(largest > stitch ? 1 : undefined);
        // The limit that the warning names allows everything.
        const all = match(left, right, { matcher });
        expect(match(left, right, { matcher, limits: { stitch: largest } })).toEqual(all);
        if (largest > stitch) expect(found.warnings![0].message).toContain(`SUTURE_LIMITS=stitch=${largest} `);
      }),
      { numRuns: 12 },
    );
  });

  it('are named in one warning, with what would allow them', () => {
    const { pairs, warnings } = match(perceptron([3, 40, 5], 'a'), perceptron([3, 30, 5], 'b'), {
      limits: { stitch: 100 },
    });
    expect(pairs.map(({ features: { a, b } }) => [a, b])).toEqual(
      ['gemm0', 'relu0', 'gemm2', 'relu2'].map(name => [name, name]),
    );
    expect(warnings).toEqual([
      {
        code: 'layers-too-wide',
        message:
          "Layers are left out of pairs in which a stitch would have more than 100 parameters: 'gemm1' of 'a' (40 channels), " +
          "'relu1' of 'a' (40 channels), 'gemm1' of 'b' (30 channels), 'relu1' of 'b' (30 channels); " +
          'SUTURE_LIMITS=stitch=1200 in the environment allows them.',
      },
    ]);
  });

  it('are VGGs’ flattened features by default, whatever is similar', () => {
    const vgg = perceptron([64, 25_088, 4096, 4096]);
    for (const options of [{}, { similarity: () => 1 }]) {
      const { pairs, warnings } = match(vgg, vgg, options);
      expect(pairs.map(({ features }) => features.a)).toEqual(['gemm0', 'relu0', 'gemm2', 'relu2', 'gemm3', 'relu3']);
      expect(warnings).toHaveLength(1);
    }
    // With 64 channels they go together, so there is something to compare; among themselves there is not.
    expect(matchableValues(vgg, vgg).a.map(({ name }) => name)).toContain('gemm1');
    const head = perceptron([25_088, 4096]);
    expect(matchableValues(head, head).a.map(({ name }) => name)).toEqual(['gemm1', 'relu1']);
  });
});

describe('scores within a width', () => {
  const cases = fc
    .tuple(structuredProblems({ maxLayers: 8 }), fc.integer(), fc.integer({ min: 1, max: 49 }))
    .map(([problem, seed, limit]) => {
      const { scores } = problem;
      const random = mulberry(seed);
      const drawn = (length: number) => Float64Array.from({ length }, () => 1 + Math.floor(7 * random()));
      const [a, b] = [drawn(scores.rows), drawn(scores.columns)];
      const widths = (own: Float64Array, other: Float64Array, at: (v: number, w: number) => number): Widths => {
        const partners = Array.from(own, (_, v) => [...other].filter((_, w) => at(v, w) !== -Infinity));
        return {
          channels: own,
          narrowest: Float64Array.from(partners, p => Math.min(Infinity, ...p)),
          widest: Float64Array.from(partners, p => Math.max(0, ...p)),
        };
      };
      const table = Float64Array.from({ length: a.length * b.length }, (_, i) => {
        const [v, w] = [Math.floor(i / b.length), i % b.length];
        return a[v] * b[w] > limit ? -Infinity : scores.at(v, w);
      });
      return {
        limited: {
          ...problem,
          scores: withinWidth(
            scores,
            widths(a, b, (v, w) => scores.at(v, w)),
            widths(b, a, (v, w) => scores.at(w, v)),
            limit,
          ),
        },
        plain: { ...problem, scores: matrixScores(a.length, b.length, table) },
        seed,
      };
    });

  it('are those of a table without the pairs that are too wide, in any order', () => {
    fc.assert(
      fc.property(cases, ({ limited, plain, seed }) => {
        const [p, q] = [limited, plain].map(problem =>
          transposed(renamed(problem, permutation(problem.a.size, seed), permutation(problem.b.size, seed + 1))),
        );
        for (const [ours, theirs] of [
          [limited.scores, plain.scores],
          [p.scores, q.scores],
        ] as const) {
          const [rows, columns] = [permutation(ours.rows, seed), permutation(ours.columns, seed)];
          const [left, right] = [ours.arrange(rows, columns), theirs.arrange(rows, columns)];
          for (let i = 0; i < ours.rows; i++) {
            expect(ours.rowAllowed(i)).toBe(theirs.rowAllowed(i));
            const [from, to] = [left.spanStart[i], left.spanEnd[i]];
            const [own, other] = [0, 1].map(() => new Float64Array(ours.columns).fill(-Infinity));
            left.fill(i, from, to, own.subarray(from, to));
            right.fill(i, 0, ours.columns, other);
            expect(own).toEqual(other);
            for (let j = 0; j < ours.columns; j++) expect(ours.at(i, j)).toBe(theirs.at(i, j));
          }
        }
      }),
      { numRuns: 12 },
    );
  });

  it('have the same optimum as that table', () => {
    fc.assert(
      fc.property(cases, ({ limited, plain }) => {
        expect(exactMatching(limited).score).toBeCloseTo(exactMatching(plain).score, 9);
      }),
      { numRuns: 8 },
    );
  });
});
