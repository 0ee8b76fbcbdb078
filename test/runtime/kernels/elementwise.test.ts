import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type GivenAttributesOf, type GraphBuilder, tensorFromNumbers, type Value } from '../../../ir/index.ts';
import { elementwise } from '../../../ir/ops/elementwise.ts';
import type { ElementwiseOp } from '../../../ir/ops/index.ts';
import type { DType } from '../../../ir/type.ts';
import { compare, filled } from '../oracle.ts';

/** Where a unary operator is defined, and what it needs to be given. */
const unary: Partial<Record<ElementwiseOp, { low?: number; high?: number; attributes?: object }>> = {
  Abs: {},
  Acos: { low: -1, high: 1 },
  Acosh: { low: 1, high: 20 },
  Asin: { low: -1, high: 1 },
  Asinh: { low: -20, high: 20 },
  Atan: { low: -20, high: 20 },
  Atanh: { low: -0.99, high: 0.99 },
  Ceil: { low: -5, high: 5 },
  Celu: { attributes: { alpha: 1.5 } },
  Cos: { low: -20, high: 20 },
  Cosh: { low: -10, high: 10 },
  Elu: { attributes: { alpha: 0.7 } },
  Erf: { low: -5, high: 5 },
  Exp: { low: -20, high: 20 },
  Floor: { low: -5, high: 5 },
  Gelu: { low: -6, high: 6 },
  HardSigmoid: { low: -6, high: 6 },
  HardSwish: { low: -6, high: 6 },
  LeakyRelu: { attributes: { alpha: 0.03 } },
  Log: { low: 1e-3, high: 50 },
  Mish: { low: -10, high: 10 },
  Neg: {},
  Reciprocal: { low: 0.1, high: 9 },
  Relu: {},
  Round: { low: -5, high: 5 },
  Selu: { low: -5, high: 5 },
  Shrink: { attributes: { lambd: 0.6, bias: 0.2 } },
  Sigmoid: { low: -30, high: 30 },
  Sign: {},
  Sin: { low: -20, high: 20 },
  Sinh: { low: -10, high: 10 },
  Softplus: { low: -30, high: 30 },
  Softsign: {},
  Sqrt: { low: 0, high: 50 },
  Swish: { low: -9, high: 9 },
  Tan: { low: -1.4, high: 1.4 },
  Tanh: { low: -60, high: 60 },
  ThresholdedRelu: { attributes: { alpha: 0.5 } },
};

const apply = (b: GraphBuilder, op: ElementwiseOp, inputs: readonly Value[], attributes: object = {}): Value =>
  b.node(op, inputs, attributes as GivenAttributesOf<ElementwiseOp>, { name: op }).outputs[0];

describe('unary operators', () => {
  const ops = Object.entries(unary) as [ElementwiseOp, { low?: number; high?: number; attributes?: object }][];

  // 37 elements go one at a time, 64 by fours: half of the operators are shown so, half so.
  it.each([[[37], 0] as const, [[4, 16], 1] as const])('agree with ONNX Runtime on %j', async (shape, half) => {
    const some = ops.filter((_, i) => i % 2 === half);
    const inputs = Object.fromEntries(
      some.map(([op, { low, high }], i) => [op, filled('float32', shape, i + 1, low, high)]),
    );
    await compare(
      inputs,
      (b, x) => Object.fromEntries(some.map(([op, { attributes }]) => [`${op}_y`, apply(b, op, [x[op]], attributes)])),
      { relative: 4e-6, absolute: 1e-6 },
    );
  });

  it('of Gelu by tanh, of IsInf in one direction', async () => {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1e30, -1e30, 1.5];
    await compare({ x: tensorFromNumbers('float32', [8], special) }, (b, { x }) => [
      b.op('Gelu', [b.op('Clip', [x, b.scalar(-5), b.scalar(5)])], { approximate: 'tanh' }),
      b.op('Cast', [b.op('IsInf', [x])], { to: 'float32' }),
      b.op('Cast', [b.op('IsInf', [x], { detect_negative: 0 })], { to: 'float32' }),
      b.op('Cast', [b.op('IsInf', [x], { detect_positive: 0 })], { to: 'float32' }),
      b.op('Cast', [b.op('IsNaN', [x])], { to: 'float32' }),
    ]);
  });

  it('let NaN and infinities through as ONNX Runtime does', async () => {
    const special = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1];
    const safe: ElementwiseOp[] = ['Abs', 'Neg', 'Exp', 'Sigmoid', 'Tanh', 'Sqrt', 'LeakyRelu', 'Softplus', 'Erf'];
    await compare({ x: tensorFromNumbers('float32', [4], special) }, (b, { x }) =>
      Object.fromEntries(safe.map(op => [op, apply(b, op, [x])])),
    );
  });
});

