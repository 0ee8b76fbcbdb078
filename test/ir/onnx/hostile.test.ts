/** Small files that stand for something huge or impossible: each ends in one sentence, before time or memory are gone. */
import { describe, expect, test } from 'vitest';
import { SutureError } from '../../../ir/errors.ts';
import { type Limits, limitsFrom } from '../../../ir/limits.ts';
import { exportOnnx } from '../../../ir/onnx/export.ts';
import { decodeModel, encodeModel } from '../../../ir/onnx/proto/codec.ts';
import { DataType } from '../../../ir/onnx/proto/schema.ts';
import { float32, int64s, tensor } from '../../../ir/tensor.ts';
import { typeText } from '../../../ir/type.ts';
import { verify } from '../../../ir/verify.ts';
import { simplify } from '../../../passes/simplify.ts';
import { imported, importOf, type Model, type ModelParts, modelOf, node, subgraph, value } from './model.ts';

const x = value('x', ['N', 2, 4, 4]);

function refusal(model: Model, limits?: Partial<Limits>): SutureError {
  try {
    imported(model, { limits });
  } catch (error) {
    if (error instanceof SutureError) return error;
    throw error;
  }
  throw new Error('the import went well');
}

const said = (parts: ModelParts): string => {
  const { message, details } = refusal(modelOf(parts));
  return [message, ...details].join('\n');
};

describe('operands that no operator takes', () => {
  test.each(['Concat', 'Max', 'Min', 'Sum', 'Mean'])('an empty name among those of %s', op => {
    const attributes = op === 'Concat' ? { axis: 1 } : {};
    expect(said({ inputs: [x], nodes: [node(op, 'x _ x -> y', attributes)] })).toMatch(/its input 2 of 3 is missing/);
  });

  test.each<[string, ModelParts, RegExp]>([
    [
      'Concat of different ranks',
      { inputs: [x, value('z', ['N', 2])], nodes: [node('Concat', 'x z -> y', { axis: 3 })] },
      /of different ranks, 4 and 2/,
    ],
    [
      'a negative extent',
      { inputs: [], constants: { s: int64s([-1]) }, nodes: [node('ConstantOfShape', 's -> y')] },
      /axis 0 of the result would have the extent -1/,
    ],
    [
      'a scale that is no number',
      {
        inputs: [x],
        constants: { s: float32([4], [1, 1, Number.NaN, 4]) },
        nodes: [node('Resize', 'x _ s -> y', { mode: 'nearest' })],
      },
      /axis 2 of the result would have the extent NaN/,
    ],
    [
      'padding of another dtype than the data',
      {
        inputs: [x],
        constants: { p: int64s([0, 0, 0, 0, 0, 0, 1, 1]), v: int64s([7]) },
        nodes: [node('Pad', 'x p v -> y')],
      },
      /of different dtypes/,
    ],
    [
      'blocks that do not fit',
      { inputs: [x], nodes: [node('SpaceToDepth', 'x -> y', { blocksize: 3 })] },
      /4 is no multiple of 3/,
    ],
    [
      'one value for off and on',
      {
        inputs: [value('i', ['N'], DataType.INT64)],
        constants: { d: int64s([3]), v: float32([1], [1]) },
        nodes: [node('OneHot', 'i d v -> y')],
      },
      /values must be two, off and on, not 1/,
    ],
    [
      'fewer updates than there are places',
      {
        inputs: [value('d', [4, 4]), value('u', [1, 4])],
        constants: { i: { ...int64s([0, 1, 2, 3, 0, 1, 2, 3]), shape: [2, 4] } },
        nodes: [node('ScatterElements', 'd i u -> y', { axis: 1 })],
      },
      /the updates must be \[2, 4\]/,
    ],
    [
      'indices that reach beyond the data',
      {
        inputs: [value('d', [1, 4])],
        constants: { i: { ...int64s([0, 1, 2, 3, 0, 1, 2, 3]), shape: [2, 4] } },
        nodes: [node('GatherElements', 'd i -> y', { axis: 1 })],
      },
      /reach beyond float32\[1, 4\] along axis 0/,
    ],
    [
      'tuples longer than the rank',
      {
        inputs: [value('d', [4]), value('u', [2])],
        constants: { i: { ...int64s([0, 0, 1, 0]), shape: [2, 2] } },
        nodes: [node('ScatterND', 'd i u -> y')],
      },
      /tuples of 2 indices point into float32\[4\]/,
    ],
    [
      'more of the largest than there are elements',
      { inputs: [x], constants: { k: int64s([3]) }, nodes: [node('TopK', 'x k -> y i', { axis: 1 })] },
      /K is 3, and axis 1 has 2 elements/,
    ],
    [
      'more elements than can be counted',
      { inputs: [], constants: { s: int64s([2 ** 40, 2 ** 40]) }, nodes: [node('ConstantOfShape', 's -> y')] },
      /more than 2\^53 elements/,
    ],
    [
      'a range without end',
      {
        inputs: [],
        constants: { a: int64s([0]), b: int64s([2 ** 60]), c: int64s([0]) },
        nodes: [
          node('Squeeze', 'a -> from'),
          node('Squeeze', 'b -> to'),
          node('Squeeze', 'c -> by'),
          node('Range', 'from to by -> y'),
        ],
      },
      /the step must not be 0/,
    ],
    [
      'a shape of a billion axes',
      { inputs: [x, value('s', [1e9], DataType.INT64)], nodes: [node('Reshape', 'x s -> y')] },
      /a tensor has 64 axes at most/,
    ],
    [
      'repeats for other axes',
      { inputs: [x], constants: { r: int64s([2]) }, nodes: [node('Tile', 'x r -> y')] },
      /repeats has 1 entries for 4 axes/,
    ],
    [
      'a loop of nodes',
      { inputs: [x], nodes: [node('Add', 'x c -> b'), node('Relu', 'b -> c'), node('Relu', 'c -> y')] },
      /its input '[bc]' is computed from its own output: the nodes form a cycle/,
    ],
  ])('%s', (_, parts, message) => {
    expect(said(parts)).toMatch(message);
  });
});

