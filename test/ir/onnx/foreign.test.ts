/** Operators said in other words whose operands decide what graph they become. */
import { describe, expect, test } from 'vitest';
import { DataType } from '../../../ir/onnx/proto/schema.ts';
import { float32, int64s, numbersOf, type Tensor, tensor } from '../../../ir/tensor.ts';
import { evaluateGraph } from '../evaluate/graph.ts';
import { type Case, compare, filled, image } from './compare.ts';
import { f, importOf, node, subgraph, value } from './model.ts';

const given = (shape: readonly number[]): ReadonlyMap<string, Tensor> => new Map([['x', filled(shape)]]);
const axis = (at: number) => ({ ...int64s([at]), shape: [] });

const cases: readonly Case[] = [
  [
    'Col2Im with overlapping patches',
    {
      opset: 18,
      inputs: [value('x', ['N', 18, 12])],
      constants: { image: int64s([5, 6]), block: int64s([3, 3]) },
      nodes: [node('Col2Im', 'x image block -> y', { pads: [1, 0, 0, 1], strides: [1, 2] })],
    },
    given([2, 18, 12]),
  ],
  [
    'Col2Im that leaves a remainder',
    {
      opset: 18,
      inputs: [value('x', ['N', 8, 4])],
      constants: { image: int64s([6, 7]), block: int64s([2, 2]) },
      nodes: [node('Col2Im', 'x image block -> y', { dilations: [2, 3], strides: [3, 2] })],
    },
    given([2, 8, 4]),
  ],
  [
    'Col2Im to the extents of an image',
    {
      opset: 18,
      inputs: [value('x', ['N', 8, 'L']), value('like', ['N', 1, 'H', 'W'])],
      constants: { block: int64s([2, 2]) },
      nodes: [
        node('Shape', 'like -> image', { start: 2 }),
        node('Col2Im', 'x image block -> y', { dilations: [2, 3], strides: [3, 2], pads: [1, 0, 1, 0] }),
      ],
    },
    new Map([...given([2, 8, 4]), ['like', filled([2, 1, 5, 7])]]),
  ],
  [
    'MaxUnpool after its pooling',
    {
      opset: 13,
      inputs: image,
      nodes: [
        node('MaxPool', 'x -> p i', { kernel_shape: [2, 3], strides: [2, 3] }),
        node('MaxUnpool', 'p i -> y', { kernel_shape: [2, 3], strides: [2, 3] }),
      ],
    },
  ],
  [
    'MaxUnpool to a given shape',
    {
      opset: 13,
      inputs: image,
      constants: { shape: int64s([2, 4, 6, 6]) },
      nodes: [
        node('MaxPool', 'x -> p i', { kernel_shape: [3, 3], strides: [2, 2] }),
        node('MaxUnpool', 'p i shape -> y', { kernel_shape: [3, 3], strides: [2, 2] }),
      ],
    },
  ],
  [
    'Compress along an axis',
    {
      opset: 13,
      inputs: image,
      constants: { keep: tensor('bool', [4], Uint8Array.of(1, 0, 1, 1)) },
      nodes: [node('Compress', 'x keep -> y', { axis: 1 })],
    },
  ],
  [
    'Compress by data',
    {
      opset: 13,
      inputs: [value('x', ['N'])],
      nodes: [node('Greater', 'x zero -> keep'), node('Compress', 'x keep -> y')],
      constants: { zero: filled([1], 0) },
    },
    given([9]),
  ],
  [
    'positions counted by what is not zero, as exporters did before Range',
    {
      opset: 9,
      inputs: [value('x', ['N', 70])],
      constants: { count: int64s([70]), axes: int64s([0]) },
      nodes: [
        node('ConstantOfShape', 'count -> ones', { value: tensor('int64', [1], BigInt64Array.of(1n)) }),
        node('NonZero', 'ones -> found'),
        node('Transpose', 'found -> turned', { perm: [1, 0] }),
        node('Squeeze', 'turned -> positions', { axes: [1] }),
        node('Cast', 'positions -> numbers', { to: DataType.FLOAT }),
        node('Mul', 'x numbers -> y'),
      ],
    },
    given([2, 70]),
  ],
  ...(['linear', 'nearest'] as const).flatMap(mode =>
    (['zeros', 'border', 'reflection'] as const).map(
      (padding_mode): Case => [
        `GridSample of a volume, ${mode}, ${padding_mode}`,
        {
          opset: 20,
          inputs: [value('x', ['N', 2, 3, 4, 5]), value('grid', ['N', 2, 3, 3, 3])],
          nodes: [node('GridSample', 'x grid -> y', { mode, padding_mode, align_corners: mode === 'linear' ? 1 : 0 })],
        },
        new Map([
          ['x', filled([2, 2, 3, 4, 5])],
          ['grid', filled([2, 2, 3, 3, 3], 1.6)],
        ]),
      ],
    ),
  ),
  [
    'DeformConv in groups',
    {
      opset: 19,
      inputs: [value('x', ['N', 4, 6, 7]), value('offset', ['N', 24, 2, 5]), value('mask', ['N', 12, 2, 5])],
      constants: { w: filled([6, 2, 3, 2]), bias: filled([6]) },
      nodes: [
        node('DeformConv', 'x w offset bias mask -> y', {
          group: 2,
          offset_group: 2,
          strides: [2, 1],
          dilations: [1, 3],
          pads: [0, 1, 0, 0],
        }),
      ],
    },
    new Map([
      ['x', filled([2, 4, 6, 7])],
      ['offset', filled([2, 24, 2, 5], 1.5)],
      ['mask', filled([2, 12, 2, 5])],
    ]),
  ],
  ...(
    [
      ['avg', 'half_pixel'],
      ['avg', 'output_half_pixel'],
      ['max', 'half_pixel'],
    ] as const
  ).map(
    ([mode, coordinate_transformation_mode]): Case => [
      `RoiAlign, ${mode}, ${coordinate_transformation_mode}`,
      {
        opset: 16,
        inputs: [value('x', ['N', 2, 6, 7])],
        constants: {
          rois: tensor('float32', [3, 4], Float32Array.of(2, 1, 11, 9, 0, 0, 1, 1, -4, 3, 14, 13)),
          images: int64s([1, 0, 1]),
        },
        nodes: [
          node('RoiAlign', 'x rois images -> y', {
            mode,
            coordinate_transformation_mode,
            output_height: 2,
            output_width: 3,
            sampling_ratio: 2,
            spatial_scale: f(0.5),
          }),
        ],
      },
      given([2, 2, 6, 7]),
    ],
  ),
  ...[1, 2, 4].map(
    (n): Case => [
      `Det of ${n} rows`,
      { opset: 11, inputs: [value('x', ['N', n, n])], nodes: [node('Det', 'x -> y')] },
      new Map([['x', filled([3, n, n])]]),
    ],
  ),
  ...(['TF', 'IDF', 'TFIDF'] as const).map(
    (mode): Case => [
      `TfIdfVectorizer, ${mode}`,
      {
        opset: 9,
        inputs: [value('x', ['N', 9], DataType.INT32)],
        nodes: [
          node('TfIdfVectorizer', 'x -> y', {
            mode,
            min_gram_length: 1,
            max_gram_length: 3,
            max_skip_count: 2,
            pool_int64s: [2, 3, 5, 4, 5, 6, 7, 8, 6, 7, 1, 2, 3],
            ngram_counts: [0, 4, 10],
            ngram_indexes: [0, 1, 2, 4, 5, 3, 6, 7],
            weights: [1.5, 2.5, 0.5, 3.5, 4.5, 5.5, 6.5, 7.5],
          }),
        ],
      },
      new Map([['x', tensor('int32', [2, 9], Int32Array.of(1, 2, 1, 3, 5, 6, 7, 8, 3, 8, 6, 7, 2, 6, 7, 1, 2, 3))]]),
    ],
  ),
  ...[0, 1].map(
    (side): Case => [
      `If whose condition depends on data, ${side}`,
      {
        opset: 16,
        inputs: [value('x', ['N', 3])],
        constants: { zero: filled([1], 0), two: tensor('float32', [1], Float32Array.of(side ? 100 : -100)) },
        nodes: [
          node('ReduceSum', 'x -> sum', { keepdims: 0 }),
          node('Greater', 'sum two -> large'),
          node('If', 'large -> y', {
            then_branch: subgraph('-> a', [node('Relu', 'x -> a')], { a: value('a', ['N', 3]) }),
            else_branch: subgraph('-> b', [node('Neg', 'x -> b')], { b: value('b', ['N', 3]) }),
          }),
        ],
      },
      given([2, 3]),
    ],
  ),
  ...['linear', 'circular'].map(
    (mode): Case => [
      `TensorScatter, ${mode}`,
      {
        opset: 24,
        inputs: [value('x', ['N', 2, 2, 3]), value('cache', ['N', 2, 5, 3])],
        constants: { starts: int64s([mode === 'linear' ? 2 : 4, 1]) },
        nodes: [node('TensorScatter', 'cache x starts -> y', { mode })],
      },
      new Map([
        ['x', filled([2, 2, 2, 3])],
        ['cache', filled([2, 2, 5, 3], 3)],
      ]),
    ],
  ),
  [
    'sequences of parts',
    {
      inputs: image,
      constants: { sizes: int64s([1, 3]), two: axis(2), first: axis(0), last: axis(-1) },
      nodes: [
        node('SplitToSequence', 'x two -> halves', { axis: 1 }),
        node('SplitToSequence', 'x sizes -> uneven', { axis: 1 }),
        node('SequenceAt', 'halves last -> a'),
        node('SequenceAt', 'uneven first -> b'),
        node('SequenceErase', 'halves first -> rest'),
        node('SequenceInsert', 'rest b -> more'),
        node('SequenceInsert', 'more a first -> most'),
        node('SequenceInsert', 'most b last -> all'),
        node('ConcatFromSequence', 'all -> joined', { axis: 1 }),
        node('SequenceLength', 'all -> count'),
        node('Cast', 'count -> number', { to: DataType.FLOAT }),
        node('Mul', 'joined number -> y'),
      ],
    },
  ],
  [
    'sequences of rows, stacked',
    {
      inputs: [value('x', ['N', 3])],
      constants: { at: axis(1) },
      nodes: [
        node('SplitToSequence', 'x -> columns', { axis: 1, keepdims: 0 }),
        node('SequenceAt', 'columns at -> middle'),
        node('SequenceConstruct', 'middle middle -> twice'),
        node('ConcatFromSequence', 'twice -> y', { axis: -1, new_axis: 1 }),
      ],
    },
    given([2, 3]),
  ],
  [
    'quantisation in blocks along an axis',
    {
      opset: 21,
      inputs: [value('x', ['N', 5])],
      constants: {
        scale: tensor('float32', [2, 3], Float32Array.of(0.1, 0.2, 0.05, 0.3, 0.01, 0.4)),
        zero: tensor('uint8', [2, 3], Uint8Array.of(3, 7, 128, 1, 200, 0)),
      },
      nodes: [
        node('QuantizeLinear', 'x scale zero -> q', { axis: 1, block_size: 2 }),
        node('DequantizeLinear', 'q scale zero -> y', { axis: 1, block_size: 2 }),
      ],
    },
    given([2, 5]),
  ],
];

