/** Arithmetic of integers that wraps around, and beyond 2^53, against ONNX Runtime. Elementwise operators: `edges.test.ts`. */
import { expect, test } from 'vitest';
import { bigintsOf, integerOf, tensorFromBigints } from '../../../ir/evaluate/integers.ts';
import { type GivenAttributesOf, GraphBuilder, int64s, type Tensor } from '../../../ir/index.ts';
import type { OpName } from '../../../ir/ops/index.ts';
import type { DType } from '../../../ir/type.ts';
import { runInOnnxRuntime } from '../../conformance/onnxruntime.ts';
import { evaluateGraph } from './graph.ts';

/** Numbers over the whole range of a dtype. */
function wide(dtype: DType, shape: readonly number[], seed = 1): Tensor {
  let state = BigInt(seed);
  const values = Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return state ^ (state >> 17n);
  });
  return tensorFromBigints(dtype, shape, values);
}

/** Small numbers, whose sums and products stay in range. */
const narrow = (dtype: DType, shape: readonly number[]): Tensor =>
  tensorFromBigints(
    dtype,
    shape,
    bigintsOf(wide('int64', shape)).map(v => v % 5n),
  );

/** A graph of one operator; the first `given` operands are its inputs, the others constants. */
function single(op: OpName, operands: readonly (Tensor | undefined)[], attributes: object, given: number) {
  const b = new GraphBuilder('integers');
  const values = operands.map((t, i) =>
    t === undefined ? undefined : i < given ? b.input(`x${i}`, { dtype: t.dtype, shape: t.shape }) : b.constant(t),
  );
  const { outputs } = b.node(op, values, attributes as GivenAttributesOf<OpName>);
  for (const [i, output] of outputs.entries()) b.output(`y${i}`, output);
  return { graph: b.build(), inputs: new Map(operands.slice(0, given).map((t, i) => [`x${i}`, t!])) };
}

const row = [4, 9];
const axis = (at: number): Tensor => ({ ...int64s([at]), shape: [] });
const cases: readonly [OpName, readonly (Tensor | undefined)[], object?, given?: number][] = [
  ...(['int32', 'int64'] as const).flatMap((dtype): [OpName, readonly Tensor[], object?][] => [
    ['ReduceSum', [narrow(dtype, row), int64s([1])]],
    ['ReduceProd', [narrow(dtype, row), int64s([1])]],
    ['ReduceMax', [wide(dtype, row), int64s([1])]],
    ['ReduceMin', [wide(dtype, row), int64s([0])]],
    ['CumSum', [wide(dtype, row), axis(1)]],
    ['CumSum', [wide(dtype, row), axis(0)], { reverse: 1, exclusive: 1 }],
    ['ArgMax', [wide(dtype, row)], { axis: 1 }],
    ['ArgMin', [wide(dtype, row)], { axis: 0, select_last_index: 1 }],
    ['TopK', [wide(dtype, row), int64s([4])]],
    ['TopK', [wide(dtype, row), int64s([4])], { largest: 0 }],
    ['MatMul', [wide(dtype, [3, 5]), wide(dtype, [2, 5, 4], 2)], {}],
    [
      'ScatterElements',
      [wide(dtype, row), int64s([1, 3, 1]), wide(dtype, [3, 9], 3)].map(spread),
      { reduction: 'add' },
    ],
    ['ScatterND', [wide(dtype, row), { ...int64s([2, 0]), shape: [2, 1] }, wide(dtype, [2, 9], 3)]],
  ]),
  ['ReduceSumSquare', [narrow('int32', row), int64s([1])]],
  ['ReduceL1', [narrow('int32', row), int64s([1])]],
  ['ReduceMean', [narrow('int32', row), int64s([1])]],
  ['Range', [2n ** 62n, 2n ** 62n + 7n, 3n].map(v => tensorFromBigints('int64', [], [v])), {}, 0],
];

/** Indices of rows as indices of elements, which ScatterElements wants. */
function spread(t: Tensor): Tensor {
  if (t.shape.length !== 1) return t;
  const values = bigintsOf(t).flatMap(v => Array<bigint>(9).fill(v));
  return tensorFromBigints('int64', [3, 9], values);
}

test.each(cases)('%s is what ONNX Runtime computes', async (op, operands, attributes = {}, given = 1) => {
  const { graph, inputs } = single(op, operands, attributes, given);
  const expected = await runInOnnxRuntime(graph, inputs);
  const actual = evaluateGraph(graph, Object.fromEntries(inputs));
  expect([...actual.values()]).toEqual(expected);
});

// ONNX Runtime has no CumProd, and sums up integers in double precision: what does not fit is the extreme there.
test.each([
  ['CumProd', Math.imul, 1],
  ['ReduceProd', Math.imul, 1],
  ['ReduceSum', (a: number, b: number) => (a + b) | 0, 0],
  ['ReduceSumSquare', (a: number, b: number) => (a + Math.imul(b, b)) | 0, 0],
  ['ReduceL1', (a: number, b: number) => (a + Math.abs(b)) | 0, 0],
] as const)('%s wraps around at every step', (op, step, start) => {
  const x = wide('int32', [11]);
  const { graph } = single(op, [x, op === 'CumProd' ? axis(0) : int64s([0])], {}, 1);
  let total: number = start;
  const totals = Array.from(x.data as Int32Array, v => {
    total = step(total, v);
    return total;
  });
  const actual = Array.from(evaluateGraph(graph, { x0: x }).get('y0')!.data as Int32Array);
  expect(actual).toEqual(op === 'CumProd' ? totals : [total]);
});

test.each([
  ['int32', -1.9, -1n],
  ['int32', Number.NaN, -(2n ** 31n)],
  ['int32', 1e10, -(2n ** 31n)],
  ['int32', Number.NEGATIVE_INFINITY, -(2n ** 31n)],
  ['int64', 1e10, 10n ** 10n],
  ['int64', Number.POSITIVE_INFINITY, -(2n ** 63n)],
  ['int8', 300, 44n],
  ['uint8', -1, 255n],
  ['uint8', Number.NaN, 0n],
  ['uint32', -1.5, 2n ** 32n - 1n],
  ['uint64', 2 ** 63, 2n ** 63n],
] as const)('a cast to %s makes %d %d', (dtype, from, to) => expect(integerOf(dtype, from)).toBe(to));
