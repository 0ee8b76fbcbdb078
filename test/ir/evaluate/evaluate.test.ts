import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../../ir/evaluate/index.ts';
import { scalars } from '../../../ir/evaluate/scalars.ts';
import {
  type AnyNode,
  float32,
  type Graph,
  GraphBuilder,
  int64s,
  numbersOf,
  scalar,
  type Tensor,
  tensor,
  tensorFromNumbers,
  tensorType,
} from '../../../ir/index.ts';
import { type ElementwiseOp, isSutureOp, type OpName, operators } from '../../../ir/ops/index.ts';
import { random, relativeError, runOrt } from '../../passes/ort.ts';
import { evaluateGraph } from './graph.ts';

const floats = (...shape: number[]): Tensor => {
  const next = random(shape.reduce((h, d) => h * 31 + d, 17));
  return float32(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 4 * next() - 2),
  );
};
const positive = (...shape: number[]): Tensor =>
  float32(
    shape,
    Array.from(numbersOf(floats(...shape)), v => Math.abs(v) + 0.1),
  );
const ints = (shape: readonly number[], values: readonly number[]): Tensor => tensorFromNumbers('int64', shape, values);
const bools = (...values: number[]): Tensor => tensorFromNumbers('bool', [values.length], values);

interface Case {
  readonly op: OpName;
  readonly inputs: readonly (Tensor | undefined)[];
  readonly attributes?: object;
  readonly outputs?: number;
}

const x = floats(2, 3, 4);
const image = floats(2, 4, 5, 5);
const reductions: Case[] = (
  [
    'ReduceL1',
    'ReduceL2',
    'ReduceLogSumExp',
    'ReduceMax',
    'ReduceMean',
    'ReduceMin',
    'ReduceProd',
    'ReduceSum',
    'ReduceSumSquare',
  ] as const
).flatMap(op => [
  { op, inputs: [x, int64s([1])] },
  { op, inputs: [x, int64s([0, -1])], attributes: { keepdims: 0 } },
  { op, inputs: [x] },
]);

/** Operators whose domain is not all of ±2, or that take other operands than one or two float tensors. */
const special: Partial<Record<ElementwiseOp, readonly Case[]>> = {
  Acosh: [{ op: 'Acosh', inputs: [float32([3], [1, 1.5, 7])] }],
  Acos: [{ op: 'Acos', inputs: [float32([3], [-1, 0.3, 1])] }],
  Asin: [{ op: 'Asin', inputs: [float32([3], [-1, 0.3, 1])] }],
  Atanh: [{ op: 'Atanh', inputs: [float32([3], [-0.9, 0.3, 0])] }],
  Log: [{ op: 'Log', inputs: [positive(5)] }],
  Sqrt: [{ op: 'Sqrt', inputs: [positive(5)] }],
  Pow: [
    { op: 'Pow', inputs: [positive(2, 3), floats(3)] },
    { op: 'Pow', inputs: [ints([2], [3, -2]), ints([1], [3])] },
  ],
  BitwiseNot: [{ op: 'BitwiseNot', inputs: [ints([3], [5, -1, 0])] }],
  BitwiseAnd: [{ op: 'BitwiseAnd', inputs: [ints([2], [12, -1]), ints([2], [10, 7])] }],
  BitwiseOr: [{ op: 'BitwiseOr', inputs: [ints([2], [12, -1]), ints([2], [10, 7])] }],
  BitwiseXor: [{ op: 'BitwiseXor', inputs: [ints([2], [12, -1]), ints([2], [10, 7])] }],
  BitShift: ['LEFT', 'RIGHT'].map(direction => ({
    op: 'BitShift',
    inputs: [tensorFromNumbers('uint32', [3], [16, 4, 1]), tensorFromNumbers('uint32', [3], [1, 2, 3])],
    attributes: { direction },
  })),
  Not: [{ op: 'Not', inputs: [bools(1, 0)] }],
  And: [{ op: 'And', inputs: [bools(1, 0, 1), bools(1)] }],
  Or: [{ op: 'Or', inputs: [bools(1, 0, 1), bools(0)] }],
  Xor: [{ op: 'Xor', inputs: [bools(1, 0, 1), bools(1)] }],
  Where: [{ op: 'Where', inputs: [bools(1, 0, 1), floats(2, 1), floats(3)] }],
  Clip: [
    { op: 'Clip', inputs: [x, scalar(-0.5), scalar(1)] },
    { op: 'Clip', inputs: [x, undefined, scalar(1)] },
  ],
  Cast: [
    { op: 'Cast', inputs: [x], attributes: { to: 'int64' } },
    { op: 'Cast', inputs: [x], attributes: { to: 'float16' } },
    { op: 'Cast', inputs: [ints([3], [-3, 0, 2])], attributes: { to: 'bool' } },
    { op: 'Cast', inputs: [bools(1, 0)], attributes: { to: 'float32' } },
  ],
  Div: [
    { op: 'Div', inputs: [x, positive(4)] },
    { op: 'Div', inputs: [ints([3], [7, -7, 6]), ints([1], [2])] },
  ],
  Mod: [
    { op: 'Mod', inputs: [ints([4], [7, -7, 7, -7]), ints([4], [3, 3, -3, -3])] },
    { op: 'Mod', inputs: [floats(4), positive(4)], attributes: { fmod: 1 } },
  ],
  IsNaN: [{ op: 'IsNaN', inputs: [float32([3], [Number.NaN, 1, Number.POSITIVE_INFINITY])] }],
  IsInf: [{ op: 'IsInf', inputs: [float32([3], [Number.NaN, Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY])] }],
  Gelu: ['none', 'tanh'].map(approximate => ({ op: 'Gelu', inputs: [x], attributes: { approximate } })),
  PRelu: [{ op: 'PRelu', inputs: [x, floats(3, 1)] }],
  // ONNX Runtime 1.30 has no kernel for it.
  Swish: [],
};

