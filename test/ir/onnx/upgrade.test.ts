/**
 * Old forms of operators, and operators that the vocabulary has no word for: ONNX Runtime computes the same from what is
 * exported as from the file. Forms that it does not read any more are compared with their text.
 */
import { describe, expect, test } from 'vitest';
import { DataType } from '../../../ir/onnx/proto/schema.ts';
import { print } from '../../../ir/print.ts';
import { float32, int64s, numbersOf, scalar, type Tensor, tensor, tensorFromNumbers } from '../../../ir/tensor.ts';
import { runInOnnxRuntime } from '../../conformance/onnxruntime.ts';
import { evaluateGraph } from '../evaluate/graph.ts';
import { type Case, compare, filled, image } from './compare.ts';
import { f, importOf, type ModelParts, node, subgraph, value } from './model.ts';

const gates = { RNN: 1, GRU: 3, LSTM: 4 };

/** The constant that fits the second operand of an equation. */
const operandOf = (equation: string): string =>
  ({ nkhw: 'u', nchw: 'x', cd: 'w', hk: 'v' })[equation.split(/,|->/)[1]] ?? 'x';

const cases: readonly Case[] = [
  ['Clip 6', { opset: 10, inputs: image, nodes: [node('Clip', 'x -> y', { min: f(-0.5), max: f(0.25) })] }],
  ['Clip 6 with one bound', { opset: 10, inputs: image, nodes: [node('Clip', 'x -> y', { max: f(0.25) })] }],
  ['Softmax 11 over several axes', { opset: 12, inputs: image, nodes: [node('Softmax', 'x -> y')] }],
  ['Softmax 11 over the last axis', { opset: 12, inputs: image, nodes: [node('Softmax', 'x -> y', { axis: 3 })] }],
  ['LogSoftmax 11', { opset: 11, inputs: image, nodes: [node('LogSoftmax', 'x -> y', { axis: 2 })] }],
  ['Hardmax 11', { opset: 11, inputs: image, nodes: [node('Hardmax', 'x -> y', { axis: -2 })] }],
  ['ReduceMean 13', { opset: 13, inputs: image, nodes: [node('ReduceMean', 'x -> y', { axes: [2, 3], keepdims: 0 })] }],
  ['ReduceSum 11', { opset: 12, inputs: image, nodes: [node('ReduceSum', 'x -> y', { axes: [-1] })] }],
  [
    'Squeeze and Unsqueeze 11',
    {
      opset: 12,
      inputs: image,
      nodes: [
        node('ReduceMax', 'x -> a', { axes: [1] }),
        node('Squeeze', 'a -> b', { axes: [1] }),
        node('Unsqueeze', 'b -> y', { axes: [0, -1] }),
      ],
    },
  ],
  [
    'Split 11',
    {
      opset: 12,
      inputs: image,
      nodes: [node('Split', 'x -> a y', { axis: 1, split: [1, 3] })],
      outputs: ['a', 'y'],
    },
  ],
  [
    'Slice 1',
    {
      opset: 9,
      inputs: image,
      nodes: [node('Slice', 'x -> y', { axes: [1, 3], starts: [1, -4], ends: [3, 9223372036854776] })],
    },
  ],
  [
    'Pad 2',
    {
      opset: 10,
      inputs: image,
      nodes: [node('Pad', 'x -> y', { pads: [0, 0, 1, 2, 0, 0, 3, 0], value: f(0.5) })],
    },
  ],
  [
    'Pad 2, reflected',
    { opset: 10, inputs: image, nodes: [node('Pad', 'x -> y', { pads: [0, 0, 1, 2, 0, 0, 3, 0], mode: 'reflect' })] },
  ],
  [
    'TopK 10',
    {
      opset: 10,
      inputs: image,
      constants: { k: int64s([2]) },
      nodes: [node('TopK', 'x k -> y i', { axis: 1 })],
    },
  ],
  ['Upsample 7', { opset: 8, inputs: image, nodes: [node('Upsample', 'x -> y', { scales: [1, 1, 2, 2.5] })] }],
  [
    'Upsample 9',
    {
      opset: 9,
      inputs: image,
      constants: { s: float32([4], [1, 1, 2, 3]) },
      nodes: [node('Upsample', 'x s -> y', { mode: 'linear' })],
    },
  ],
  [
    'Resize 10',
    {
      opset: 10,
      inputs: image,
      constants: { s: float32([4], [1, 1, 0.5, 2]) },
      nodes: [node('Resize', 'x s -> y')],
    },
  ],
  [
    'Resize of open extents by halves and quarters',
    {
      opset: 11,
      inputs: [value('x', ['N', 2, 'H', 'W'])],
      constants: { roi: float32([0], []), by: float32([4], [1, 1, 1.5, 0.75]) },
      nodes: [node('Resize', 'x roi by -> y', { mode: 'linear', coordinate_transformation_mode: 'half_pixel' })],
    },
    new Map([['x', filled([2, 2, 5, 7])]]),
  ],
  [
    'Resize 11 with empty operands',
    {
      opset: 11,
      inputs: image,
      constants: { roi: float32([0], []), none: float32([0], []), to: int64s([2, 4, 9, 3]) },
      nodes: [
        node('Resize', 'x roi none to -> y', { mode: 'linear', coordinate_transformation_mode: 'align_corners' }),
      ],
    },
  ],
  ...[
    ['Resize 11 as TensorFlow upsamples', 'floor', [1, 1, 2, 3]],
    ['Resize 11 as TensorFlow upsamples, by fractions', 'floor', [1, 1, 1.5, 0.7]],
    ['Resize 11 as TensorFlow upsamples, rounding', 'round_prefer_floor', [1, 1, 1.3, 0.5]],
  ].map(
    ([title, nearest_mode, by]): Case => [
      title as string,
      {
        opset: 11,
        inputs: image,
        constants: { roi: float32([0], []), by: float32([4], by as number[]) },
        nodes: [
          node('Resize', 'x roi by -> y', {
            mode: 'nearest',
            nearest_mode: nearest_mode as string,
            coordinate_transformation_mode: 'tf_half_pixel_for_nn',
          }),
        ],
      },
    ],
  ),
  [
    'BatchNormalization 9 in test mode',
    {
      opset: 9,
      inputs: image,
      constants: { s: filled([4]), b: filled([4], 2), m: filled([4], 3), v: float32([4], [1, 2, 3, 4]) },
      nodes: [node('BatchNormalization', 'x s b m v -> y')],
    },
  ],
  ['PRelu 9', { opset: 9, inputs: image, constants: { s: filled([4, 1, 1]) }, nodes: [node('PRelu', 'x s -> y')] }],
  ['Dropout 10', { opset: 10, inputs: image, nodes: [node('Dropout', 'x -> y', { ratio: f(0.3) })] }],
  [
    'Scatter 9',
    {
      opset: 9,
      inputs: image,
      constants: { i: tensor('int64', [1, 1, 1, 1], BigInt64Array.of(2n)), u: filled([1, 1, 1, 1]) },
      nodes: [node('Scatter', 'x i u -> y', { axis: 1 })],
    },
  ],
  [
    'GroupNormalization 18',
    {
      opset: 18,
      inputs: image,
      constants: { s: filled([2]), b: filled([2], 2) },
      nodes: [node('GroupNormalization', 'x s b -> y', { num_groups: 2 })],
    },
  ],
  ['CastLike', { opset: 17, inputs: image, constants: { like: scalar(1) }, nodes: [node('CastLike', 'x like -> y')] }],
  [
    'EyeLike',
    {
      opset: 17,
      inputs: image,
      constants: { like: filled([3, 4]) },
      nodes: [node('Identity', 'x -> unused'), node('EyeLike', 'like -> y', { k: 1, dtype: DataType.INT64 })],
    },
  ],
  [
    'QuantizeLinear',
    {
      opset: 13,
      inputs: image,
      constants: { s: float32([4], [0.01, 0.02, 0.03, 0.001]), z: tensor('uint8', [4], Uint8Array.of(0, 128, 255, 3)) },
      nodes: [node('QuantizeLinear', 'x s z -> y')],
    },
  ],
  [
    'DequantizeLinear',
    {
      opset: 13,
      inputs: image,
      constants: { s: scalar(0.02), z: tensor('uint8', [], Uint8Array.of(100)) },
      nodes: [node('QuantizeLinear', 'x s z -> q'), node('DequantizeLinear', 'q s z -> y')],
    },
  ],
  [
    'SoftmaxCrossEntropyLoss',
    {
      opset: 13,
      inputs: [value('x', ['N', 4])],
      constants: { labels: int64s([3, 1]), w: float32([4], [1, 2, 3, 4]) },
      nodes: [node('SoftmaxCrossEntropyLoss', 'x labels w -> y', { ignore_index: 1 })],
    },
    new Map([['x', filled([2, 4])]]),
  ],
  [
    'Attention',
    {
      opset: 23,
      inputs: [value('x', ['N', 5, 12])],
      nodes: [node('Attention', 'x x x -> y', { q_num_heads: 3, kv_num_heads: 3, is_causal: 1 })],
    },
    new Map([['x', filled([2, 5, 12])]]),
  ],
  ...[
    'nchw,nkhw->nck',
    'nchw,cd->ndhw',
    '...hw->...wh',
    'nchw->nc',
    'nchw,nchw->n',
    'nchw,hk',
    'nchh->nch',
    'nccn,cd->dn',
  ].map(
    (equation): Case => [
      `Einsum ${equation}`,
      {
        inputs: equation.startsWith('nccn') ? [value('x', [2, 4, 4, 2])] : image,
        constants: { w: filled([4, 3]), v: filled([6, 2]), u: filled([2, 5, 6, 6]) },
        nodes: [node('Einsum', equation.includes(',') ? `x ${operandOf(equation)} -> y` : 'x -> y', { equation })],
      },
      new Map([['x', filled(equation.startsWith('nccn') ? [2, 4, 4, 2] : [2, 4, 6, 6])]]),
    ],
  ),
  ...(['RNN', 'GRU', 'LSTM'] as const).map(
    (op): Case => [
      `${op} in both directions`,
      {
        opset: 14,
        inputs: [value('x', [3, 'N', 4])],
        constants: {
          w: filled([2, 5 * gates[op], 4]),
          r: filled([2, 5 * gates[op], 5], 0.5),
          b: filled([2, 10 * gates[op]], 0.3),
        },
        nodes: [node(op, 'x w r b -> y h', { hidden_size: 5, direction: 'bidirectional' })],
        outputs: ['y', 'h'],
      },
      new Map([['x', filled([3, 2, 4])]]),
    ],
  ),
  [
    'LSTM with everything',
    {
      opset: 14,
      inputs: [value('x', [3, 'N', 4])],
      constants: {
        w: filled([1, 20, 4]),
        r: filled([1, 20, 5], 0.5),
        b: filled([1, 40], 0.3),
        h0: filled([1, 2, 5]),
        c0: filled([1, 2, 5], 2),
        p: filled([1, 15], 0.7),
      },
      nodes: [node('LSTM', 'x w r b _ h0 c0 p -> y h c', { hidden_size: 5, direction: 'reverse', clip: f(0.9) })],
      outputs: ['y', 'h', 'c'],
    },
    new Map([['x', filled([3, 2, 4])]]),
  ],
  ...(['forward', 'reverse', 'bidirectional'] as const).flatMap(direction =>
    (['RNN', 'GRU', 'LSTM'] as const).map((op): Case => {
      const count = direction === 'bidirectional' ? 2 : 1;
      return [
        `${op} of sequences of different lengths, ${direction}`,
        {
          opset: 14,
          inputs: [value('x', [3, 'N', 4]), value('lengths', ['N'], DataType.INT32)],
          constants: { w: filled([count, 3 * gates[op], 4]), r: filled([count, 3 * gates[op], 3], 0.5) },
          nodes: [node(op, 'x w r _ lengths -> y h', { hidden_size: 3, direction })],
          outputs: ['y', 'h'],
        },
        new Map([
          ['x', filled([3, 3, 4])],
          ['lengths', tensor('int32', [3], Int32Array.of(2, 3, 1))],
        ]),
      ];
    }),
  ),
  ...(
    [
      [['Softsign', 'Softplus', 'Elu'], [1.1], []],
      [
        ['HardSigmoid', 'ScaledTanh', 'Affine'],
        [0.7, 0.6, 1.2],
        [0.4, 0.8, 0.1],
      ],
      [['Sigmoid', 'LeakyRelu', 'ThresholdedRelu'], [0.3, 0.25], []],
    ] as const
  ).map(
    ([names, activation_alpha, activation_beta]): Case => [
      `LSTM with the activations ${names.join(', ')} and coupled gates`,
      {
        opset: 14,
        inputs: [value('x', [2, 'N', 4])],
        constants: { w: filled([1, 12, 4]), r: filled([1, 12, 3], 0.5) },
        nodes: [
          node('LSTM', 'x w r -> y', {
            hidden_size: 3,
            input_forget: 1,
            activations: { strings: names },
            activation_alpha,
            ...(activation_beta.length > 0 ? { activation_beta } : {}),
          }),
        ],
      },
      new Map([['x', filled([2, 3, 4])]]),
    ],
  ),
  [
    'GRU with the reset gate after the product',
    {
      opset: 14,
      inputs: [value('x', [3, 'N', 4])],
      constants: { w: filled([1, 15, 4]), r: filled([1, 15, 5], 0.5), b: filled([1, 30], 0.3) },
      nodes: [node('GRU', 'x w r b -> y', { hidden_size: 5, linear_before_reset: 1 })],
    },
    new Map([['x', filled([3, 2, 4])]]),
  ],
  [
    'QLinearConv by channel',
    {
      opset: 13,
      inputs: image,
      constants: {
        s: scalar(0.01),
        z: tensor('uint8', [], Uint8Array.of(128)),
        w: tensor(
          'int8',
          [2, 4, 3, 3],
          Int8Array.from({ length: 72 }, (_, i) => ((i * 37) % 200) - 100),
        ),
        ws: float32([2], [0.02, 0.005]),
        wz: tensor('int8', [2], Int8Array.of(0, 0)),
        ys: scalar(0.5),
        b: tensor('int32', [2], Int32Array.of(500, -300)),
      },
      nodes: [
        node('QuantizeLinear', 'x s z -> q'),
        node('QLinearConv', 'q s z w ws wz ys z b -> r', { pads: [1, 1, 1, 1], strides: [2, 2] }),
        node('DequantizeLinear', 'r ys z -> y'),
      ],
    },
  ],
  ...['bilinear', 'nearest', 'bicubic'].flatMap(mode =>
    ['zeros', 'border', 'reflection'].map(
      (padding_mode): Case => [
        `GridSample ${mode} ${padding_mode}`,
        {
          opset: 16,
          inputs: image,
          constants: { g: filled([2, 3, 5, 2], 1.3) },
          nodes: [node('GridSample', 'x g -> y', { mode, padding_mode })],
        },
      ],
    ),
  ),
  [
    'CenterCropPad',
    {
      opset: 18,
      inputs: image,
      constants: { to: int64s([3, 9]) },
      nodes: [node('CenterCropPad', 'x to -> y', { axes: [2, 3] })],
    },
  ],
  [
    'DynamicQuantizeLinear and MatMulInteger',
    {
      opset: 13,
      inputs: [value('x', ['N', 6])],
      constants: {
        w: tensor(
          'int8',
          [6, 2],
          Int8Array.from({ length: 12 }, (_, i) => i * 9 - 50),
        ),
      },
      nodes: [node('DynamicQuantizeLinear', 'x -> q s z'), node('MatMulInteger', 'q w z -> y')],
    },
    new Map([['x', filled([3, 6])]]),
  ],
  ['GlobalLpPool', { opset: 13, inputs: image, nodes: [node('GlobalLpPool', 'x -> y', { p: 3 })] }],
  [
    'If with a known condition',
    {
      inputs: image,
      constants: { c: tensor('bool', [], Uint8Array.of(0)) },
      nodes: [
        node('If', 'c -> y', {
          then_branch: subgraph('-> t', [node('Neg', 'x -> t')]),
          else_branch: subgraph('-> e', [node('Abs', 'x -> e')]),
        }),
      ],
    },
  ],
  [
    'Loop with a known number of iterations',
    {
      inputs: image,
      constants: { trips: { ...int64s([3]), shape: [] }, c: tensor('bool', [], Uint8Array.of(1)) },
      nodes: [
        node('Loop', 'trips c x -> y all', {
          body: subgraph(
            'i go h -> on next out',
            [
              node('Identity', 'go -> on'),
              node('Cast', 'i -> f', { to: DataType.FLOAT }),
              node('Add', 'h f -> next'),
              node('ReduceSum', 'next -> out', { keepdims: 0 }),
            ],
            { i: value('i', [], DataType.INT64), go: value('go', [], DataType.BOOL) },
          ),
        }),
      ],
      outputs: ['y', 'all'],
    },
  ],
  [
    'Scan backwards',
    {
      inputs: image,
      constants: { zero: filled([6, 6], 0) },
      nodes: [
        node('ReduceMax', 'x -> r', { keepdims: 0, axes: [0] }),
        node('Scan', 'zero r -> last y', {
          num_scan_inputs: 1,
          scan_input_directions: [1],
          body: subgraph('h e -> next out', [node('Add', 'h e -> next'), node('Identity', 'next -> out')]),
        }),
      ],
      outputs: ['last', 'y'],
    },
  ],
  [
    'Scan of each batch, backwards over what is scanned second',
    {
      opset: 8,
      inputs: [value('h', [2, 3]), value('x', [2, 4, 3]), value('z', [2, 4, 3])],
      nodes: [
        node('Scan', '_ h x z -> last y', {
          num_scan_inputs: 2,
          directions: [0, 1],
          body: subgraph('s e f -> next out', [
            node('Add', 's e -> t'),
            node('Sub', 't f -> next'),
            node('Identity', 'next -> out'),
          ]),
        }),
      ],
      outputs: ['last', 'y'],
    },
    new Map(
      Object.entries({ h: [2, 3], x: [2, 4, 3], z: [2, 4, 3] }).map(([name, shape], i) => [name, filled(shape, i + 1)]),
    ),
  ],
];