/** `levels` loops of `count` iterations in each other, around one node. */
function loops(levels: number, count: number): ModelParts {
  const iteration = value('i', [], DataType.INT64);
  const condition = value('c', [], DataType.BOOL);
  const typed = { i: iteration, c: condition };
  const loop = (level: number): ReturnType<typeof node> => {
    const inner = level === 0 ? node('Relu', 's -> t') : { ...loop(level - 1), input: ['n', '', 's'], output: ['t'] };
    return node('Loop', 'n _ x -> y', { body: subgraph('i c s -> c t', [inner], typed) });
  };
  return {
    inputs: [value('x', [2])],
    constants: { n: tensor('int64', [], BigInt64Array.of(BigInt(count))) },
    nodes: [loop(levels - 1)],
  };
}

/** Functions that call one another `depth` deep, each `times` times. */
function functions(depth: number, times: number): ModelParts {
  const names = Array.from({ length: times - 1 }, (_, i) => `t${i}`);
  const call = (i: number, operands: string) => ({ ...node(`F${i}`, operands), domain: 'd' });
  return {
    inputs: [value('x', [2])],
    nodes: [call(depth - 1, 'x -> y')],
    functions: Array.from({ length: depth }, (_, i) => ({
      domain: 'd',
      name: `F${i}`,
      input: ['a'],
      output: ['b'],
      opsetImport: [
        { domain: '', version: 17n },
        { domain: 'd', version: 1n },
      ],
      node:
        i === 0
          ? [node('Relu', 'a -> b')]
          : ['a', ...names].map((from, k) => call(i - 1, `${from} -> ${names[k] ?? 'b'}`)),
    })),
  };
}

/** `count` times the same operator on its own result: `v0 = x`, `v1 = op(v0, v0)`, ... */
const doubled = (count: number, op: string, attributes = {}): ReturnType<typeof node>[] =>
  Array.from({ length: count }, (_, i) =>
    node(op, `v${i} v${i} -> ${i + 1 === count ? 'y' : `v${i + 1}`}`, attributes),
  );