const binary = new Set(['Add', 'Sub', 'Mul', 'Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual']);
const variadic = new Set(['Max', 'Min', 'Sum', 'Mean']);
const elementwise = (Object.keys(scalars) as ElementwiseOp[]).flatMap((op): readonly Case[] => {
  if (special[op]) return special[op];
  if (variadic.has(op)) return [{ op, inputs: [x, floats(3, 1), floats(4)] }];
  return [{ op, inputs: binary.has(op) ? [x, floats(3, 1)] : [x] }];
});

const movement: Case[] = [
  { op: 'Identity', inputs: [x] },
  { op: 'Reshape', inputs: [x, int64s([0, -1])] },
  { op: 'Flatten', inputs: [x], attributes: { axis: 2 } },
  { op: 'Squeeze', inputs: [floats(1, 3, 1)] },
  { op: 'Unsqueeze', inputs: [x, int64s([0, -1])] },
  { op: 'Transpose', inputs: [x], attributes: { perm: [2, 0, 1] } },
  { op: 'Transpose', inputs: [x] },
  { op: 'Expand', inputs: [floats(3, 1), int64s([2, 1, 4])] },
  { op: 'Tile', inputs: [x, int64s([2, 1, 3])] },
  { op: 'Concat', inputs: [x, floats(2, 1, 4), floats(2, 2, 4)], attributes: { axis: -2 } },
  { op: 'Split', inputs: [x, int64s([1, 3])], attributes: { axis: 2 }, outputs: 2 },
  { op: 'Slice', inputs: [x, int64s([-1, 1]), int64s([-5, 3]), int64s([2, 1]), int64s([-2, 1])] },
  { op: 'Slice', inputs: [x, int64s([1]), int64s([Number.MAX_SAFE_INTEGER]), int64s([-1])] },
  { op: 'Gather', inputs: [x, ints([2, 2], [0, -1, 2, 1])], attributes: { axis: 1 } },
  { op: 'Gather', inputs: [x, ints([], [1])], attributes: { axis: 2 } },
  { op: 'GatherElements', inputs: [x, ints([2, 1, 4], [0, 1, 2, -1, 0, 0, 1, 1])], attributes: { axis: 1 } },
  { op: 'Pad', inputs: [x, int64s([1, 0, 2, 0, -1, 1]), scalar(7)] },
  ...['reflect', 'edge', 'wrap'].map(
    (mode): Case => ({ op: 'Pad', inputs: [x, int64s([2, 3]), undefined, int64s([2])], attributes: { mode } }),
  ),
  { op: 'Trilu', inputs: [floats(3, 4)], attributes: { upper: 0 } },
  { op: 'Trilu', inputs: [floats(2, 3, 4), ints([], [1])] },
  ...['DCR', 'CRD'].map(
    (mode): Case => ({ op: 'DepthToSpace', inputs: [floats(1, 8, 2, 3)], attributes: { blocksize: 2, mode } }),
  ),
  { op: 'SpaceToDepth', inputs: [floats(1, 2, 4, 6)], attributes: { blocksize: 2 } },
  { op: 'Shape', inputs: [x], attributes: { start: 1 } },
  { op: 'Size', inputs: [x] },
  { op: 'ConstantOfShape', inputs: [int64s([2, 3])], attributes: { value: float32([1], [2.5]) } },
  { op: 'Range', inputs: [ints([], [5]), ints([], [-2]), ints([], [-3])] },
  { op: 'OneHot', inputs: [ints([2], [1, -1]), ints([], [3]), float32([2], [0, 5])], attributes: { axis: 0 } },
];

