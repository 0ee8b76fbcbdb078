import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addDims,
  type Dim,
  floorDivide,
  GraphBuilder,
  multiplyDims,
  substitute,
  symbol,
  verify,
} from '../../../ir/index.ts';
import { assumedSizes, demandedSizes, sizesText, withDemandedSizes } from '../../../passes/index.ts';
import { DimEquations } from '../../../passes/unify.ts';
import { draw } from '../networks.ts';
import { random } from '../ort.ts';
import { halvings, sizedNetwork } from './networks.ts';

const textOf = (sizes: Readonly<Record<string, Dim>>) =>
  Object.fromEntries(Object.entries(sizes).map(([name, dim]) => [name, String(dim)]));

const H = symbol('H');
const open = new Set(['H']);

describe('the sizes that a network demands', () => {
  test.each(halvings.flatMap(halving => (['Concat', 'Add'] as const).map(skip => [halving, skip] as const)))(
    '%s, joined by %s: a power of two for each level',
    (halving, skip) => {
      const graph = sizedNetwork({ halving, levels: 3, skip });
      expect(textOf(demandedSizes(graph))).toEqual({ H: '8·H', W: '8·W' });
      const sized = verify(withDemandedSizes(graph));
      expect(sized.outputs[0].value.type.shape.map(String)).toEqual(['N', '2', '8·H', '8·W']);
      expect([...sized.values()].map(v => v.name)).toEqual([...graph.values()].map(v => v.name));
    },
  );

  test('none where nothing joins, and where sizes are numbers', () => {
    for (const graph of [
      sizedNetwork({ halving: 'pool', levels: 2, skip: 'none' }),
      sizedNetwork({ halving: 'pool', levels: 2, size: [8, 8] }),
    ]) {
      expect(demandedSizes(graph)).toEqual({});
      expect(withDemandedSizes(graph)).toBe(graph);
    }
  });

  /** What a chain of windows (kernel, stride, pad, ceil) makes of a size, by numbers. */
  interface Step {
    readonly kernel: number;
    readonly stride: number;
    readonly pad: number;
    readonly ceil: boolean;
  }
  const steps = fc.array(
    fc.record({
      kernel: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 3 }),
      pad: fc.integer({ min: 0, max: 1 }),
      ceil: fc.boolean(),
    }),
    { minLength: 1, maxLength: 3 },
  );
  const down = (size: number, { kernel, stride, pad, ceil }: Step): number => {
    const room = (size + 2 * pad - kernel) / stride;
    return (ceil ? Math.ceil(room) : Math.floor(room)) + 1;
  };

  test('are those at which paths of windows and back meet, and no others', () => {
    fc.assert(
      fc.property(steps, fc.integer({ min: -3, max: 3 }), (chain, more) => {
        const b = new GraphBuilder('chain');
        const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, H] });
        const total = chain.reduce((product, { stride }) => product * stride, 1);
        const low = chain.reduce(
          (value, { kernel, stride, pad, ceil }) =>
            b.op('MaxPool', [value], { kernel_shape: [kernel], strides: [stride], pads: [pad, pad], ceil_mode: +ceil }),
          x,
        );
        // total·(n - 1) + 4 + more wide
        const up = b.op('ConvTranspose', [low, b.constant(draw(random(1), 1, 1, 4))], {
          strides: [total],
          output_padding: [0],
        });
        const padded = b.op('Pad', [
          up,
          b.constant({ dtype: 'int64', shape: [6], data: BigInt64Array.from([0n, 0n, 0n, 0n, 0n, BigInt(more)]) }),
        ]);
        b.output('y', b.op('Concat', [padded, x], { axis: 1 }));
        const found = demandedSizes(b.build());
        const meets = (size: number) => total * (chain.reduce(down, size) - 1) + 4 + more === size;
        const taken = Array.from({ length: 120 }, (_, i) => i + 20).filter(meets);
        if (found.H === undefined) {
          // Everywhere, nowhere, or at sizes that are no one sequence.
          const gaps = new Set(taken.slice(1).map((size, i) => size - taken[i]));
          expect(taken.length === 0 || taken.length === 120 || gaps.size > 1).toBe(true);
          return;
        }
        const multiples = Array.from({ length: 140 }, (_, i) => substitute(found.H, { H: i + 1 }) as number);
        expect(multiples.filter(size => size >= 20 && size < 140)).toEqual(taken);
      }),
      { numRuns: 200 },
    );
  });
});