describe('files that make more of themselves than a limit allows', () => {
  test.each<[string, ModelParts, RegExp]>([
    ['three loops of 200', loops(3, 200), /unfolds to more than 2000 nodes/],
    ['a loop without end', loops(1, 2 ** 52), /unfolds to more than 2000 nodes/],
    ['functions that are called twice', functions(60, 2), /unfolds to more than 2000 nodes/],
    ['3000 functions in each other', functions(3000, 1), /nests functions, branches or loops more than 100 deep/],
    [
      'a formula of many symbols',
      {
        inputs: ['a', 'b', 'c', 'd'].map(name => value(name, [`size ${name}`, 2])),
        nodes: [
          node('Concat', 'a b c d -> v0', { axis: 0 }),
          ...Array.from({ length: 12 }, (_, i) => [
            node('Flatten', `v${i} -> f${i}`, { axis: 2 }),
            node('Shape', `v${i} -> s${i}`),
            node('Mul', `s${i} s${i} -> m${i}`),
            node('Expand', `one m${i} -> v${i + 1}`),
          ]).flat(),
          node('Relu', 'v12 -> y'),
        ],
        constants: { one: float32([1, 1], [1]) },
      },
      /has a dimension whose formula is longer than 4096 characters/,
    ],
    [
      'a window of a billion elements',
      {
        inputs: [],
        constants: { n: tensor('int64', [], BigInt64Array.of(2n ** 30n)) },
        nodes: [node('HannWindow', 'n -> y')],
      },
      /computes more than 67108864 bytes/,
    ],
  ])('%s', (_, parts, message) => {
    const error = refusal(modelOf(parts), { nodes: 2000 });
    expect(error.code).toBe('model-limit');
    expect(error.message).toMatch(message);
    expect(error.message).toMatch(/raise the limit: SUTURE_LIMITS=[a-z]+=\d+ in the environment/);
  });

  test('a limit can be raised, and lowered', () => {
    expect(imported(modelOf(functions(150, 1)), { limits: { depth: 200 } }).graph.nodes).toHaveLength(1);
    expect(imported(modelOf(loops(2, 20))).graph.nodes.filter(n => n.op === 'Relu')).toHaveLength(400);
    expect(refusal(modelOf(loops(2, 20)), { nodes: 100 }).message).toContain('more than 100 nodes');
    expect(() => imported(modelOf(loops(2, 20)), { limits: { nodes: 0 } })).toThrow(/each a positive integer/);
    expect(limitsFrom({}, '').nodes).toBe(100_000);
  });

  test('doublings of a size are one coefficient, up to what is exact', () => {
    const parts = (count: number): ModelParts => ({
      inputs: [value('v0', ['N', 2])],
      nodes: doubled(count, 'Concat', { axis: 0 }),
    });
    expect(typeText(importOf(parts(40)).output('y').type)).toBe(`float32[${2 ** 40}·N, 2]`);
    expect(said(parts(60))).toMatch(/coefficient 9007199254740992, which is no exact integer/);
  });

  test('a shape that doubles is forgotten', () => {
    const graph = importOf({
      inputs: [value('x', ['N', 2])],
      nodes: [node('Shape', 'x -> v0'), ...doubled(40, 'Concat', { axis: 0 })],
    });
    expect(typeText(graph.output('y').type)).toBe(`int64[${2 ** 41}]`);
  });

  test('a size that folding finds out is counted before it is folded', () => {
    const graph = importOf({
      inputs: [],
      constants: { c: float32([1, 1, 8, 8], new Float32Array(64)), s: float32([4], [-1, -1, -2000, -2000]) },
      nodes: [node('Neg', 's -> t'), node('Resize', 'c _ t -> y', { mode: 'nearest' })],
    });
    const { nodes } = simplify(graph);
    expect(nodes.map(n => `${n.op} ${typeText(n.outputs[0].type)}`)).toEqual(['Resize float32[1, 1, 16000, 16000]']);
  });

  test('constants that double are folded as far as the budget goes', () => {
    const graph = importOf({
      inputs: [value('x', [1])],
      constants: { v0: float32([512], new Float32Array(512).fill(1)) },
      nodes: [
        ...doubled(21, 'Concat', { axis: 0 }).slice(0, -1),
        node('Concat', 'v20 v20 -> z', { axis: 0 }),
        node('Add', 'z x -> y'),
      ],
    });
    const simple = verify(simplify(graph));
    const bytes = simple.constants().reduce((sum, { constant }) => sum + constant.data.byteLength, 0);
    expect(bytes).toBeLessThan(2 ** 27);
    expect(simple.nodes.some(n => n.op === 'Concat')).toBe(true);
  });
});