const linear: Case[] = [
  { op: 'MatMul', inputs: [floats(2, 1, 3, 4), floats(5, 4, 2)] },
  { op: 'MatMul', inputs: [floats(4), floats(3, 4, 2)] },
  { op: 'MatMul', inputs: [floats(3, 4), floats(4)] },
  {
    op: 'Gemm',
    inputs: [floats(4, 3), floats(5, 4), floats(5)],
    attributes: { transA: 1, transB: 1, alpha: 0.5, beta: 2 },
  },
  { op: 'Gemm', inputs: [floats(3, 4), floats(4, 2)] },
  {
    op: 'Conv',
    inputs: [image, floats(6, 2, 3, 3), floats(6)],
    attributes: { group: 2, pads: [1, 0, 2, 1], strides: [2, 1] },
  },
  { op: 'Conv', inputs: [image, floats(3, 4, 2, 2)], attributes: { strides: [2, 1], auto_pad: 'SAME_UPPER' } },
  { op: 'Conv', inputs: [floats(1, 2, 3, 4, 3), floats(2, 2, 2, 2, 2)] },
  { op: 'Conv', inputs: [image, floats(3, 4, 2, 2)], attributes: { dilations: [3, 2] } },
  {
    op: 'ConvTranspose',
    inputs: [image, floats(4, 3, 3, 3), floats(6)],
    attributes: { group: 2, pads: [1, 1, 0, 1], strides: [2, 2] },
  },
  { op: 'ConvTranspose', inputs: [image, floats(4, 2, 2, 2)], attributes: { strides: [3, 2], output_padding: [1, 0] } },
  ...['SAME_UPPER', 'SAME_LOWER'].map(
    (auto_pad): Case => ({
      op: 'ConvTranspose',
      inputs: [image, floats(4, 2, 3, 2)],
      attributes: { strides: [2, 3], auto_pad },
    }),
  ),
  {
    op: 'ConvTranspose',
    inputs: [image, floats(4, 2, 3, 2)],
    attributes: { strides: [2, 3], output_shape: [10, 16] },
  },
  {
    op: 'MaxPool',
    inputs: [image],
    attributes: { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1], ceil_mode: 1 },
  },
  { op: 'AveragePool', inputs: [image], attributes: { kernel_shape: [3, 3], pads: [1, 1, 1, 1] } },
  {
    op: 'AveragePool',
    inputs: [image],
    attributes: { kernel_shape: [2, 3], pads: [1, 1, 0, 1], count_include_pad: 1, strides: [2, 1] },
  },
  { op: 'GlobalAveragePool', inputs: [image] },
  { op: 'GlobalMaxPool', inputs: [image] },
  { op: 'BatchNormalization', inputs: [image, floats(4), floats(4), floats(4), positive(4)] },
  { op: 'InstanceNormalization', inputs: [image, floats(4), floats(4)] },
  { op: 'LayerNormalization', inputs: [x, floats(3, 4), floats(4)], attributes: { axis: 1 } },
  { op: 'GroupNormalization', inputs: [image, floats(4), floats(4)], attributes: { num_groups: 2 } },
];

const others: Case[] = [
  ...reductions,
  { op: 'ReduceLogSum', inputs: [positive(2, 3), int64s([1])] },
  { op: 'ReduceSum', inputs: [x, int64s([])], attributes: { noop_with_empty_axes: 1 } },
  { op: 'ArgMax', inputs: [x], attributes: { axis: 1 } },
  { op: 'ArgMin', inputs: [float32([4], [1, 0, 0, 3])], attributes: { keepdims: 0, select_last_index: 1 } },
  { op: 'Softmax', inputs: [x], attributes: { axis: 1 } },
  { op: 'LogSoftmax', inputs: [x] },
  { op: 'CumSum', inputs: [x, ints([], [1])], attributes: { reverse: 1, exclusive: 1 } },
];

