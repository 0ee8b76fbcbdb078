import fc from 'fast-check';
import { describe, it } from 'vitest';
import { compare, filled } from '../oracle.ts';

const windows = fc.record({
  size: fc.integer({ min: 5, max: 9 }),
  kernel: fc.integer({ min: 1, max: 3 }),
  stride: fc.integer({ min: 1, max: 3 }),
  ceil: fc.integer({ min: 0, max: 1 }),
  begin: fc.integer({ min: 0, max: 1 }),
  end: fc.integer({ min: 0, max: 1 }),
});

describe('pooling', () => {
  it('over windows of any size, stride, padding and ceiling', async () => {
    await fc.assert(
      fc.asyncProperty(windows, async ({ size, kernel, stride, ceil, begin, end }) => {
        const pad = (n: number) => Math.min(n, kernel - 1);
        const attributes = {
          kernel_shape: [kernel, kernel],
          strides: [stride, 2],
          pads: [pad(begin), pad(end), pad(end), pad(begin)],
          ceil_mode: ceil,
        };
        await compare({ x: filled('float32', [2, 3, size, size + 1], 3) }, (b, { x }) => [
          ...b.ops('MaxPool', [x], attributes, { outputs: ['y', 'indices'] }),
          b.op('AveragePool', [x], { ...attributes, count_include_pad: 0 }),
          b.op('AveragePool', [x], { ...attributes, count_include_pad: 1 }),
          b.op('LpPool', [x], attributes),
        ]);
      }),
      { numRuns: 4 },
    );
  });

  it('in one and in three dimensions, and over everything', async () => {
    await compare({ x: filled('float32', [2, 2, 9], 1), v: filled('float32', [1, 2, 4, 5, 6], 2) }, (b, { x, v }) => [
      b.op('MaxPool', [x], { kernel_shape: [3], dilations: [2] }),
      b.op('MaxPool', [v], { kernel_shape: [2, 2, 2], strides: [2, 2, 2] }),
      b.op('AveragePool', [v], { kernel_shape: [3, 3, 3], auto_pad: 'SAME_UPPER' }),
      b.op('GlobalAveragePool', [v]),
      b.op('GlobalMaxPool', [x]),
    ]);
  });

  it('sends gradients to the first maximum of each window', async () => {
    for (const attributes of [
      { kernel_shape: [2, 2], strides: [2, 2] },
      { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
      { kernel_shape: [3, 2], strides: [1, 2], pads: [0, 1, 2, 0] },
    ]) {
      // Few distinct values, so that windows hold their maximum more than once.
      await compare(
        { x: filled('int32', [2, 2, 7, 8], 5, -3, 3), seed: filled('float32', [2, 2, 7, 8], 1) },
        (b, v) => {
          const x = b.op('Cast', [v.x], { to: 'float32' });
          const y = b.op('MaxPool', [v.seed], attributes);
          return [b.op('MaxPoolGrad', [y, x], attributes)];
        },
      );
    }
  });
});
