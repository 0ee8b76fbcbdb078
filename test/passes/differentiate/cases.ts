/** Small graphs of one operator each, for comparing gradients with central differences. */
import type { GraphBuilder } from '../../../ir/builder.ts';
import type { Value } from '../../../ir/graph.ts';
import { float32, int64s } from '../../../ir/tensor.ts';
import { type CheckOptions, type Draw, distinct, type Operand, positive, unkinked } from './check.ts';

export type Case = readonly [
  name: string,
  operands: readonly Operand[],
  build: (b: GraphBuilder, x: readonly Value[]) => Value,
  options?: CheckOptions,
];

export const shape = (...s: number[]): Operand => ({ shape: s });
export const frozen = (...s: number[]): Operand => ({ shape: s, frozen: true });
export const apart = (...s: number[]): Operand => ({ shape: s, draw: distinct });
export const drawn = (draw: Draw, ...s: number[]): Operand => ({ shape: s, draw });

/** Linear in what is differentiated: the step may be large, and rounding counts less. */
export const linear = { step: 0.25, tolerance: 1e-3 };

function scalarInt(value: number) {
  return { ...int64s([value]), shape: [] };
}

export const matrices: readonly Case[] = [
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

export const normalizations: readonly Case[] = [
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
    'BatchNormalization by statistics that vary',
    [shape(2, 3, 4), shape(3), shape(3), shape(3), drawn(positive, 3)],
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
  [
    'LayerNormalization with a scale that is broadcast, over a negative axis',
    [shape(2, 3, 4), shape(4), shape(3, 1)],
    (b, [x, scale, bias]) => b.op('LayerNormalization', [x, scale, bias], { axis: -2, epsilon: 0.1 }),
  ],
  ['RMSNormalization', [shape(2, 3, 4), shape(4)], (b, [x, scale]) => b.op('RMSNormalization', [x, scale])],
  [
    'RMSNormalization over two axes',
    [shape(2, 3, 4), shape(3, 4)],
    (b, [x, scale]) => b.op('RMSNormalization', [x, scale], { axis: 1, epsilon: 0.1 }),
  ],
  [
    'LRN',
    [shape(2, 6, 3)],
    (b, [x]) => b.op('LRN', [b.op('Unsqueeze', [x, b.ints([3])])], { size: 3, alpha: 2, bias: 0.8 }),
  ],
  [
    'LRN with an even window',
    [shape(2, 6, 3, 2)],
    (b, [x]) => b.op('LRN', [x], { size: 4, alpha: 2 }),
    { reference: true },
  ],
  ['LpNormalization', [shape(3, 4)], (b, [x]) => b.op('LpNormalization', [x])],
  [
    'LpNormalization of the first order',
    [drawn(unkinked, 3, 4)],
    (b, [x]) => b.op('LpNormalization', [x], { p: 1, axis: 0 }),
  ],
  ['MeanVarianceNormalization', [shape(2, 3, 4, 5)], (b, [x]) => b.op('MeanVarianceNormalization', [x])],
  [
    'MeanVarianceNormalization over negative axes',
    [shape(2, 3, 4, 5)],
    (b, [x]) => b.op('MeanVarianceNormalization', [x], { axes: [-1, 1] }),
    { reference: true },
  ],
];

export const reductions: readonly Case[] = [
  ...(['ReduceL2', 'ReduceLogSumExp', 'ReduceMean', 'ReduceSum', 'ReduceSumSquare'] as const).flatMap((op): Case[] => [
    [`${op} over some axes`, [shape(3, 4, 2)], (b, [x]) => b.op(op, [x, b.ints([0, 2])])],
    [`${op} without them`, [shape(3, 4, 2)], (b, [x]) => b.op(op, [x, b.ints([-2])], { keepdims: 0 })],
    [`${op} over all`, [shape(3, 4)], (b, [x]) => b.op(op, [x], { keepdims: 0 })],
  ]),
  ['ReduceLogSum', [{ shape: [3, 4], draw: positive }], (b, [x]) => b.op('ReduceLogSum', [x, b.ints([1])])],
  ['ReduceL1', [{ shape: [3, 4], draw: unkinked }], (b, [x]) => b.op('ReduceL1', [x, b.ints([1])])],
  ['ReduceMax', [apart(3, 4)], (b, [x]) => b.op('ReduceMax', [x, b.ints([1])], { keepdims: 0 })],
  ['ReduceMin', [apart(3, 4)], (b, [x]) => b.op('ReduceMin', [x, b.ints([0])])],
  ['ReduceProd', [shape(3, 4, 2)], (b, [x]) => b.op('ReduceProd', [x, b.ints([1, -1])])],
  [
    'ReduceProd with zeros',
    [drawn((r, i) => (i % 5 === 0 || i === 1 ? 0 : 0.5 + r()), 4, 4)],
    (b, [x]) => b.op('ReduceProd', [x, b.ints([1])], { keepdims: 0 }),
  ],
  [
    'a reduction over no axes',
    [shape(3, 4)],
    (b, [x]) => b.op('ReduceSumSquare', [x, b.ints([])], { noop_with_empty_axes: 1 }),
  ],
  ['Softmax', [shape(2, 4, 3)], (b, [x]) => b.op('Softmax', [x], { axis: 1 })],
  ['LogSoftmax', [shape(2, 4, 3)], (b, [x]) => b.op('LogSoftmax', [x])],
  ['CumSum', [shape(3, 4)], (b, [x]) => b.op('CumSum', [x, b.constant(int64s([1]))], { exclusive: 1 })],
  ['CumSum the other way', [shape(3, 4)], (b, [x]) => b.op('CumSum', [x, b.constant(int64s([-2]))], { reverse: 1 })],
  ['TopK', [apart(3, 6)], (b, [x]) => b.ops('TopK', [x, b.ints([2])])[0]],
  [
    'TopK of the least, along a negative axis',
    [apart(4, 3)],
    (b, [x]) => b.ops('TopK', [x, b.ints([2])], { axis: -2, largest: 0 })[0],
  ],
];

export const resizes: readonly Case[] = (
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

const resized =
  (attributes: object, to: readonly number[] | undefined, more: { roi?: number[]; scales?: number[] } = {}) =>
  (b: GraphBuilder, [x]: readonly Value[]): Value =>
    b.op(
      'Resize',
      [
        x,
        more.roi && b.constant(float32([more.roi.length], more.roi)),
        more.scales && b.constant(float32([more.scales.length], more.scales)),
        to && b.ints(to),
      ],
      attributes,
    );

export const otherResizes: readonly Case[] = [
  ['Resize by scales', [shape(2, 2, 5, 4)], resized({ mode: 'linear' }, undefined, { scales: [1, 1, 0.6, 1.7] })],
  ['Resize of some axes', [shape(2, 2, 5, 4)], resized({ mode: 'cubic', axes: [-1, 2] }, [7, 3])],
  ['Resize, antialiased', [shape(1, 2, 6, 7)], resized({ mode: 'linear', antialias: 1 }, [1, 2, 4, 3])],
  ['Resize, antialiased cubic', [shape(1, 2, 6, 7)], resized({ mode: 'cubic', antialias: 1 }, [1, 2, 4, 3])],
  [
    'Resize without what lies outside',
    [shape(1, 2, 6, 7)],
    resized({ mode: 'cubic', exclude_outside: 1 }, [1, 2, 9, 3]),
  ],
  [
    'Resize, symmetric',
    [shape(1, 2, 5, 4)],
    resized({ mode: 'linear', coordinate_transformation_mode: 'half_pixel_symmetric' }, undefined, {
      scales: [1, 1, 1.3, 0.6],
    }),
  ],
  [
    'Resize that keeps the aspect',
    [shape(1, 2, 6, 4)],
    resized({ mode: 'linear', axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' }, [9, 9]),
  ],
  [
    'Resize of a region',
    [shape(1, 2, 6, 7)],
    resized(
      { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 3 },
      [1, 2, 4, 4],
      {
        roi: [0, 0, 0.2, 0.3, 1, 1, 1.4, 0.8],
      },
    ),
  ],
].map(([name, operands, build]) => [name, operands, build, linear] as Case);

const indices = (s: readonly number[], values: readonly number[]) => ({ ...int64s(values), shape: s });

export const movements: readonly Case[] = [
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
  [
    'GatherND with repetition',
    [shape(3, 4, 2)],
    (b, [x]) => b.op('GatherND', [x, b.constant(indices([3, 2], [0, 1, 2, -1, 0, 1]))]),
  ],
  [
    'GatherND in a batch',
    [shape(2, 3, 4, 2)],
    (b, [x]) =>
      b.op('GatherND', [x, b.constant(indices([2, 3, 2, 1], [0, 1, 2, 3, 1, 1, 0, 0, -1, 2, 3, 1]))], {
        batch_dims: 2,
      }),
  ],
  ...(['none', 'add'] as const).flatMap((reduction): Case[] => [
    [
      `ScatterElements, ${reduction}`,
      [shape(3, 4), shape(2, 4)],
      (b, [x, updates]) =>
        b.op(
          'ScatterElements',
          [
            x,
            b.constant(indices([2, 4], reduction === 'add' ? [1, 1, 2, 0, 1, -1, 2, 1] : [0, 1, 2, 0, 2, 0, -3, 1])),
            updates,
          ],
          { reduction },
        ),
    ],
    [
      `ScatterND, ${reduction}`,
      [shape(4, 3), shape(2, 3)],
      (b, [x, updates]) =>
        b.op('ScatterND', [x, b.constant(indices([2, 1], reduction === 'add' ? [2, 2] : [3, -4])), updates], {
          reduction,
        }),
    ],
  ]),
  ['Pad', [shape(3, 4)], (b, [x]) => b.op('Pad', [x, b.ints([1, 0, 2, 3])])],
  ['Pad and crop', [shape(3, 4)], (b, [x]) => b.op('Pad', [x, b.ints([-1, 2, 1, -1])])],
  ['Pad by reflection', [shape(4, 5)], (b, [x]) => b.op('Pad', [x, b.ints([2, 1, 1, 3])], { mode: 'reflect' })],
  ['Pad by edges', [shape(2, 3, 4)], (b, [x]) => b.op('Pad', [x, b.ints([0, 2, 0, 0, 1, 0])], { mode: 'edge' })],
  [
    'Pad by wrapping some axes',
    [shape(3, 4)],
    (b, [x]) => b.op('Pad', [x, b.ints([1, 2]), undefined, b.ints([-1])], { mode: 'wrap' }),
  ],
  ['Identity', [shape(3)], (b, [x]) => b.op('Identity', [x])],
  ['Expand', [shape(3, 1)], (b, [x]) => b.op('Expand', [x, b.ints([2, 3, 4])])],
  ['Tile', [shape(2, 3)], (b, [x]) => b.op('Tile', [x, b.ints([2, 3])])],
  ['DepthToSpace', [shape(1, 8, 2, 3)], (b, [x]) => b.op('DepthToSpace', [x], { blocksize: 2 })],
  ['DepthToSpace CRD', [shape(1, 8, 2, 3)], (b, [x]) => b.op('DepthToSpace', [x], { blocksize: 2, mode: 'CRD' })],
  ['SpaceToDepth', [shape(1, 2, 4, 6)], (b, [x]) => b.op('SpaceToDepth', [x], { blocksize: 2 })],
  ['Trilu', [shape(4, 4)], (b, [x]) => b.op('Trilu', [x, b.constant(scalarInt(1))])],
];

export const features: readonly Case[] = [
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

const image = shape(2, 4, 7, 6);

/** Attributes that the random windows of `structured.test.ts` do not draw. */
export const windows: readonly Case[] = [
  ...['SAME_UPPER', 'SAME_LOWER', 'VALID'].flatMap((auto_pad): Case[] => [
    [
      `Conv, ${auto_pad}`,
      [image, shape(3, 4, 3, 2)],
      (b, [x, w]) => b.op('Conv', [x, w], { auto_pad, strides: [2, 2] }),
      linear,
    ],
    [
      `ConvTranspose, ${auto_pad}`,
      [image, shape(4, 3, 3, 2)],
      (b, [x, w]) => b.op('ConvTranspose', [x, w], { auto_pad, strides: [2, 3] }),
      linear,
    ],
    [
      `AveragePool, ${auto_pad}`,
      [image],
      (b, [x]) => b.op('AveragePool', [x], { auto_pad, kernel_shape: [3, 2], strides: [2, 2] }),
      linear,
    ],
    [
      `MaxPool, ${auto_pad}`,
      [apart(1, 2, 7, 6)],
      (b, [x]) => b.op('MaxPool', [x], { auto_pad, kernel_shape: [3, 2], strides: [2, 2] }),
    ],
  ]),
  [
    'Conv in groups, with its weight',
    [image, shape(6, 2, 3, 2), shape(6)],
    (b, [x, w, bias]) =>
      b.op('Conv', [x, w, bias], { group: 2, strides: [2, 1], pads: [1, 0, 0, 1], dilations: [1, 2] }),
    linear,
  ],
  [
    'Conv of each channel, with its weight',
    [image, shape(4, 1, 3, 3)],
    (b, [x, w]) => b.op('Conv', [x, w], { group: 4, pads: [1, 1, 1, 1] }),
    linear,
  ],
  [
    'ConvTranspose in groups, with its weight',
    [image, shape(4, 3, 2, 3), shape(6)],
    (b, [x, w, bias]) => b.op('ConvTranspose', [x, w, bias], { group: 2, strides: [2, 3], pads: [0, 1, 1, 0] }),
    linear,
  ],
  [
    'ConvTranspose to a given shape',
    [image, shape(4, 3, 3, 3)],
    (b, [x, w]) => b.op('ConvTranspose', [x, w], { strides: [2, 2], output_shape: [14, 12] }),
    linear,
  ],
  [
    'MaxPool, dilated',
    [apart(1, 2, 7, 6)],
    (b, [x]) => b.op('MaxPool', [x], { kernel_shape: [2, 3], dilations: [3, 2], pads: [1, 1, 0, 1], strides: [1, 2] }),
  ],
  ...[0, 1].map(
    (count_include_pad): Case => [
      `AveragePool, dilated, ${count_include_pad ? 'with' : 'without'} its padding`,
      [image],
      (b, [x]) =>
        b.op('AveragePool', [x], {
          kernel_shape: [2, 3],
          dilations: [3, 2],
          pads: [1, 1, 0, 1],
          strides: [1, 2],
          count_include_pad,
        }),
      linear,
    ],
  ),
  ...[1, 2, 3].map(
    (p): Case => [
      `LpPool of order ${p}`,
      [drawn(unkinked, 2, 3, 5, 6)],
      (b, [x]) => b.op('LpPool', [x], { p, kernel_shape: [3, 2], strides: [2, 1], pads: [1, 0, 0, 1] }),
    ],
  ),
  ['GlobalAveragePool', [shape(2, 3, 4, 5)], (b, [x]) => b.op('GlobalAveragePool', [x])],
  ['GlobalMaxPool', [apart(2, 3, 4, 2)], (b, [x]) => b.op('GlobalMaxPool', [x])],
];