const shuffled = ints([2, 3, 2], [2, 0, 1, 3, 3, 1, 0, 0, 1, 1, 2, 2]);
const indexed: Case[] = [
  { op: 'GatherND', inputs: [x, ints([2, 2], [0, -1, 1, 0])] },
  { op: 'GatherND', inputs: [x, ints([2, 1, 1], [-1, 0])], attributes: { batch_dims: 1 } },
  { op: 'ScatterElements', inputs: [x, shuffled, floats(2, 3, 2)], attributes: { axis: -1, reduction: 'add' } },
  { op: 'ScatterElements', inputs: [x, ints([1, 3, 4], Array(12).fill(-1)), floats(1, 3, 4)] },
  ...['none', 'add', 'mul', 'max', 'min'].map(
    (reduction): Case => ({
      op: 'ScatterND',
      inputs: [x, ints([2, 2], [0, -1, 1, 0]), floats(2, 4)],
      attributes: { reduction },
    }),
  ),
  { op: 'OneHot', inputs: [float32([2], [1, -1]), scalar(3), float32([2], [0, 5])] },
  { op: 'NonZero', inputs: [float32([2, 3], [0, 1, -2, 3, 0, 0])] },
  { op: 'Range', inputs: [scalar(0.5), scalar(3), scalar(0.75)] },
];