describe('what ONNX Runtime reads as well', () => {
  for (const [title, parts, inputs] of cases) test(title, () => compare(parts, inputs));
});

test('recurrent networks with the batch first are those with the time first, transposed', async () => {
  const constants = { w: filled([2, 20, 4]), r: filled([2, 20, 5], 0.5) };
  const attributes = { hidden_size: 5, direction: 'bidirectional' };
  const outputs = ['y', 'h', 'c'];
  const given = tensorFromNumbers('float32', [2, 3, 4], filled([2, 3, 4]).data as Float32Array);
  const batchFirst = importOf({
    opset: 14,
    inputs: [value('x', ['N', 3, 4])],
    constants,
    nodes: [node('LSTM', 'x w r -> y h c', { ...attributes, layout: 1 })],
    outputs,
  });
  const timeFirst = importOf({
    opset: 14,
    inputs: [value('x', ['N', 3, 4])],
    constants,
    nodes: [
      node('Transpose', 'x -> t', { perm: [1, 0, 2] }),
      node('LSTM', 't w r -> a b d', attributes),
      node('Transpose', 'a -> y', { perm: [2, 0, 1, 3] }),
      node('Transpose', 'b -> h', { perm: [1, 0, 2] }),
      node('Transpose', 'd -> c', { perm: [1, 0, 2] }),
    ],
    outputs,
  });
  const inputs = new Map([['x', given]]);
  expect(await runInOnnxRuntime(batchFirst, inputs)).toEqual(await runInOnnxRuntime(timeFirst, inputs));
});

