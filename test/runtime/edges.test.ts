/**
 * Every elementwise operator and every reduction at and beyond the edge of its domain: infinities, NaN, signed zeros, the
 * smallest and the largest numbers, on the evaluation in JavaScript, on WebGPU and in ONNX Runtime. A new operator is
 * covered by itself; what is left out stands in `exceptions` with its reason.
 *
 * Numbers below the normal ones may count as zero on a device, and the sign of zero may be lost: WGSL says so.
 */
import { describe, expect, test } from 'vitest';
import { SutureError } from '../../ir/errors.ts';
import { bigintsOf, isInteger, tensorFromBigints, wrap } from '../../ir/evaluate/integers.ts';
import { type GivenAttributesOf, GraphBuilder, numbersOf, type Tensor, tensorFromNumbers } from '../../ir/index.ts';
import { elementwise } from '../../ir/ops/elementwise.ts';
import { type OpName, specOf } from '../../ir/ops/index.ts';
import { reduction } from '../../ir/ops/reduction.ts';
import type { DType } from '../../ir/type.ts';
import type { Executor } from '../../runtime/executor.ts';
import { evaluateGraph } from '../ir/evaluate/graph.ts';
import { executors } from './oracle.ts';

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const largest = Math.fround(3.4028234e38);
const smallest = 2 ** -126;

/** What unary operators are given; binary ones get every pair of the shorter list. */
const floats = [inf, 0, 1e-40, smallest, largest, 1, 0.5, 1.5, 2.5, 2, 20, 88.8, 100, 1e10, 1e-10, 0.99999994, 7];
const unary = [nan, ...floats.flatMap(v => [v, -v])];
const pairs = [nan, inf, -inf, 0, -0, largest, -largest, 1, -1, 0.5, -0.5, 2, -2, 3, -2.5];
/** Lines that are reduced. */
const lines = [
  [nan, 1, 2, 3],
  [1, 2, nan, 3],
  [inf, 1, -3, 0],
  [-inf, 1, 5, 0],
  [inf, -inf, 1, 2],
  [-inf, -inf, -inf, -inf],
  [inf, inf, 1, 2],
  [largest, largest, 1, 2],
  [-largest, 1, 2, -largest],
  [200, 100, -100, 0],
  [0, -0, 0, -0],
];

const dtypes = ['float32', 'int32', 'uint32', 'int8', 'bool'] as const satisfies readonly DType[];
type Tested = (typeof dtypes)[number];

/** Attributes to test with; the defaults where none are given. */
const variants: Partial<Record<OpName, readonly object[]>> = {
  BitShift: [{ direction: 'LEFT' }, { direction: 'RIGHT' }],
  Cast: [...dtypes, 'uint8', 'int16', 'uint16', 'float16'].map(to => ({ to })),
  Celu: [{}, { alpha: 0.5 }],
  Gelu: [{ approximate: 'none' }, { approximate: 'tanh' }],
  Mod: [{ fmod: 0 }, { fmod: 1 }],
  IsInf: [{}, { detect_negative: 0 }, { detect_positive: 0 }],
};

interface Point {
  readonly op: OpName;
  readonly dtype: Tested;
  readonly attributes: { readonly fmod?: number; readonly to?: DType };
  /** The element of each operand. */
  readonly x: readonly (number | bigint)[];
}

/** Where two executors need not agree, and why. */
const exceptions: readonly (readonly [why: string, who: 'all' | 'ort' | 'webgpu', (p: Point) => boolean])[] = [
  ['no processor divides integers by zero', 'all', p => isInteger(p.dtype) && divides(p.op) && p.x[1] === 0n],
  [
    'the quotient does not fit, and processors trap',
    'all',
    p => isInteger(p.dtype) && divides(p.op) && p.x[1] === -1n && p.x[0] === wrap(p.dtype, -(p.x[0] as bigint)),
  ],
  ['ONNX has fmod only for floats', 'all', p => p.op === 'Mod' && p.dtype === 'float32' && p.attributes.fmod === 0],
  ['powers of integers are for exponents from 0 on', 'all', p => isInteger(p.dtype) && p.op === 'Pow' && p.x[1] < 0n],
  ['a power beyond the dtype: ONNX leaves it open', 'ort', p => isInteger(p.dtype) && p.op === 'Pow' && beyond(p)],
  ['it computes with floats, beyond the dtype', 'ort', p => isInteger(p.dtype) && p.op === 'Shrink'],
  ['floats beyond 32 bits: the device has no wider integers', 'webgpu', p => p.attributes.to === 'uint32' && unheld(p)],
  ['floats beyond the dtype: C leaves it open', 'ort', p => p.op === 'Cast' && p.dtype === 'float32' && unheld(p)],
  [
    'its sum overflows in single precision',
    'all',
    p => p.op === 'Mean' && p.x.every(v => Math.abs(Number(v)) === largest),
  ],
];

