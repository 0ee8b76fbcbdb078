/** Cases of elementwise operators. */
import type { GraphBuilder } from '../../../ir/builder.ts';
import type { Value } from '../../../ir/graph.ts';
import { float32, int64s } from '../../../ir/tensor.ts';
import { apart, type Case, drawn, shape } from './cases.ts';
import { type Draw, inside, positive, smooth, unkinked } from './check.ts';

type Build = (b: GraphBuilder, x: Value) => Value;

const functions: readonly (readonly [string, Draw, Build])[] = [
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
  [
    'Round, Floor, Ceil and Sign give nothing',
    r => Math.floor(8 * r()) + 0.3,
    (b, x) =>
      b.op('Mul', [
        x,
        ['Round', 'Floor', 'Ceil', 'Sign'].reduce((v, op) => b.op('Add', [v, b.op(op as 'Round', [x])]), b.scalar(1)),
      ]),
  ],
  ['Cast', smooth, (b, x) => b.op('Cast', [b.op('Cast', [x], { to: 'float64' })], { to: 'float32' })],
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

/** Elementwise operators of one operand. */
export const unary: readonly Case[] = [
  ...functions.map(([name, draw, build]): Case => [name, [drawn(draw, 3, 7)], (b, [x]) => build(b, x)]),
  ['Swish', [shape(3, 7)], (b, [x]) => b.op('Swish', [x], { alpha: 1.3 }), { reference: true }],
];

const bothWays: readonly (readonly [number[], number[]])[] = [
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
];

/** Elementwise operators of several operands, broadcast. */
export const broadcast: readonly Case[] = [
  ...(['Add', 'Sub', 'Mul', 'Div', 'Pow'] as const).flatMap(op =>
    bothWays.map(
      ([left, right]): Case => [
        `${op} of [${left}] and [${right}]`,
        [drawn(positive, ...left), drawn(positive, ...right)],
        (b, [x, y]) => b.op(op, [x, y]),
      ],
    ),
  ),
  ...(['Max', 'Min'] as const).map(
    (op): Case => [
      op,
      [apart(3, 4), drawn((_r, i) => i * 2 - 3.1, 4), drawn((_r, i) => i * 3 - 5.3, 3, 1)],
      (b, x) => b.op(op, x),
    ],
  ),
  ['PRelu, with its slope', [drawn(unkinked, 2, 3, 4), shape(3, 1)], (b, [x, slope]) => b.op('PRelu', [x, slope])],
  [
    'Where, with operands of other shapes',
    [shape(2, 3), shape(3)],
    (b, [x, y]) => {
      const condition = b.op('Greater', [b.constant(float32([2, 1], [1, -1])), b.scalar(0)]);
      return b.op('Where', [condition, x, y]);
    },
  ],
  [
    'Mod with its divisor',
    [drawn((_r, i) => 3 * i + 0.7, 3, 2), drawn((_r, i) => 2.3 + i, 2)],
    (b, [x, y]) => b.op('Mod', [x, y], { fmod: 1 }),
  ],
  [
    'Clip with its bounds',
    [drawn(unkinked, 4, 9), drawn(() => -1, 1), drawn(() => 1.5, 1)],
    (b, [x, low, high]) => b.op('Clip', [x, b.op('Squeeze', [low]), b.op('Squeeze', [high])]),
  ],
  ['Pow with a tensor of exponents', [shape(2, 3)], (b, [x]) => b.op('Pow', [x, b.constant(float32([3], [2, 0, 1]))])],
];
