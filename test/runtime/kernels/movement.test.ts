import fc from 'fast-check';
import { describe, it } from 'vitest';
import { scalar } from '../../../ir/index.ts';
import { compare, filled } from '../oracle.ts';

const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });

describe('movement', () => {
  it('transposes, expands, tiles, concatenates and splits any shape', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, fc.integer({ min: 0, max: 3 }), fc.nat(), async (shape, at, seed) => {
        const axis = at % shape.length;
        const perm = shape.map((_, i) => (i + 1 + seed) % shape.length);
        const sizes = shape.map((n, i) => (i === axis ? n + 2 : n));
        await compare({ x: filled('float32', shape, 1), y: filled('float32', sizes, 2) }, (b, { x, y }) => [
          b.op('Transpose', [x], { perm }),
          b.op('Expand', [x, b.ints([2, ...shape])]),
          b.op('Tile', [x, b.ints(shape.map((_, i) => 1 + ((seed + i) % 3)))]),
          b.op('Concat', [x, y, x], { axis }),
          ...b.ops('Split', [y, b.ints([2, shape[axis]])], { axis }, { outputs: ['a', 'b'] }),
        ]);
      }),
      { numRuns: 3 },
    );
  });

  it('takes so many elements that an invocation computes several', async () => {
    await compare({ x: filled('float32', [3, 67, 5, 41], 1) }, (b, { x }) => [
      b.op('Transpose', [x], { perm: [2, 0, 3, 1] }),
      b.op('Slice', [x, b.ints([0, 1]), b.ints([3, 66])]),
    ]);
  });

  it('slices from both ends and backwards', async () => {
    await compare({ x: filled('float32', [6, 7, 8], 1) }, (b, { x }) => [
      b.op('Slice', [x, b.ints([1, 2]), b.ints([-1, 100])]),
      b.op('Slice', [x, b.ints([0]), b.ints([8]), b.ints([2]), b.ints([3])]),
      b.op('Slice', [x, b.ints([-1, 5]), b.ints([-100, 0]), b.ints([1, 0]), b.ints([-1, -2])]),
    ]);
  });

  it('pads in every mode', async () => {
    await compare({ x: filled('float32', [2, 3, 4, 5], 1), c: scalar(1.5) }, (b, { x, c }) => [
      b.op('Pad', [x, b.ints([0, 0, 1, 2, 0, 0, 3, 1])]),
      b.op('Pad', [x, b.ints([0, 1, 1, -1, 0, 0, -2, 1]), b.scalar(-2)]),
      b.op('Pad', [x, b.ints([1, 2, 0, 1]), c, b.ints([2, 3])]),
      ...['reflect', 'edge', 'wrap'].map(mode => b.op('Pad', [x, b.ints([0, 0, 2, 1, 0, 0, 1, 3])], { mode })),
    ]);
  });

  it('moves blocks between depth and space, and keeps triangles', async () => {
    await compare({ x: filled('float32', [2, 8, 2, 3], 1), y: filled('float32', [1, 3, 4, 6], 2) }, (b, { x, y }) => [
      b.op('DepthToSpace', [x], { blocksize: 2 }),
      b.op('DepthToSpace', [x], { blocksize: 2, mode: 'CRD' }),
      b.op('SpaceToDepth', [y], { blocksize: 2 }),
      b.op('Trilu', [y]),
      b.op('Trilu', [y, b.constant({ dtype: 'int64', shape: [], data: BigInt64Array.of(-1n) })], { upper: 0 }),
    ]);
  });
});