const divides = (op: OpName): boolean => op === 'Div' || op === 'Mod';
const unheld = ({ x, attributes: { to } }: Point): boolean =>
  to !== undefined && isInteger(to) && !(Number(x[0]) > -129 && Number(x[0]) < 2 ** 31);
function beyond({ dtype, x: [base, exponent] }: Point): boolean {
  const size = Math.abs(Number(base)) ** Number(exponent);
  return size >= 2 ** 31 || wrap(dtype, BigInt(Math.trunc(size))) !== BigInt(Math.trunc(size));
}

/** Operators that ONNX or the type rule has for integers, but no executor. */
const floatsElsewhere: ReadonlySet<OpName> = new Set(['Erf', 'Mean']);

/** The integers around the edges of a dtype. */
function integers(dtype: Tested): readonly bigint[] {
  if (dtype === 'bool') return [0n, 1n];
  const least = [0n, -(2n ** 7n), -(2n ** 31n)].map(v => wrap(dtype, v));
  return [...new Set([...least, ...[-1n, -2n, 1n, 2n, 3n, 7n, 2n ** 31n - 1n, 127n, 200n].map(v => wrap(dtype, v))])];
}

const tensorOf = (dtype: Tested, shape: readonly number[], values: readonly (number | bigint)[]): Tensor =>
  dtype === 'float32'
    ? tensorFromNumbers(dtype, shape, values.map(Number))
    : tensorFromBigints(dtype, shape, values.map(BigInt));

interface Prepared {
  readonly graph: ReturnType<GraphBuilder['build']>;
  readonly inputs: Readonly<Record<string, Tensor>>;
  readonly points: readonly Point[];
}

/** A graph of one operator on tensors of a dtype; undefined where its type rule refuses them. */
function prepared(op: OpName, dtype: Tested, attributes: object): Prepared | undefined {
  const values: readonly (number | bigint)[] = dtype === 'float32' ? unary : integers(dtype);
  const shorter: readonly (number | bigint)[] = dtype === 'float32' ? pairs : integers(dtype);
  const formals = specOf(op).inputs;
  const columns =
    op === 'Clip' || (formals.length === 1 && !formals[0].startsWith('...'))
      ? [values]
      : [shorter.flatMap(v => shorter.map(() => v)), shorter.flatMap(() => shorter)];
  const rows = columns[0].map((_, i) => columns.map(column => column[i]));
  const all = rows.map((x): Point => ({ op, dtype, attributes, x }));
  const points = all.filter(p => !exceptions.some(([, who, holds]) => who === 'all' && holds(p)));
  if (points.length === 0) return undefined;
  const inputs: Record<string, Tensor> = {};
  const b = new GraphBuilder('edges');
  try {
    const operands = columns.map((_, k) => {
      inputs[`x${k}`] = tensorOf(
        dtype,
        [points.length],
        points.map(p => p.x[k]),
      );
      return b.input(`x${k}`, { dtype, shape: [points.length] });
    });
    if (op === 'Where') {
      inputs.c = tensorFromNumbers(
        'bool',
        [points.length],
        points.map((_, i) => i % 2),
      );
      operands.unshift(b.input('c', { dtype: 'bool', shape: [points.length] }));
    }
    const bound = (v: number) => b.constant(tensorOf(dtype, [], [dtype === 'float32' ? v : BigInt(v)]));
    if (op === 'Clip') operands.push(bound(1), bound(7));
    b.output('y', b.node(op, operands, attributes as GivenAttributesOf<OpName>).outputs[0]);
  } catch (error) {
    if (error instanceof SutureError && error.code === 'type-mismatch') return undefined;
    throw error;
  }
  return { graph: b.build(), inputs, points };
}

/** The output, or undefined where the executor says that it can't. */
async function outputOf(executor: Executor, { graph, inputs }: Omit<Prepared, 'points'>): Promise<Tensor | undefined> {
  try {
    const session = await executor.prepare(graph);
    try {
      return (await session.run(inputs)).y;
    } finally {
      session.dispose();
    }
  } catch (error) {
    if (error instanceof SutureError && ['kernel-missing', 'model-unsupported', 'runtime-failed'].includes(error.code))
      return undefined;
    if (error instanceof SutureError && /ONNX Runtime/.test(error.message)) return undefined;
    throw error;
  }
}

const isSubnormal = (v: number | bigint): boolean => v !== 0 && Math.abs(Number(v)) < smallest;

/** Whether numbers agree: NaN and infinities with themselves, others to `relative` and what is lost below the normal ones. */
function agree(a: number, b: number, relative: number, absolute: number): boolean {
  if (Object.is(a, b) || a === b) return true;
  return Number.isFinite(b) && Math.abs(a - b) <= absolute + relative * Math.abs(b);
}

const elements = (t: Tensor): readonly (number | bigint)[] =>
  isInteger(t.dtype) || t.dtype === 'bool' ? bigintsOf(t) : Array.from(numbersOf(t));