/** As ONNX defines it; ONNX Runtime has no training mode on a CPU. */
test('batch normalisation whose running statistics are outputs is that of training', () => {
  const graph = importOf({
    opset: 15,
    inputs: [value('x', ['N', 2, 3])],
    constants: {
      scale: float32([2], [1.5, -2]),
      bias: float32([2], [0.1, 0.2]),
      mean: float32([2], [0.3, 1]),
      variance: float32([2], [2, 3]),
    },
    nodes: [node('BatchNormalization', 'x scale bias mean variance -> y m v', { training_mode: 1, momentum: f(0.75) })],
    outputs: ['y', 'm', 'v'],
  });
  const x = filled([2, 2, 3]);
  const results = evaluateGraph(graph, { x });
  const given = numbersOf(x);
  for (const c of [0, 1]) {
    const own = [0, 1].flatMap(n => [0, 1, 2].map(i => given[n * 6 + c * 3 + i]));
    const mean = own.reduce((a, b) => a + b) / 6;
    const variance = own.reduce((a, b) => a + (b - mean) ** 2, 0) / 6;
    expect(numbersOf(results.get('m')!)[c]).toBeCloseTo([0.3, 1][c] * 0.75 + mean * 0.25, 5);
    expect(numbersOf(results.get('v')!)[c]).toBeCloseTo([2, 3][c] * 0.75 + variance * 0.25, 5);
    const y = ((own[0] - mean) / Math.sqrt(variance + 1e-5)) * [1.5, -2][c] + [0.1, 0.2][c];
    expect(numbersOf(results.get('y')!)[c * 3]).toBeCloseTo(y, 4);
  }
});

