import fc from 'fast-check';
import { describe, it } from 'vitest';
import { compare, filled } from '../oracle.ts';

const extent = fc.integer({ min: 1, max: 5 });

describe('matrix products', () => {
  it('broadcast any batch axes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(extent, { maxLength: 3 }),
        fc.integer({ min: 0, max: 63 }),
        fc.tuple(extent, extent, extent),
        async (batch, mask, [m, n, k]) => {
          const left = batch.map((d, i) => (mask & (1 << i) ? 1 : d));
          const right = batch.map((d, i) => (mask & (8 << i) ? 1 : d)).slice(mask % (batch.length + 1));
          await compare(
            { a: filled('float32', [...left, m, k], 1), b: filled('float32', [...right, k, n], 2) },
            (b, v) => [
              b.op('MatMul', [v.a, v.b]),
              b.op('MatMul', [v.a, b.constant(filled('float32', [k], 3))]),
              b.op('MatMul', [b.constant(filled('float32', [k], 4)), v.b]),
            ],
          );
        },
      ),
      { numRuns: 3 },
    );
  });

  it('Gemm transposes, scales and adds', async () => {
    const inputs = {
      a: filled('float32', [4, 6], 1),
      b: filled('float32', [6, 5], 2),
      at: filled('float32', [6, 4], 3),
      bt: filled('float32', [5, 6], 4),
      row: filled('float32', [5], 5),
      column: filled('float32', [4, 1], 6),
    };
    await compare(inputs, (b, { a, b: right, at, bt, row, column }) => [
      b.op('Gemm', [a, right]),
      b.op('Gemm', [at, bt, row], { transA: 1, transB: 1, alpha: 0.5, beta: 2 }),
      b.op('Gemm', [a, bt, column], { transB: 1 }),
    ]);
  });
});