describe('sizes that are assumed', () => {
  const halves = fc.array(fc.record({ more: fc.integer({ min: 0, max: 4 }), by: fc.integer({ min: 1, max: 4 }) }), {
    maxLength: 4,
  });
  const formula = (chain: readonly { readonly more: number; readonly by: number }[]): Dim =>
    chain.reduce<Dim>((dim, { more, by }) => floorDivide(addDims(dim, more), by), H);

  test('make formulas equal for all numbers that keep to them', () => {
    fc.assert(
      fc.property(halves, halves, (one, two) => {
        const [a, b] = [formula(one), formula(two)];
        const at = (chain: typeof one, size: number) =>
          chain.reduce((n, { more, by }) => Math.floor((n + more) / by), size);
        const equal = (size: number) => at(one, size) === at(two, size);
        const found = assumedSizes([[a, b]], open);
        const factor = found && (found.H ? (substitute(found.H, { H: 1 }) as number) : 1);
        const all = (m: number) => Array.from({ length: 300 }, (_, i) => m * (i + 1)).every(equal);
        if (factor === undefined) return;
        expect(all(factor)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test('are the smallest multiples that do', () => {
    const poolings = formula([1, 2, 3].map(() => ({ more: 0, by: 2 })));
    const strided = formula([1, 2, 3].map(() => ({ more: 1, by: 2 })));
    expect(textOf(assumedSizes([[poolings, strided]], open)!)).toEqual({ H: '8·H' });
    const product = multiplyDims(floorDivide(H, 3), floorDivide(symbol('W'), 2));
    const other = multiplyDims(floorDivide(addDims(H, 1), 3), floorDivide(symbol('W'), 2));
    expect(textOf(assumedSizes([[product, other]], new Set(['H', 'W'])) ?? {})).toEqual({ H: '3·H' });
  });

  test('are none where formulas are equal already, and not there where none makes them equal', () => {
    expect(assumedSizes([[floorDivide(H, 2), floorDivide(H, 2)]], open)).toEqual({});
    expect(assumedSizes([[floorDivide(H, 2), floorDivide(addDims(H, 2), 2)]], open)).toBeUndefined();
  });
});

describe('equations between sizes', () => {
  const sizes = fc.record({ factor: fc.integer({ min: 1, max: 12 }), offset: fc.integer({ min: -11, max: 0 }) });
  const linear = ({ factor, offset }: { factor: number; offset: number }, name: string) =>
    addDims(multiplyDims(factor, symbol(name)), offset % factor);

  test('what is a multiple for one and another multiple for the other is both', () => {
    fc.assert(
      fc.property(sizes, sizes, (p, q) => {
        const [a, b] = [linear(p, 'x'), linear(q, 'y')];
        const equations = new DimEquations();
        const solvable = equations.equate(a, b);
        const at = (dim: Dim, name: string) =>
          Array.from({ length: 440 }, (_, i) => substitute(dim, { [name]: i + 1 }) as number).filter(n => n <= 400);
        const ofB = new Set(at(b, 'y'));
        const both = at(a, 'x').filter(n => ofB.has(n));
        if (!solvable) {
          expect(both).toEqual([]);
          return;
        }
        const [left, right] = [equations.resolve(a), equations.resolve(b)];
        expect(String(left)).toBe(String(right));
        const [name] = typeof left === 'number' ? ['x'] : left.terms.flatMap(t => t.atoms.map(atom => atom.key));
        expect(at(left, name)).toEqual(both);
      }),
      { numRuns: 100 },
    );
  });

  test('a multiple that meets a number is bound, or does not fit', () => {
    const equations = new DimEquations();
    expect(equations.equate(multiplyDims(32, symbol('x')), 100)).toBe(false);
    expect(equations.equate(multiplyDims(32, symbol('x')), 96)).toBe(true);
    expect(equations.resolve(symbol('x'))).toBe(3);
  });
});

test('sizes in words', () => {
  const n = symbol('N');
  expect(sizesText([n, 1, H, symbol('W')])).toBeUndefined();
  expect(sizesText([n, 1, multiplyDims(8, H), multiplyDims(8, symbol('W'))])).toBe(
    'height and width that are multiples of 8',
  );
  expect(sizesText([n, 1, multiplyDims(2, H), 5, addDims(multiplyDims(4, symbol('W')), -1)])).toBe(
    'depth that is a multiple of 2 and width that is a multiple of 4 and 3 more',
  );
});