test('the bits of integers as other integers are those of two complements', () => {
  const parts = { opset: 26, inputs: [value('x', [4], DataType.INT8)] };
  const graph = importOf({ ...parts, nodes: [node('BitCast', 'x -> y', { to: DataType.UINT8 })] });
  const x = tensor('int8', [4], Int8Array.of(-1, -128, 127, 0));
  const y = evaluateGraph(graph, { x }).get('y')!;
  expect([y.dtype, ...y.data]).toEqual(['uint8', 255, 128, 127, 0]);
  expect(() => importOf({ ...parts, nodes: [node('BitCast', 'x -> y', { to: DataType.UINT16 })] })).toThrow(
    expect.objectContaining({
      details: expect.arrayContaining([expect.stringContaining('the bits of int8 as uint16')]),
    }),
  );
});

test('an optional that is a tensor is there', () => {
  const graph = importOf({
    opset: 18,
    inputs: [value('x', ['N'])],
    nodes: [
      node('OptionalGetElement', 'x -> y'),
      node('OptionalHasElement', 'x -> there'),
      node('OptionalHasElement', '_ -> absent'),
    ],
    outputs: ['y', 'there', 'absent'],
  });
  const results = evaluateGraph(graph, { x: filled([2]) });
  expect([...numbersOf(results.get('y')!)]).toEqual([...numbersOf(filled([2]))]);
  expect(['there', 'absent'].map(name => numbersOf(results.get(name)!)[0])).toEqual([1, 0]);
});

