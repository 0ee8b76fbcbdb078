import fc from 'fast-check';
import { describe, it } from 'vitest';
import { type OpName, tensorFromNumbers } from '../../../ir/index.ts';
import { compare, filled } from '../oracle.ts';

const reductions = [
  'ReduceL1',
  'ReduceL2',
  'ReduceLogSum',
  'ReduceLogSumExp',
  'ReduceMax',
  'ReduceMean',
  'ReduceMin',
  'ReduceProd',
  'ReduceSum',
  'ReduceSumSquare',
] as const satisfies readonly OpName[];

describe('reductions', () => {
  it('run over any axes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: 6 }), { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 15 }),
        fc.integer({ min: 0, max: 1 }),
        async (shape, mask, keepdims) => {
          const axes = shape.flatMap((_, i) => (mask & (1 << i) ? [i] : []));
          await compare({ x: filled('float32', shape, 3, 0.5, 1.5) }, (b, { x }) =>
            reductions.map(op => b.op(op, [x, axes.length > 0 ? b.ints(axes) : undefined], { keepdims })),
          );
        },
      ),
      { numRuns: 2 },
    );
  });

  it('add up many elements without losing accuracy', async () => {
    await compare(
      { x: filled('float32', [2, 30011], 1, 0, 1), y: filled('float32', [65536], 2, 100, 101) },
      (b, { x, y }) => [
        b.op('ReduceSum', [x, b.ints([1])]),
        b.op('ReduceMean', [x], { keepdims: 0 }),
        b.op('ReduceMean', [y], { keepdims: 0 }),
        b.op('ReduceMax', [y]),
      ],
      { relative: 1e-6 },
    );
  });

  it('take integers', async () => {
    await compare({ x: filled('int32', [5, 7], 1, -20, 20) }, (b, { x }) => [
      b.op('ReduceSum', [x, b.ints([1])]),
      b.op('ReduceMax', [x, b.ints([0])]),
      b.op('ReduceMin', [x]),
      b.op('ReduceProd', [b.op('Sign', [x]), b.ints([1])]),
    ]);
  });
});

describe('along an axis', () => {
  it('Softmax and its relatives, on any axis', async () => {
    for (const shape of [
      [3, 7],
      [2, 5, 4, 3],
      [2, 300],
    ]) {
      const last = shape.length - 1;
      await compare({ x: filled('float32', shape, 5, -8, 8) }, (b, { x }) =>
        [...new Set([1, last])].flatMap(axis => [
          b.op('Softmax', [x], { axis }),
          b.op('LogSoftmax', [x], { axis }),
          b.op('Hardmax', [x], { axis }),
        ]),
      );
    }
  });

  it('ArgMax and ArgMin, the first or the last of equals', async () => {
    const x = tensorFromNumbers('float32', [3, 4], [1, 5, 5, 2, 0, 0, 0, 0, -3, -1, -3, -1]);
    await compare({ x }, (b, v) =>
      [0, 1].flatMap(axis =>
        [0, 1].flatMap(keepdims => [
          b.op('ArgMax', [v.x], { axis, keepdims }),
          b.op('ArgMin', [v.x], { axis, keepdims, select_last_index: 1 }),
        ]),
      ),
    );
  });

  it('CumSum in both directions, with and without the element itself', async () => {
    await compare({ x: filled('float32', [3, 5, 2], 1) }, (b, { x }) =>
      [0, 1].flatMap(exclusive =>
        [0, 1].map(reverse =>
          b.op('CumSum', [x, b.constant(tensorFromNumbers('int64', [], [1]))], { exclusive, reverse }),
        ),
      ),
    );
  });

  it('TopK, equal elements in order', async () => {
    const x = tensorFromNumbers('float32', [2, 6], [3, 1, 3, 9, 2, 3, -1, -1, 4, 0, 4, 4]);
    await compare({ x }, (b, v) => [
      ...b.ops('TopK', [v.x, b.ints([4])], {}, { outputs: ['values', 'indices'] }),
      ...b.ops('TopK', [v.x, b.ints([2])], { largest: 0 }, { outputs: ['low', 'where'] }),
      ...b.ops('TopK', [v.x, b.ints([1])], { axis: 0 }, { outputs: ['first', 'row'] }),
    ]);
  });
});
