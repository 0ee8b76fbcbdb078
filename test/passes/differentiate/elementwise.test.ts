import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../ir/builder.ts';
import type { Value } from '../../../ir/graph.ts';
import { float32, int64s } from '../../../ir/tensor.ts';
import { checkGradient, type Draw, distinct, inside, positive, smooth, unkinked } from './check.ts';

type Build = (b: GraphBuilder, x: Value) => Value;

const unary: readonly (readonly [string, Draw, Build])[] = [
  ['Abs', unkinked, (b, x) => b.op('Abs', [x])],
  ['Acos', inside, (b, x) => b.op('Acos', [x])],
  ['Acosh', r => 1.5 + r(), (b, x) => b.op('Acosh', [x])],
  ['Asin', inside, (b, x) => b.op('Asin', [x])],
  ['Asinh', smooth, (b, x) => b.op('Asinh', [x])],
  ['Atan', smooth, (b, x) => b.op('Atan', [x])],
  ['Atanh', inside, (b, x) => b.op('Atanh', [x])],
  ['Celu', unkinked, (b, x) => b.op('Celu', [x], { alpha: 0.7 })],
  ['Cos', smooth, (b, x) => b.op('Cos', [x])],
  ['Cosh', smooth, (b, x) => b.op('Cosh', [x])],
  ['Elu', unkinked, (b, x) => b.op('Elu', [x], { alpha: 1.3 })],
  ['Elu by its input', unkinked, (b, x) => b.op('Elu', [x], { alpha: -0.4 })],
  ['Erf', smooth, (b, x) => b.op('Erf', [x])],
  ['Exp', smooth, (b, x) => b.op('Exp', [x])],
  ['Gelu', smooth, (b, x) => b.op('Gelu', [x])],
  ['Gelu, approximated', smooth, (b, x) => b.op('Gelu', [x], { approximate: 'tanh' })],
  ['HardSigmoid', unkinked, (b, x) => b.op('HardSigmoid', [x], { alpha: 0.25, beta: 0.5 })],
  ['HardSwish', unkinked, (b, x) => b.op('HardSwish', [x])],
  ['LeakyRelu', unkinked, (b, x) => b.op('LeakyRelu', [x], { alpha: 0.01 })],
  ['LeakyRelu by its input', unkinked, (b, x) => b.op('LeakyRelu', [x], { alpha: -0.2 })],
  ['Log', positive, (b, x) => b.op('Log', [x])],
  ['Mish', smooth, (b, x) => b.op('Mish', [x])],
  ['Neg', smooth, (b, x) => b.op('Neg', [x])],
  ['Reciprocal', positive, (b, x) => b.op('Reciprocal', [x])],
  ['Relu', unkinked, (b, x) => b.op('Relu', [x])],
  ['Selu', unkinked, (b, x) => b.op('Selu', [x])],
  ['Shrink', unkinked, (b, x) => b.op('Shrink', [x], { lambd: 1, bias: 0.3 })],
  ['Sigmoid', smooth, (b, x) => b.op('Sigmoid', [x])],
  ['Sin', smooth, (b, x) => b.op('Sin', [x])],
  ['Sinh', smooth, (b, x) => b.op('Sinh', [x])],
  ['Softplus', smooth, (b, x) => b.op('Softplus', [x])],
  ['Softsign', unkinked, (b, x) => b.op('Softsign', [x])],
  ['Sqrt', positive, (b, x) => b.op('Sqrt', [x])],
  ['Tan', inside, (b, x) => b.op('Tan', [x])],
  ['Tanh', smooth, (b, x) => b.op('Tanh', [x])],
  ['ThresholdedRelu', unkinked, (b, x) => b.op('ThresholdedRelu', [x], { alpha: 1 })],
  ['Clip', unkinked, (b, x) => b.op('Clip', [x, b.scalar(-1), b.scalar(1.5)])],
  ['Pow with a frozen exponent', positive, (b, x) => b.op('Pow', [x, b.scalar(2.5)])],
  ['Pow with an integer exponent', smooth, (b, x) => b.op('Pow', [x, b.constant(int64s([3]))])],
  ['a square', smooth, (b, x) => b.op('Pow', [x, b.scalar(2)])],
  ['Mean and Sum of itself', smooth, (b, x) => b.op('Mul', [b.op('Mean', [x, x, x]), b.op('Sum', [x, x])])],
  ['Where', smooth, (b, x) => b.op('Where', [b.op('Greater', [x, b.scalar(50)]), b.op('Exp', [x]), b.op('Sin', [x])])],
  [
    'broken powers',
    positive,
    (b, x) => b.op('Div', [b.op('Exp', [x]), b.op('Add', [b.op('Mul', [x, x]), b.scalar(1)])]),
  ],
];

describe('adjoints of elementwise operators against central differences', () => {
  it.each(unary)('%s', async (_, draw, build) => {
    await checkGradient([{ shape: [3, 7], draw }], (b, [x]) => build(b, x));
  });

  it.each(['Add', 'Sub', 'Mul', 'Div', 'Pow'] as const)('%s, broadcast either way', async op => {
    for (const [left, right] of [
      [
        [2, 3, 4],
        [3, 1],
      ],
      [[4], [2, 3, 4]],
      [
        [2, 1, 4],
        [1, 3, 1],
      ],
      [[], [2, 2]],
    ]) {
      await checkGradient(
        [
          { shape: left, draw: positive },
          { shape: right, draw: positive },
        ],
        (b, [x, y]) => b.op(op, [x, y]),
      );
    }
  });

  it.each(['Max', 'Min'] as const)('%s', async op => {
    await checkGradient(
      [
        { shape: [3, 4], draw: distinct },
        { shape: [4], draw: (_r, i) => i * 2 - 3.1 },
        { shape: [3, 1], draw: (_r, i) => i * 3 - 5.3 },
      ],
      (b, x) => b.op(op, x),
    );
  });

  it('PRelu, with its slope', async () => {
    await checkGradient([{ shape: [2, 3, 4], draw: unkinked }, { shape: [3, 1] }], (b, [x, slope]) =>
      b.op('PRelu', [x, slope]),
    );
  });

  it('Where, with operands of other shapes', async () => {
    await checkGradient([{ shape: [2, 3] }, { shape: [3] }], (b, [x, y]) => {
      const condition = b.op('Greater', [b.constant(float32([2, 1], [1, -1])), b.scalar(0)]);
      return b.op('Where', [condition, x, y]);
    });
  });

  it('finds a wrong rule', async () => {
    // The rule of Floor says zero, which is not so for differences that step over an integer.
    const wrong = checkGradient([{ shape: [400] }], (b, [x]) =>
      b.op('Add', [b.op('Floor', [x]), b.op('Mul', [x, b.scalar(1e-3)])]),
    );
    await expect(wrong).rejects.toThrow();
  });
});