test('what is not known of sequences is refused', () => {
  const problems = (nodes: readonly ReturnType<typeof node>[], outputs = ['y']): string => {
    try {
      importOf({ inputs: [value('x', ['N', 4]), value('n', [], DataType.INT64)], nodes, outputs });
    } catch (error) {
      return (error as { details: string[] }).details.join('\n');
    }
    return '';
  };
  const split = node('SplitToSequence', 'x -> s', { axis: 1 });
  expect(problems([split, node('SequenceAt', 's n -> y')])).toMatch(/its position must be known before the run/);
  expect(problems([split, node('Relu', 's -> y')])).toMatch(/its input 's' is a sequence of tensors/);
  expect(problems([split], ['s'])).toMatch(/Output 's': it is a sequence of tensors/);
  expect(problems([node('SplitToSequence', 'x -> y')])).toMatch(/the extent that it splits must be known/);
  expect(problems([node('SequenceLength', 'x -> y')])).toMatch(/its first input is no sequence of tensors/);
});

test('branches of different types are refused where data choose', () => {
  expect(() =>
    importOf({
      inputs: [value('x', ['N', 3]), value('choice', [], DataType.BOOL)],
      nodes: [
        node('If', 'choice -> y', {
          then_branch: subgraph('-> a', [node('Relu', 'x -> a')]),
          else_branch: subgraph('-> b', [node('ReduceMean', 'x -> b')]),
        }),
      ],
    }),
  ).toThrow(expect.objectContaining({ details: expect.arrayContaining([expect.stringContaining('depends on data')]) }));
});

describe('what ONNX Runtime reads as well', () => {
  for (const [title, parts, inputs] of cases) test(title, () => compare(parts, inputs));
});

describe('the discrete Fourier transform is its definition', () => {
  // ONNX Runtime ends the process on some of these.
  const transforms: readonly (readonly [string, shape: number[], axis: number, length: number, opset?: number])[] = [
    ['of real numbers', [2, 6, 1], 1, 6],
    ['of complex numbers along another axis', [2, 5, 3, 2], 1, 5],
    ['of a longer signal', [2, 6, 1], 1, 9],
    ['of a shorter signal', [2, 6, 2], 1, 4],
    ['as version 17 writes it', [2, 6, 4, 2], 2, 4, 17],
  ];
  for (const [title, shape, along, length, opset = 20] of transforms) {
    for (const [inverse, onesided] of opset < 20
      ? [[0, 0]]
      : [
          [0, 0],
          [0, 1],
          [1, 0],
        ]) {
      test(`${title}${inverse ? ', inverse' : ''}${onesided ? ', one half' : ''}`, () => {
        const graph = importOf({
          opset,
          inputs: [value('x', ['N', ...shape.slice(1)])],
          constants: { length: axis(length), ...(opset < 20 ? {} : { axis: axis(along - shape.length) }) },
          nodes: [
            node('DFT', opset < 20 ? 'x length -> y' : 'x length axis -> y', {
              inverse,
              onesided,
              ...(opset < 20 ? { axis: along } : {}),
            }),
          ],
        });
        const x = filled(shape);
        const y = evaluateGraph(graph, { x }).get('y')!;
        const to = onesided ? Math.floor(length / 2) + 1 : length;
        const wanted = shape.map((size, i) => (i === along ? to : i === shape.length - 1 ? 2 : size));
        expect(y.shape).toEqual(wanted);
        const [xs, ys] = [numbersOf(x), numbersOf(y)];
        const inner = shape.slice(along + 1, -1).reduce((p, q) => p * q, 1);
        const parts = shape[shape.length - 1];
        const outer = shape.slice(0, along).reduce((p, q) => p * q, 1);
        for (let o = 0; o < outer * inner; o++) {
          const [before, after] = [Math.floor(o / inner), o % inner];
          for (let k = 0; k < to; k++) {
            let [re, im] = [0, 0];
            for (let i = 0; i < Math.min(length, shape[along]); i++) {
              const at = ((before * shape[along] + i) * inner + after) * parts;
              const [a, b] = [xs[at], parts === 2 ? xs[at + 1] : 0];
              const angle = ((inverse ? 2 : -2) * Math.PI * i * k) / length;
              re += (a * Math.cos(angle) - b * Math.sin(angle)) / (inverse ? length : 1);
              im += (a * Math.sin(angle) + b * Math.cos(angle)) / (inverse ? length : 1);
            }
            const at = ((before * to + k) * inner + after) * 2;
            expect(ys[at]).toBeCloseTo(re, 5);
            expect(ys[at + 1]).toBeCloseTo(im, 5);
          }
        }
      });
    }
  }
});

