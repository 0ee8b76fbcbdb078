import fc from 'fast-check';
import { describe, it } from 'vitest';
import type { GraphBuilder } from '../../../ir/builder.ts';
import type { Value } from '../../../ir/graph.ts';
import { int64s } from '../../../ir/tensor.ts';
import { checkGradient, distinct, type Operand, positive, unkinked } from './check.ts';

type Case = readonly [string, readonly Operand[], (b: GraphBuilder, x: readonly Value[]) => Value];

const shape = (...s: number[]): Operand => ({ shape: s });
const frozen = (...s: number[]): Operand => ({ shape: s, frozen: true });
const apart = (...s: number[]): Operand => ({ shape: s, draw: distinct });

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

const linear = { step: 0.25, tolerance: 1e-3 };

describe('adjoints of convolutions, for random windows', () => {
  it('Conv', async () => {
    await fc.assert(
      fc.asyncProperty(
        convolution,
        async ({ kernel, strides, dilations, pads, spatial, group, frozenWeight, seed }) => {
          const weight = { shape: [2 * group, 3, ...kernel], frozen: frozenWeight || group > 1 };
          await checkGradient(
            [shape(2, 3 * group, ...spatial), weight, { shape: [2 * group], frozen: weight.frozen }],
            (b, [x, w, bias]) => b.op('Conv', [x, w, bias], { strides, dilations, pads, group }),
            { ...linear, seed },
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it('ConvTranspose', async () => {
    await fc.assert(
      fc.asyncProperty(
        convolution,
        fc.boolean(),
        async ({ kernel, strides, dilations, spatial, group, frozenWeight, rank, seed }, padded) => {
          const weight = { shape: [2 * group, 3, ...kernel], frozen: frozenWeight || group > 1 };
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
      { numRuns: 30 },
    );
  });

  it('auto_pad', async () => {
    for (const auto_pad of ['SAME_UPPER', 'SAME_LOWER', 'VALID']) {
      await checkGradient([shape(1, 2, 7, 8), frozen(3, 2, 3, 2)], (b, [x, w]) =>
        b.op('Conv', [x, w], { auto_pad, strides: [2, 2] }),
      );
    }
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
      { numRuns: 25 },
    );
  });

  it('the global ones', async () => {
    await checkGradient([shape(2, 3, 4, 5)], (b, [x]) => b.op('GlobalAveragePool', [x]));
    await checkGradient([apart(2, 3, 4, 2)], (b, [x]) => b.op('GlobalMaxPool', [x]));
  });
});

const matrices: readonly Case[] = [
  ['MatMul of matrices', [shape(3, 4), shape(4, 2)], (b, [x, y]) => b.op('MatMul', [x, y])],
  ['MatMul with a frozen matrix', [shape(2, 3, 4), frozen(4, 2)], (b, [x, y]) => b.op('MatMul', [x, y])],
  ['MatMul of tokens', [shape(2, 3, 4), shape(4, 2)], (b, [x, y]) => b.op('MatMul', [x, y])],
  ['MatMul of batches', [shape(2, 1, 3, 4), shape(5, 4, 2)], (b, [x, y]) => b.op('MatMul', [x, y])],
  ['MatMul of a row', [shape(4), shape(2, 4, 3)], (b, [x, y]) => b.op('MatMul', [x, y])],
  ['MatMul of a column', [shape(2, 3, 4), shape(4)], (b, [x, y]) => b.op('MatMul', [x, y])],
  ['MatMul of vectors', [shape(4), shape(4)], (b, [x, y]) => b.op('MatMul', [x, y])],
  ...[0, 1, 2, 3].map((t): Case => {
    const [transA, transB] = [t & 1, t >> 1];
    return [
      `Gemm ${transA ? 'Aᵀ' : 'A'}${transB ? 'Bᵀ' : 'B'}`,
      [transA ? shape(4, 3) : shape(3, 4), transB ? shape(2, 4) : shape(4, 2), t & 1 ? shape(2) : shape(3, 1)],
      (b, [x, y, z]) => b.op('Gemm', [x, y, z], { transA, transB, alpha: 0.7, beta: 1.3 }),
    ];
  }),
];

const normalizations: readonly Case[] = [
  [
    'BatchNormalization',
    [shape(2, 3, 4), shape(3), shape(3), frozen(3), { shape: [3], frozen: true, draw: positive }],
    (b, [x, scale, bias, mean, variance]) => b.op('BatchNormalization', [x, scale, bias, mean, variance]),
  ],
  [
    'BatchNormalization with frozen parameters',
    [shape(2, 3, 4, 2), frozen(3), frozen(3), frozen(3), { shape: [3], frozen: true, draw: positive }],
    (b, [x, scale, bias, mean, variance]) => b.op('BatchNormalization', [x, scale, bias, mean, variance]),
  ],
  [
    'InstanceNormalization',
    [shape(2, 3, 4, 5), shape(3), shape(3)],
    (b, [x, scale, bias]) => b.op('InstanceNormalization', [x, scale, bias]),
  ],
  [
    'LayerNormalization',
    [shape(2, 3, 7), shape(7), shape(7)],
    (b, [x, scale, bias]) => b.op('LayerNormalization', [x, scale, bias]),
  ],
  [
    'LayerNormalization over two axes',
    [shape(2, 3, 4), shape(3, 4)],
    (b, [x, scale]) => b.op('LayerNormalization', [x, scale], { axis: 1 }),
  ],
  [
    'GroupNormalization',
    [shape(2, 4, 3, 3), shape(4), shape(4)],
    (b, [x, scale, bias]) => b.op('GroupNormalization', [x, scale, bias], { num_groups: 2 }),
  ],
  ['LpNormalization', [shape(3, 4)], (b, [x]) => b.op('LpNormalization', [x])],
  ['MeanVarianceNormalization', [shape(2, 3, 4, 5)], (b, [x]) => b.op('MeanVarianceNormalization', [x])],
];

const reductions: readonly Case[] = [
  ...(['ReduceL2', 'ReduceLogSumExp', 'ReduceMean', 'ReduceSum', 'ReduceSumSquare'] as const).flatMap((op): Case[] => [
    [`${op} over some axes`, [shape(3, 4, 2)], (b, [x]) => b.op(op, [x, b.ints([0, 2])])],
    [`${op} without them`, [shape(3, 4, 2)], (b, [x]) => b.op(op, [x, b.ints([-2])], { keepdims: 0 })],
    [`${op} over all`, [shape(3, 4)], (b, [x]) => b.op(op, [x], { keepdims: 0 })],
  ]),
  ['ReduceLogSum', [{ shape: [3, 4], draw: positive }], (b, [x]) => b.op('ReduceLogSum', [x, b.ints([1])])],
  ['ReduceL1', [{ shape: [3, 4], draw: unkinked }], (b, [x]) => b.op('ReduceL1', [x, b.ints([1])])],
  ['ReduceMax', [apart(3, 4)], (b, [x]) => b.op('ReduceMax', [x, b.ints([1])], { keepdims: 0 })],
  ['ReduceMin', [apart(3, 4)], (b, [x]) => b.op('ReduceMin', [x, b.ints([0])])],
  ['Softmax', [shape(2, 4, 3)], (b, [x]) => b.op('Softmax', [x], { axis: 1 })],
  ['LogSoftmax', [shape(2, 4, 3)], (b, [x]) => b.op('LogSoftmax', [x])],
  ['CumSum', [shape(3, 4)], (b, [x]) => b.op('CumSum', [x, b.constant(int64s([1]))], { exclusive: 1 })],
  ['TopK', [apart(3, 6)], (b, [x]) => b.ops('TopK', [x, b.ints([2])])[0]],
];

const resizes: readonly Case[] = (
  [
    ['nearest', 'asymmetric', 'floor', [6, 8]],
    ['nearest', 'half_pixel', 'round_prefer_floor', [5, 7]],
    ['nearest', 'half_pixel', 'round_prefer_ceil', [2, 3]],
    ['linear', 'half_pixel', 'floor', [6, 8]],
    ['linear', 'align_corners', 'floor', [5, 2]],
    ['linear', 'pytorch_half_pixel', 'floor', [1, 9]],
    ['cubic', 'half_pixel', 'floor', [7, 5]],
  ] as const
).map(([mode, coordinates, nearest_mode, to]) => [
  `Resize ${mode}, ${coordinates}, ${nearest_mode}`,
  [shape(2, 2, 3, 4)],
  (b, [x]) =>
    b.op('Resize', [x, undefined, undefined, b.ints([2, 2, ...to])], {
      mode,
      coordinate_transformation_mode: coordinates,
      nearest_mode,
    }),
]);

const movements: readonly Case[] = [
  ['Reshape', [shape(2, 6)], (b, [x]) => b.op('Reshape', [x, b.ints([3, -1])])],
  ['Flatten', [shape(2, 3, 2)], (b, [x]) => b.op('Flatten', [x])],
  ['Squeeze, Unsqueeze', [shape(2, 1, 3)], (b, [x]) => b.op('Unsqueeze', [b.op('Squeeze', [x]), b.ints([0, 3])])],
  ['Transpose', [shape(2, 3, 4)], (b, [x]) => b.op('Transpose', [x], { perm: [2, 0, 1] })],
  ['Concat', [shape(2, 3), shape(2, 1), shape(2, 2)], (b, x) => b.op('Concat', x, { axis: -1 })],
  ['Concat with itself', [shape(2, 3)], (b, [x]) => b.op('Concat', [x, x], { axis: 0 })],
  [
    'Split of which a part is unused',
    [shape(2, 6)],
    (b, [x]) => {
      const [first, , last] = b.ops('Split', [x, b.ints([2, 3, 1])], { axis: 1 }, { outputs: ['p', 'q', 'r'] });
      return b.op('Mul', [first, last]);
    },
  ],
  ['Slice', [shape(4, 5, 6)], (b, [x]) => b.op('Slice', [x, b.ints([1, 2]), b.ints([3, 5]), b.ints([0, 2])])],
  [
    'Slice with steps',
    [shape(4, 5)],
    (b, [x]) => b.op('Slice', [x, b.ints([-1, 0]), b.ints([-9, 5]), b.ints([0, 1]), b.ints([-2, 2])]),
  ],
  ['Gather of one', [shape(3, 4, 2)], (b, [x]) => b.op('Gather', [x, b.constant(scalarInt(-1))], { axis: 1 })],
  ['Gather with repetition', [shape(3, 4, 2)], (b, [x]) => b.op('Gather', [x, b.ints([2, 0, 2])], { axis: 1 })],
  [
    'Gather by data',
    [apart(5, 3)],
    (b, [x]) => b.op('Gather', [x, b.op('ArgMax', [x], { axis: 1, keepdims: 0 })], { axis: 0 }),
  ],
  [
    'GatherElements',
    [apart(3, 4)],
    (b, [x]) => b.op('GatherElements', [x, b.op('ArgMax', [x], { axis: 1 })], { axis: 1 }),
  ],
  ['Pad', [shape(3, 4)], (b, [x]) => b.op('Pad', [x, b.ints([1, 0, 2, 3])])],
  ['Pad and crop', [shape(3, 4)], (b, [x]) => b.op('Pad', [x, b.ints([-1, 2, 1, -1])])],
  ['Pad by reflection', [shape(4, 5)], (b, [x]) => b.op('Pad', [x, b.ints([2, 1, 1, 3])], { mode: 'reflect' })],
  ['Pad by edges', [shape(2, 3, 4)], (b, [x]) => b.op('Pad', [x, b.ints([0, 2, 0, 0, 1, 0])], { mode: 'edge' })],
  ['Expand', [shape(3, 1)], (b, [x]) => b.op('Expand', [x, b.ints([2, 3, 4])])],
  ['Tile', [shape(2, 3)], (b, [x]) => b.op('Tile', [x, b.ints([2, 3])])],
  ['DepthToSpace', [shape(1, 8, 2, 3)], (b, [x]) => b.op('DepthToSpace', [x], { blocksize: 2 })],
  ['DepthToSpace CRD', [shape(1, 8, 2, 3)], (b, [x]) => b.op('DepthToSpace', [x], { blocksize: 2, mode: 'CRD' })],
  ['SpaceToDepth', [shape(1, 2, 4, 6)], (b, [x]) => b.op('SpaceToDepth', [x], { blocksize: 2 })],
  ['Trilu', [shape(4, 4)], (b, [x]) => b.op('Trilu', [x, b.constant(scalarInt(1))])],
];

const features: readonly Case[] = [
  ...[
    [2, 3],
    [2, 5, 3],
    [2, 3, 4, 2],
    [1, 3, 2, 2, 2],
  ].map((s): Case => {
    return [
      `Stitch of rank ${s.length}`,
      [{ shape: s }, shape(4, 3), shape(4)],
      (b, [x, w, bias]) => b.op('Stitch', [x, w, bias]),
    ];
  }),
  ...[[2], [2, 3], [2, 1, 4]].map((s): Case => {
    return [
      `Switch with weights [${s}]`,
      [{ shape: s }, shape(3, 4, 2), shape(3, 4, 2)],
      (b, [w, x, y]) => b.op('Switch', [w, x, y]),
    ];
  }),
  ['FeatureLoss', [shape(2, 3, 4), frozen(2, 3, 4)], (b, [x, r]) => b.op('FeatureLoss', [x, r])],
  [
    'FeatureLoss, not normalised',
    [shape(2, 3, 4), shape(2, 3, 4)],
    (b, [x, r]) => b.op('FeatureLoss', [x, r], { normalize: 0 }),
  ],
];

function scalarInt(value: number) {
  return { ...int64s([value]), shape: [] };
}

describe.each([
  ['matrix products', matrices],
  ['normalisations', normalizations],
  ['reductions', reductions],
  ['interpolations', resizes],
  ['movements', movements],
  ['stitches', features],
])('adjoints of %s', (_, cases) => {
  it.each(cases)('%s', async (_name, operands, build) => {
    await checkGradient(operands, build);
  });
});
