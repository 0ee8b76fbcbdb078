import fc from 'fast-check';
import { describe, it } from 'vitest';
import { apart, linear, shape } from './cases.ts';
import { checkGradient } from './check.ts';

const window = (rank: number) =>
  fc.record({
    kernel: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: rank, maxLength: rank }),
    strides: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: rank, maxLength: rank }),
    dilations: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: rank, maxLength: rank }),
    pads: fc.array(fc.integer({ min: 0, max: 2 }), { minLength: 2 * rank, maxLength: 2 * rank }),
    spatial: fc.array(fc.integer({ min: 5, max: 8 }), { minLength: rank, maxLength: rank }),
    seed: fc.nat(),
  });

const convolution = fc
  .tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom(1, 2), fc.boolean())
  .chain(([rank, group, frozenWeight]) => window(rank).map(w => ({ ...w, rank, group, frozenWeight })));

describe('adjoints of convolutions, for random windows', () => {
  it('Conv', async () => {
    await fc.assert(
      fc.asyncProperty(
        convolution,
        async ({ kernel, strides, dilations, pads, spatial, group, frozenWeight, seed }) => {
          const weight = { shape: [2 * group, 3, ...kernel], frozen: frozenWeight };
          await checkGradient(
            [shape(2, 3 * group, ...spatial), weight, { shape: [2 * group], frozen: weight.frozen }],
            (b, [x, w, bias]) => b.op('Conv', [x, w, bias], { strides, dilations, pads, group }),
            { ...linear, seed },
          );
        },
      ),
      { numRuns: 10 },
    );
  });

  it('ConvTranspose', async () => {
    await fc.assert(
      fc.asyncProperty(
        convolution,
        fc.boolean(),
        async ({ kernel, strides, dilations, spatial, group, frozenWeight, rank, seed }, padded) => {
          const weight = { shape: [2 * group, 3, ...kernel], frozen: frozenWeight };
          const output_padding = strides.map(s => (padded ? s - 1 : 0));
          const pads = Array.from({ length: 2 * rank }, (_, i) => (padded ? Math.min(1, kernel[i % rank] - 1) : 0));
          await checkGradient(
            [shape(2, 2 * group, ...spatial.map(s => s - 2)), weight, { shape: [3 * group], frozen: weight.frozen }],
            (b, [x, w, bias]) =>
              b.op('ConvTranspose', [x, w, bias], { strides, dilations, pads, output_padding, group }),
            { ...linear, seed },
          );
        },
      ),
      { numRuns: 8 },
    );
  });
});

describe('adjoints of poolings, for random windows', () => {
  it('AveragePool and MaxPool', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2).chain(window),
        fc.boolean(),
        fc.boolean(),
        async ({ kernel, strides, pads, spatial, seed }, ceil, include) => {
          // Runtimes disagree on windows that start past the end: with ceil_mode, there are none here.
          const rank = kernel.length;
          const up = ceil && kernel.every((k, i) => k >= strides[i]);
          const attributes = {
            kernel_shape: kernel,
            strides,
            pads: pads.map((p, i) => (up && i >= rank ? 0 : Math.min(p, kernel[i % rank] - 1))),
            ceil_mode: up ? 1 : 0,
          };
          await checkGradient(
            [shape(2, 3, ...spatial)],
            (b, [x]) => b.op('AveragePool', [x], { ...attributes, count_include_pad: include ? 1 : 0 }),
            { ...linear, seed },
          );
          await checkGradient([apart(1, 2, ...spatial)], (b, [x]) => b.op('MaxPool', [x], attributes), { seed });
        },
      ),
      { numRuns: 8 },
    );
  });
});