test('the inverse of half a spectrum is the signal', () => {
  const graph = importOf({
    opset: 20,
    inputs: [value('x', ['N', 7, 1])],
    constants: { length: axis(7) },
    nodes: [node('DFT', 'x -> half', { onesided: 1 }), node('DFT', 'half length -> y', { inverse: 1, onesided: 1 })],
  });
  const x = filled([2, 7, 1]);
  const y = evaluateGraph(graph, { x }).get('y')!;
  expect(y.shape).toEqual([2, 7, 1]);
  for (const [i, v] of Array.from(numbersOf(y)).entries()) expect(v).toBeCloseTo(numbersOf(x)[i], 5);
});

test('linear attention in groups is what its recurrence says', () => {
  const [heads, group, size, tokens] = [2, 2, 3, 4];
  const graph = importOf({
    opset: 27,
    inputs: [value('q', ['N', tokens, heads * group * size]), value('k', ['N', tokens, heads * size])],
    constants: { v: filled([1, tokens, heads * size]) },
    nodes: [
      node('LinearAttention', 'q k v -> y', {
        q_num_heads: heads * group,
        kv_num_heads: heads,
        update_rule: 'linear',
        scale: f(0.5),
      }),
    ],
  });
  const [q, k, v] = [filled([1, tokens, 12]), filled([1, tokens, 6], 0.7), filled([1, tokens, 6])];
  const y = numbersOf(evaluateGraph(graph, { q, k }).get('y')!);
  const [qs, ks, vs] = [q, k, v].map(numbersOf);
  for (let t = 0; t < tokens; t++) {
    for (let h = 0; h < heads * group; h++) {
      const own = Math.floor(h / group);
      for (let d = 0; d < size; d++) {
        let sum = 0;
        for (let s = 0; s <= t; s++) {
          let product = 0;
          for (let i = 0; i < size; i++) product += qs[t * 12 + h * size + i] * ks[s * 6 + own * size + i];
          sum += product * vs[s * 6 + own * size + d];
        }
        expect(y[t * 12 + h * size + d]).toBeCloseTo(0.5 * sum, 4);
      }
    }
  }
});

test.each(['delta', 'gated_delta'])('linear attention by the rule %s takes one factor for all heads', update_rule => {
  const [heads, size, tokens] = [2, 3, 4];
  const model = (width: number) => ({
    opset: 27,
    inputs: ['q', 'k', 'v'].map(name => value(name, ['N', tokens, heads * size])),
    constants: {
      beta: float32(
        [1, tokens, width],
        Float32Array.from({ length: tokens * width }, () => 0.4),
      ),
      decay: float32(
        [1, tokens, width],
        Float32Array.from({ length: tokens * width }, () => -0.3),
      ),
    },
    nodes: [
      node('LinearAttention', `q k v _ ${update_rule === 'delta' ? '_' : 'decay'} beta -> y`, {
        q_num_heads: heads,
        kv_num_heads: heads,
        update_rule,
      }),
    ],
  });
  const given = { q: filled([1, tokens, 6]), k: filled([1, tokens, 6], 0.7), v: filled([1, tokens, 6], 2) };
  const [one, each] = [1, heads].map(width => evaluateGraph(importOf(model(width)), given).get('y'));
  expect(one).toEqual(each);
});