test('many problems of a kind are a hundred lines', () => {
  const nodes = Array.from({ length: 2000 }, (_, i) => node(`Unknown${i}`, `x -> y${i}`));
  const { message, details } = refusal(modelOf({ inputs: [x], nodes, outputs: ['y0'] }));
  expect(message).toMatch(/and 1994 more/);
  expect(details).toHaveLength(102);
  expect(details[100]).toBe('And 1900 more of such problems.');
});

describe('names that mean something elsewhere', () => {
  test.each(['constructor', 'toString', '__proto__', 'hasOwnProperty'])('an axis called %s', name => {
    const graph = importOf({ inputs: [value('x', [name, 2])], nodes: [node('Relu', 'x -> y')] });
    const shape = graph.output('y').type.shape[0];
    expect(typeof shape).toBe('object');
  });

  test('an axis whose name moves the cursor', () => {
    const graph = importOf({ inputs: [value('x', ['\u001b[2J', 2])], nodes: [node('Relu', 'x -> y')] });
    expect(typeText(graph.output('y').type)).toBe('float32[\\x1b[2J, 2]');
    const { graph: again } = decodeModel(exportOnnx(graph));
    expect(again?.input[0].type?.tensorType?.shape?.dim[0].dimParam).toBe('\u001b[2J');
  });
});

describe('functions of the domain suture', () => {
  const inputs = [value('x', ['N', 2]), value('w', [3, 2]), value('b', [3])];
  const call = { ...node('Stitch', 'x w b -> y'), domain: 'suture' };
  const stitch = (nodes: readonly ReturnType<typeof node>[]) => ({
    domain: 'suture',
    name: 'Stitch',
    input: ['x0', 'x1', 'x2'],
    output: ['y0'],
    opsetImport: [{ domain: '', version: 17n }],
    node: nodes,
  });
  const opsOf = (nodes: readonly ReturnType<typeof node>[]) =>
    importOf({ inputs, nodes: [call], functions: [stitch(nodes)] }).nodes.map(n => n.op);

  test('with the body that is written for them are ours again', () => {
    const graph = importOf({ inputs, nodes: [call] });
    const again = imported(decodeModel(exportOnnx(graph)));
    expect(again.graph.nodes.map(n => n.op)).toEqual(['Stitch']);
  });

  test('with another body are what they say', () => {
    expect(opsOf([node('Gemm', 'x0 x1 x2 -> t', { transB: 1 }), node('Neg', 't -> y0')])).toEqual(['Gemm', 'Neg']);
    expect(opsOf([node('Gemm', 'x0 x1 x2 -> y0', { transB: 1, alpha: { float: 2 } })])).toEqual(['Gemm']);
  });

  test('whatever their nodes are called', () => {
    const { functions = [] } = decodeModel(exportOnnx(importOf({ inputs, nodes: [call] })));
    const renamed = functions.map(f => ({ ...f, docString: 'ours', node: f.node.map(n => ({ ...n, name: 'other' })) }));
    const model = modelOf({ inputs, nodes: [call], functions: renamed });
    expect(imported(decodeModel(encodeModel(model))).graph.nodes.map(n => n.op)).toEqual(['Stitch']);
  });
});