function expectAgreement(
  who: string,
  actual: Tensor,
  expected: Tensor,
  { relative, absolute }: { relative: number; absolute: number },
  skipped: (i: number) => boolean,
  describe: (i: number) => string,
): void {
  expect(actual.dtype).toBe(expected.dtype);
  const [a, b] = [elements(actual), elements(expected)];
  const wrong = b.flatMap((v, i) => {
    const same = typeof v === 'bigint' ? a[i] === v : agree(a[i] as number, v, relative, absolute);
    return same || skipped(i) ? [] : [`${describe(i)}: ${a[i]}, not ${v}`];
  });
  expect(wrong, who).toEqual([]);
}

const cases = (Object.keys(elementwise) as OpName[]).flatMap(op =>
  dtypes.flatMap(dtype =>
    (variants[op] ?? [{}]).flatMap(attributes => {
      const made = prepared(op, dtype, attributes);
      return made ? [{ title: `${op} ${dtype} ${JSON.stringify(attributes)}`, ...made }] : [];
    }),
  ),
);

describe('at the edges, executors agree on', () => {
  test('every elementwise operator', () => {
    expect(new Set(cases.map(c => c.points[0].op)).size).toBe(Object.keys(elementwise).length);
  });

  test.each(cases)('$title', async ({ points, ...given }) => {
    const { webgpu, ort } = await executors();
    const expected = evaluateGraph(given.graph, given.inputs).get('y')!;
    const describe = (i: number) => `(${points[i].x.join(', ')})`;
    const open = (who: string) => (i: number) =>
      exceptions.some(([, whose, holds]) => whose === who && holds(points[i]));
    const theirs = await outputOf(ort, given);
    // ONNX Runtime's approximations near zero are absolute.
    if (theirs) {
      expectAgreement('the evaluation', expected, theirs, { relative: 1e-5, absolute: 1e-7 }, open('ort'), describe);
    }
    const ours = await outputOf(webgpu, given);
    if (ours) {
      const excused = open('webgpu');
      const flushed = (i: number) => points[i].dtype === 'float32' && points[i].x.some(isSubnormal);
      const left = (i: number) => flushed(i) || excused(i);
      expectAgreement('WebGPU', ours, expected, { relative: 4e-5, absolute: 1e-11 }, left, describe);
    }
    if (!(isInteger(points[0].dtype) && floatsElsewhere.has(points[0].op))) expect(theirs ?? ours).toBeDefined();
  });
});

const mixed = (line: readonly number[]): boolean => line.some(Number.isNaN);
const overflows = (line: readonly number[]): boolean => line.filter(v => Math.abs(v) === largest).length > 1;

/** As `exceptions`, of lines. */
const lineExceptions: readonly (readonly [
  why: string,
  who: 'all' | 'ort',
  ops: readonly OpName[],
  holds: (line: readonly number[]) => boolean,
])[] = [
  ['a NaN that is not the first gets lost in it', 'ort', ['ReduceMax', 'ReduceMin'], mixed],
  ['there is no order with NaN', 'all', ['TopK'], mixed],
  ['there is no order with NaN', 'ort', ['Hardmax'], mixed],
  ['its sum overflows in single precision', 'all', ['ReduceLogSum', 'ReduceMean'], overflows],
];

describe('at the edges, executors agree on lines for', () => {
  const ops = (Object.keys(reduction) as OpName[]).filter(op => op !== 'CumProd');
  test.each(ops)('%s', async op => {
    const shape = [lines.length, 4];
    const x = tensorFromNumbers('float32', shape, lines.flat());
    const b = new GraphBuilder('lines');
    const given = b.input('x', { dtype: 'float32', shape });
    const second = op === 'CumSum' ? b.constant(tensorFromNumbers('int64', [], [1])) : undefined;
    const along = op.startsWith('Reduce') ? b.ints([1]) : op === 'TopK' ? b.ints([3]) : second;
    const attributes = op.startsWith('Arg') ? { axis: 1 } : {};
    const operands = along ? [given, along] : [given];
    b.output('y', b.node(op, operands, attributes as GivenAttributesOf<OpName>).outputs[0]);
    const graph = b.build();
    const { webgpu, ort } = await executors();
    const theirs = (await outputOf(ort, { graph, inputs: { x } }))!;
    const expected = evaluateGraph(graph, { x }).get('y')!;
    const width = elements(theirs).length / lines.length;
    const describe = (i: number) => `[${lines[Math.floor(i / width)].join(', ')}]`;
    const close = { relative: 1e-5, absolute: 1e-7 };
    const left = (who: string) => (i: number) =>
      lineExceptions.some(
        ([, whose, of, holds]) =>
          (whose === 'all' || whose === who) && of.includes(op) && holds(lines[Math.floor(i / width)]),
      );
    expectAgreement('the evaluation', expected, theirs, close, left('ort'), describe);
    expectAgreement(
      'WebGPU',
      (await outputOf(webgpu, { graph, inputs: { x } }))!,
      expected,
      close,
      left('webgpu'),
      describe,
    );
  });
});