describe('what is older', () => {
  const text = (parts: ModelParts): string => print(importOf(parts)).split('\n').slice(1, -2).join('\n');
  const old = { opset: 6, irVersion: 3, inputs: image };

  test('broadcasting on request', () => {
    const constants = { b: filled([4]) };
    expect(
      text({ ...old, constants, nodes: [node('Add', 'x b -> y', { broadcast: 1, axis: 1 })] }),
    ).toMatchInlineSnapshot(`
      "  %Add_y/broadcast: float32[4, 1, 1] = Unsqueeze([0.2955202, 0.9092974, -0.5298361, -0.7727645], [1, 2])
        %y: float32[N, 4, 6, 6] = Add(%x, %Add_y/broadcast)"
    `);
    expect(
      text({ ...old, constants: { b: filled([6]) }, nodes: [node('Mul', 'x b -> y', { broadcast: 1 })] }),
    ).toMatchInlineSnapshot(`"  %y: float32[N, 4, 6, 6] = Mul(%x, $b: float32[6])"`);
  });

  test('slopes by channel', () => {
    expect(text({ ...old, constants: { s: filled([4]) }, nodes: [node('PRelu', 'x s -> y')] })).toMatchInlineSnapshot(`
      "  %PRelu_y/slope: float32[4, 1, 1] = Unsqueeze([0.2955202, 0.9092974, -0.5298361, -0.7727645], [1, 2])
        %y: float32[N, 4, 6, 6] = PRelu(%x, %PRelu_y/slope)"
    `);
  });

  test('dtypes by name, shapes as attributes, inputs that are overwritten', () => {
    expect(
      text({
        ...old,
        opset: 4,
        nodes: [
          node('Relu', 'x -> a', { consumed_inputs: [0] }),
          node('Reshape', 'a -> b', { shape: [0, -1] }),
          node('Cast', 'b -> y', { to: 'DOUBLE' }),
        ],
      }),
    ).toMatchInlineSnapshot(`
      "  %a: float32[N, 4, 6, 6] = Relu(%x)
        %b: float32[N, 144] = Reshape(%a, [0, -1])
        %y: float64[N, 144] = Cast(%b) {to = float64}"
    `);
  });

  test('normalisation with its mode said', () => {
    const constants = { s: filled([4]), b: filled([4]), m: filled([4]), v: filled([4]) };
    expect(
      text({ ...old, constants, nodes: [node('BatchNormalization', 'x s b m v -> y', { is_test: 1, spatial: 1 })] }),
    ).toMatchInlineSnapshot(
      `"  %y: float32[N, 4, 6, 6] = BatchNormalization(%x, [0.2955202, 0.9092974, -0.5298361, -0.7727645], [0.2955202, 0.9092974, -0.5298361, -0.7727645], [0.2955202, 0.9092974, -0.5298361, -0.7727645], [0.2955202, 0.9092974, -0.5298361, -0.7727645])"`,
    );
  });

  test.each([1, 6])('BatchNormalization %i with statistics that nothing reads, some written over its inputs', opset => {
    const constants = { s: filled([4]), b: filled([4], 2), m: filled([4], 3), v: float32([4], [1, 2, 3, 4]) };
    const read = (outputs: string, attributes: Record<string, number>) =>
      text({ ...old, opset, constants, nodes: [node('BatchNormalization', `x s b m v -> ${outputs}`, attributes)] });
    const plain = read('y', { is_test: 1 });
    expect(plain).toContain('BatchNormalization(%x, ');
    for (const outputs of ['y m v sm sv', 'y m2 v2 sm sv', 'y _ _ sm']) {
      expect(read(outputs, { is_test: 1, spatial: 1 })).toBe(plain);
    }
  });

  test('BatchNormalization with statistics for each position', () => {
    const own = (seed: number) => filled([4, 6, 6], seed);
    const variance = float32(
      [4, 6, 6],
      Float32Array.from({ length: 144 }, (_, i) => 1 + (i % 7)),
    );
    const constants = { s: own(1), b: own(2), m: own(3), v: variance };
    const nodes = [node('BatchNormalization', 'x s b m v -> y', { is_test: 1, spatial: 0, epsilon: f(0.1) })];
    const x = filled([2, 4, 6, 6], 5);
    const y = numbersOf(evaluateGraph(importOf({ ...old, constants, nodes }), { x }).get('y')!);
    for (const i of [0, 143, 144, 200]) {
      const [s, b, m, v] = [own(1), own(2), own(3), variance].map(t => numbersOf(t)[i % 144]);
      expect(y[i]).toBeCloseTo(((numbersOf(x)[i] - m) / Math.sqrt(v + 0.1)) * s + b, 5);
    }
  });

  test('GroupNormalization 18 by group is that of 21 by channel', () => {
    const by = (opset: number, repeat: number) => {
      const wide = (t: Tensor) =>
        float32(
          [2 * repeat],
          Array.from(numbersOf(t)).flatMap(v => Array(repeat).fill(v)),
        );
      const constants = { s: wide(filled([2])), b: wide(filled([2], 2)) };
      const nodes = [node('GroupNormalization', 'x s b -> y', { num_groups: 2 })];
      const graph = importOf({ opset, inputs: image, constants, nodes });
      return [evaluateGraph(graph, { x: filled([2, 4, 6, 6], 3) }).get('y'), graph.nodes.map(n => n.op)];
    };
    expect(by(18, 1)).toEqual(by(21, 2));
    expect(() => by(18, 2)).toThrow(
      expect.objectContaining({
        details: expect.arrayContaining([
          expect.stringContaining('its scale is float32[4], not one number for each of 2'),
        ]),
      }),
    );
  });

  test('Upsample by height and width', () => {
    const nodes = [node('Upsample', 'x -> y', { height_scale: f(2), width_scale: f(3), mode: 'bilinear' })];
    expect(text({ ...old, nodes })).toMatchInlineSnapshot(
      `"  %y: float32[N, 4, 12, 18] = Resize(%x, _, [1, 1, 2, 3]) {coordinate_transformation_mode = asymmetric, mode = linear, nearest_mode = floor}"`,
    );
  });

  test('TopK with its count as an attribute', () => {
    expect(text({ ...old, opset: 9, nodes: [node('TopK', 'x -> y i', { k: 3, axis: 2 })] })).toMatchInlineSnapshot(
      `"  %y: float32[N, 4, 3, 6], %i: int64[N, 4, 3, 6] = TopK(%x, [3]) {axis = 2}"`,
    );
  });
});