describe('binary operators', () => {
  const shapes = fc
    .array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 })
    .chain(shape =>
      fc.tuple(
        fc.constant(shape),
        fc.tuple(fc.integer({ min: 0, max: 15 }), fc.integer({ min: 0, max: shape.length })),
        fc.integer({ min: 0, max: 15 }),
      ),
    )
    // One operand loses leading axes, and axes of either shrink to 1.
    .map(([shape, [ones, cut], others]) => ({
      a: shape.map((n, i) => (ones & (1 << i) ? 1 : n)),
      b: shape.map((n, i) => (others & (1 << i) ? 1 : n)).slice(cut),
    }));
  const floats: ElementwiseOp[] = ['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'PRelu', 'Sum', 'Mean'];
  const comparisons: ElementwiseOp[] = ['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'];

  it('broadcast as numpy does', async () => {
    await fc.assert(
      fc.asyncProperty(shapes, async ({ a, b: other }) => {
        const inputs = { a: filled('float32', a, 1, 0.5, 3), b: filled('float32', other, 2, 0.5, 3) };
        // The slope of a PRelu broadcasts one way only.
        const whole = a.every((n, i) => n >= (other[i - (a.length - other.length)] ?? 1)) && a.length >= other.length;
        const ops = whole ? floats : floats.filter(op => op !== 'PRelu');
        await compare(inputs, (b, v) => ops.map(op => apply(b, op, [v.a, v.b])));
      }),
      { numRuns: 2 },
    );
  });

  it.each<DType>(['float32', 'int32', 'int64'])('compare %s', async dtype => {
    const inputs = { a: filled(dtype, [40], 1, -3, 3), b: filled(dtype, [40], 2, -3, 3) };
    await compare(inputs, (b, v) => comparisons.map(op => b.op('Cast', [apply(b, op, [v.a, v.b])], { to: 'int32' })));
  });

  it('take integers, truncating and wrapping as ONNX does', async () => {
    const inputs = {
      a: filled('int32', [24], 3, -9, 9),
      b: tensorFromNumbers(
        'int32',
        [24],
        Array.from({ length: 24 }, (_, i) => (i % 2 ? -1 : 1) * (1 + (i % 4))),
      ),
      u: filled('uint8', [24], 5, 0, 256),
      w: filled('uint8', [24], 6, 0, 256),
      k: filled('int64', [24], 7, 0, 4),
    };
    await compare(inputs, (b, { a, b: d, u, w, k }) => ({
      add: b.op('Add', [a, d]),
      div: b.op('Div', [a, d]),
      mod: b.op('Mod', [a, d]),
      fmod: b.op('Mod', [a, d], { fmod: 1 }),
      abs: b.op('Abs', [a]),
      max: b.op('Max', [a, d]),
      wrap: b.op('Add', [u, w]),
      product: b.op('Mul', [u, w]),
      and: b.op('BitwiseAnd', [u, w]),
      or: b.op('BitwiseOr', [u, w]),
      xor: b.op('BitwiseXor', [a, d]),
      not: b.op('BitwiseNot', [a]),
      shifted: b.op('BitShift', [u, b.constant(tensorFromNumbers('uint8', [], [2]))], { direction: 'LEFT' }),
      power: b.op('Pow', [a, b.op('Abs', [d])]),
      power64: b.op('Pow', [k, k]),
      narrow: b.op('Cast', [a], { to: 'uint8' }),
      signed: b.op('Cast', [u], { to: 'int8' }),
      float: b.op('Cast', [k], { to: 'float32' }),
    }));
  });

  it('raise to powers, negative bases included', async () => {
    const inputs = {
      x: tensorFromNumbers('float32', [12], [-2, -2, -2, -2, 0, 0, 3, 2.5, -1.5, 1, 9, -0.5]),
      y: tensorFromNumbers('float32', [12], [2, 3, -1, 0.5, 0, 2, -2, 1.5, 0, 7, 0.5, -3]),
    };
    await compare(inputs, (b, { x, y }) => [
      b.op('Pow', [x, y]),
      ...[2, 3, 0.5, -1, 1, 1.7].map(e => b.op('Pow', [b.op('Abs', [x]), b.scalar(e)])),
    ]);
  });

  it('combine booleans', async () => {
    const inputs = { a: filled('bool', [33], 1), b: filled('bool', [33], 2), x: filled('float32', [33], 3) };
    await compare(inputs, (b, { a, b: c, x }) => [
      b.op('And', [a, c]),
      b.op('Or', [a, c]),
      b.op('Xor', [a, c]),
      b.op('Not', [a]),
      b.op('Where', [a, x, b.scalar(0.5)]),
      b.op('Cast', [x], { to: 'bool' }),
    ]);
  });

  it('cast floats to integers toward zero, and round to 16 bits', async () => {
    await compare({ x: filled('float32', [50], 4, -100, 100) }, (b, { x }) => [
      b.op('Cast', [x], { to: 'int32' }),
      b.op('Cast', [x], { to: 'int64' }),
      b.op('Cast', [b.op('Cast', [x], { to: 'float16' })], { to: 'float32' }),
    ]);
  });
});

it('every elementwise operator is tested here', () => {
  const others = ['Where', 'Clip', 'Cast', 'Pow', 'Mod', 'BitShift', 'IsNaN', 'IsInf', 'BitwiseNot', 'Not'];
  const binary = [
    ...['Add', 'Sub', 'Mul', 'Div', 'Max', 'Min', 'PRelu', 'Sum', 'Mean', 'And', 'Or', 'Xor'],
    ...['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual', 'BitwiseAnd', 'BitwiseOr', 'BitwiseXor'],
  ];
  expect([...Object.keys(unary), ...others, ...binary].sort()).toEqual(Object.keys(elementwise).sort());
});
