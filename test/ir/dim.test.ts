import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  addDims,
  ceilDivide,
  type Dim,
  divideExactly,
  equalDims,
  floorDivide,
  maxDims,
  multiplyDims,
  substitute,
  subtractDims,
  symbol,
  symbolsOf,
} from '../../ir/dim.ts';

/** A dim together with how its value is computed from numbers, by arithmetic of this file's own. */
interface Case {
  readonly dim: Dim;
  readonly value: (at: Readonly<Record<string, number>>) => number;
}

const names = ['N', 'H', 'W'];
const { dims } = fc.letrec<{ dims: Case }>(tie => ({
  dims: fc.oneof(
    { depthSize: 'small' },
    fc.integer({ min: -20, max: 20 }).map((n): Case => ({ dim: n, value: () => n })),
    fc.constantFrom(...names).map((name): Case => ({ dim: symbol(name), value: at => at[name] })),
    fc
      .tuple(tie('dims'), tie('dims'))
      .map(([a, b]): Case => ({ dim: addDims(a.dim, b.dim), value: at => a.value(at) + b.value(at) })),
    fc
      .tuple(tie('dims'), tie('dims'))
      .map(([a, b]): Case => ({ dim: subtractDims(a.dim, b.dim), value: at => a.value(at) - b.value(at) })),
    fc
      .tuple(tie('dims'), tie('dims'))
      .map(([a, b]): Case => ({ dim: multiplyDims(a.dim, b.dim), value: at => a.value(at) * b.value(at) })),
    fc
      .tuple(tie('dims'), tie('dims'))
      .map(([a, b]): Case => ({ dim: maxDims(a.dim, b.dim), value: at => Math.max(a.value(at), b.value(at)) })),
    fc
      .tuple(tie('dims'), fc.integer({ min: 1, max: 6 }))
      .map(([a, k]): Case => ({ dim: floorDivide(a.dim, k), value: at => Math.floor(a.value(at) / k) })),
    fc
      .tuple(tie('dims'), fc.integer({ min: 1, max: 6 }))
      .map(([a, k]): Case => ({ dim: ceilDivide(a.dim, k), value: at => Math.ceil(a.value(at) / k) })),
  ),
}));

const bindings = fc.record(Object.fromEntries(names.map(n => [n, fc.integer({ min: 1, max: 50 })]))) as fc.Arbitrary<
  Record<string, number>
>;

describe('symbolic dims', () => {
  it('mean what the arithmetic that made them means, at every binding', () => {
    fc.assert(
      fc.property(dims, bindings, ({ dim, value }, at) => {
        const expected = value(at);
        fc.pre(Number.isSafeInteger(expected));
        // `+ 0` because -0 is a number like 0 here.
        expect((substitute(dim, at) as number) + 0).toBe(expected + 0);
      }),
      { numRuns: 2000 },
    );
  });

  it('are in a canonical form: sums and products commute and associate', () => {
    fc.assert(
      fc.property(dims, dims, dims, ({ dim: a }, { dim: b }, { dim: c }) => {
        expect(equalDims(addDims(a, b), addDims(b, a))).toBe(true);
        expect(equalDims(addDims(addDims(a, b), c), addDims(a, addDims(b, c)))).toBe(true);
        expect(equalDims(multiplyDims(a, addDims(b, c)), addDims(multiplyDims(a, b), multiplyDims(a, c)))).toBe(true);
        expect(subtractDims(a, a)).toBe(0);
      }),
    );
  });

  it('divide back what was multiplied', () => {
    fc.assert(
      fc.property(dims, fc.integer({ min: 1, max: 9 }), ({ dim }, k) => {
        expect(equalDims(divideExactly(multiplyDims(dim, k), k)!, dim)).toBe(true);
        const byN = multiplyDims(dim, symbol('N'));
        if (byN !== 0) expect(equalDims(divideExactly(byN, symbol('N'))!, dim)).toBe(true);
      }),
    );
  });

  it.each<[string, Dim, string]>([
    ['a doubled batch', multiplyDims(2, symbol('N')), '2·N'],
    ['a 3×3 convolution of stride 2', addDims(floorDivide(addDims(symbol('H'), -1), 2), 1), 'floor((H + 1)/2)'],
    ['whole multiples leave the floor', floorDivide(addDims(multiplyDims(2, symbol('H')), 3), 2), 'H + 1'],
    ['flattened features', multiplyDims(symbol('N'), 4608), '4608·N'],
    ['a difference', subtractDims(3, symbol('T')), '-T + 3'],
  ])('read well: %s', (_, dim, text) => {
    expect(String(dim)).toBe(text);
  });

  it('name their symbols', () => {
    expect([...symbolsOf(floorDivide(addDims(multiplyDims(symbol('N'), 3), symbol('H')), 2))].sort()).toEqual([
      'H',
      'N',
    ]);
  });
});