const resize = (
  attributes: object,
  sizes?: readonly number[],
  scales?: readonly number[],
  roi?: readonly number[],
): Case => ({
  op: 'Resize',
  inputs: [
    floats(1, 2, 5, 7),
    roi && float32([roi.length], roi),
    scales && float32([scales.length], scales),
    sizes && int64s(sizes),
  ],
  attributes,
});
const interpolations: Case[] = [
  ...['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric', 'half_pixel_symmetric'].flatMap(
    coordinate_transformation_mode => [
      ...['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'].map(nearest_mode =>
        resize({ coordinate_transformation_mode, nearest_mode }, [1, 2, 8, 3]),
      ),
      ...['linear', 'cubic'].flatMap(mode => [
        resize({ coordinate_transformation_mode, mode }, [1, 2, 8, 3]),
        resize({ coordinate_transformation_mode, mode }, undefined, [1, 1, 0.6, 1.7]),
      ]),
    ],
  ),
  resize({ mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }, undefined, [
    1,
    1,
    1.4,
    1 / 0.7,
  ]),
  resize({ mode: 'cubic', cubic_coeff_a: -0.5, exclude_outside: 1 }, [1, 2, 8, 9]),
  resize({ mode: 'linear', antialias: 1 }, [1, 2, 3, 4]),
  resize({ mode: 'cubic', antialias: 1 }, undefined, [1, 1, 0.6, 0.5]),
  resize({ mode: 'linear', antialias: 1, exclude_outside: 1 }, [1, 2, 9, 4]),
  resize({ mode: 'linear', axes: [3, 2] }, [4, 9]),
  resize({ axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' }, [8, 8]),
  resize({ axes: [2, 3], keep_aspect_ratio_policy: 'not_smaller', mode: 'linear' }, [8, 8]),
  resize(
    { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 10 },
    [1, 2, 4, 4],
    undefined,
    [0, 0, 0.2, 0.3, 1, 1, 1.4, 0.8],
  ),
];

const ties = float32([2, 5], [3, 1, 3, 2, 3, 0, 0, -1, 0, 5]);
const more: Case[] = [
  { op: 'Hardmax', inputs: [ties], attributes: { axis: 1 } },
  { op: 'TopK', inputs: [x, int64s([2])], attributes: { axis: 1, largest: 0 }, outputs: 2 },
  { op: 'TopK', inputs: [ties, int64s([3])], outputs: 2 },
  { op: 'CumSum', inputs: [x, ints([], [-1])] },
  { op: 'LRN', inputs: [image], attributes: { size: 3, alpha: 0.7, bias: 1.5 } },
  { op: 'LRN', inputs: [image], attributes: { size: 5 } },
  { op: 'LpNormalization', inputs: [x], attributes: { p: 1, axis: 1 } },
  { op: 'LpNormalization', inputs: [float32([2, 2], [0, 0, 3, 4])] },
  { op: 'MeanVarianceNormalization', inputs: [image] },
  { op: 'RMSNormalization', inputs: [x, floats(4)] },
  { op: 'RMSNormalization', inputs: [x, floats(3, 4)], attributes: { axis: 1, epsilon: 0.1 } },
  { op: 'LayerNormalization', inputs: [x, floats(4)], outputs: 3 },
  { op: 'LpPool', inputs: [image], attributes: { kernel_shape: [2, 3], strides: [2, 1], pads: [1, 0, 0, 1] } },
  { op: 'LpPool', inputs: [image], attributes: { kernel_shape: [2, 2], p: 3 } },
  ...[0, 1].map(
    (storage_order): Case => ({
      op: 'MaxPool',
      inputs: [image],
      attributes: { kernel_shape: [2, 3], strides: [2, 2], pads: [1, 1, 0, 1], storage_order },
      outputs: 2,
    }),
  ),
  ...[0, 1].map(
    (count_include_pad): Case => ({
      op: 'AveragePool',
      inputs: [image],
      attributes: { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1], ceil_mode: 1, count_include_pad },
    }),
  ),
  {
    op: 'AveragePool',
    inputs: [image],
    attributes: { kernel_shape: [2, 2], dilations: [2, 2], pads: [1, 1, 1, 1], count_include_pad: 1 },
  },
];

const cases = [...elementwise, ...movement, ...linear, ...others, ...indexed, ...interpolations, ...more];

/** All cases in one graph, each on constants. */
function graphOf(list: readonly Case[]): Graph {
  const b = new GraphBuilder('cases');
  list.forEach(({ op, inputs, attributes, outputs = 1 }, i) => {
    const names = Array.from({ length: outputs }, (_, k) => `y${i}_${k}`);
    const node = b.node(
      op,
      inputs.map(t => t && b.constant(t)),
      (attributes ?? {}) as never,
      { outputs: names },
    );
    for (const [k, value] of node.outputs.entries()) b.output(names[k], value);
  });
  return b.build();
}

describe('evaluation on constants', () => {
  test('agrees with ONNX Runtime on every operator', async () => {
    const graph = graphOf(cases);
    const found = evaluateGraph(graph, {});
    const wanted = await runOrt(graph, {});
    const wrong = [...found].flatMap(([name, got]) => {
      const { op, attributes } = cases[Number(/\d+/.exec(name)![0])];
      const { shape, data } = wanted[name];
      // float16 comes back as its bits.
      const numbers = got.dtype === 'float16' ? Array.from(got.data as Uint16Array) : Array.from(numbersOf(got));
      const finite = (v: ArrayLike<number>) => Array.from(v, e => (Number.isNaN(e) ? -99 : e));
      const error = relativeError(finite(numbers), finite(data));
      const same = got.shape.join() === shape.join() && error < 2e-6;
      return same ? [] : [`${op} ${JSON.stringify(attributes)}: [${got.shape}] for [${shape}], off by ${error}`];
    });
    expect(wrong).toEqual([]);
  });

  test('covers every operator that has a rule', () => {
    // ONNX Runtime has no kernels for these yet.
    const missing = ['CumProd', 'Swish'];
    const covered = new Set<string>([...cases.map(c => c.op), ...missing]);
    const all = (Object.keys(operators) as OpName[]).filter(op => !isSutureOp(op));
    expect(all.filter(op => !covered.has(op))).toEqual([]);
  });

  test('float32 arithmetic is exact to the bit', () => {
    const number = fc.float({ noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(number, number, (p, q) => {
        const b = new GraphBuilder('g');
        const [u, v] = [b.constant(scalar(p)), b.constant(scalar(q))];
        b.output('sum', b.op('Add', [u, v]));
        b.output('product', b.op('Mul', [u, v]));
        const results = evaluateGraph(b.build(), {});
        expect(results.get('sum')!.data[0]).toBe(Math.fround(p + q));
        expect(results.get('product')!.data[0]).toBe(Math.fround(p * q));
      }),
    );
  });

  test('computes integers beyond 2^53, and does not guess what a division by zero gives', () => {
    const huge = tensor('int64', [1], BigInt64Array.of(2n ** 60n));
    const node = (op: OpName, inputs: readonly Tensor[]): AnyNode => {
      const b = new GraphBuilder('g');
      b.node(
        op,
        inputs.map(t => b.constant(t)),
        {} as never,
      );
      return b.build().nodes[0];
    };
    expect(evaluate(node('Add', [huge, int64s([1])]), [huge, int64s([1])])![0].data[0]).toBe(2n ** 60n + 1n);
    expect(evaluate(node('Div', [int64s([1]), int64s([0])]), [int64s([1]), int64s([0])])).toBeUndefined();
    // What only moves elements keeps their bits.
    expect(evaluate(node('Identity', [huge]), [huge])![0].data[0]).toBe(2n ** 60n);
    expect(tensorType(huge).dtype).toBe('int64');
  });
});
