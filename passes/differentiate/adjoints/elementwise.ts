import type { Value } from '../../../ir/graph.ts';
import type { ElementwiseOp } from '../../../ir/ops/index.ts';
import { numbersOf } from '../../../ir/tensor.ts';
import { isFloat } from '../../../ir/type.ts';
import type { Emit, Operand } from '../emit.ts';
import type { Adjoint, AdjointArguments, AdjointTable } from '../rule.ts';

/** Operators of one operand `X` and one gradient. */
type Unary = {
  [K in ElementwiseOp]: AdjointArguments<K>['x'] extends readonly [Value] ? K : never;
}[ElementwiseOp];

/** A rule `dX = f(dy, x, y)`. */
const unary =
  <K extends Unary>(
    f: (e: Emit, dy: Value, x: Value, y: Value, node: AdjointArguments<K>['node']) => Value,
  ): Adjoint<K> =>
  ({ e, dy, x, y, node }) => [() => f(e, dy, x[0] as Value, y, node)];

/** A rule `dX = dy · f(x, y)`. */
const scaled = <K extends Unary>(
  f: (e: Emit, x: Value, y: Value, node: AdjointArguments<K>['node']) => Operand,
): Adjoint<K> => unary((e, dy, x, y, node) => e.mul(dy, f(e, x, y, node)));

const sigmoid = (e: Emit, x: Value): Value => e.b.op('Sigmoid', [x]);

/** `1 / sqrt(1 ± x²)` and their like. */
const inverseRoot = (e: Emit, square: Value): Value => e.b.op('Reciprocal', [e.b.op('Sqrt', [square])]);

/** The derivative of `x·Φ(x)`. */
function gelu(e: Emit, x: Value, approximate: boolean): Value {
  if (!approximate) {
    const cdf = e.mul(e.add(e.b.op('Erf', [e.mul(x, Math.SQRT1_2)]), 1), 0.5);
    const density = e.mul(e.b.op('Exp', [e.mul(e.square(x), -0.5)]), 1 / Math.sqrt(2 * Math.PI));
    return e.add(cdf, e.mul(x, density));
  }
  const [root, cubic] = [Math.sqrt(2 / Math.PI), 0.044715];
  const square = e.square(x);
  const t = e.b.op('Tanh', [e.mul(e.mul(x, e.add(e.mul(square, cubic), 1)), root)]);
  const inner = e.mul(e.add(e.mul(square, 3 * cubic), 1), root);
  const slope = e.mul(e.sub(1, e.square(t)), inner);
  return e.mul(e.add(e.add(t, 1), e.mul(x, slope)), 0.5);
}

/** The gradient of a maximum or minimum goes to the operands that attain it, in equal parts. */
const extremum: Adjoint<'Max'> & Adjoint<'Min'> = ({
  e,
  dy,
  x,
  y,
}: AdjointArguments<'Max'> | AdjointArguments<'Min'>) => {
  const masks = x.map(v => e.indicator(e.b.op('Equal', [v, y]), dy));
  const share = e.div(
    dy,
    masks.reduce((a, b) => e.add(a, b)),
  );
  return masks.map(mask => () => e.mul(share, mask));
};

function power({ e, dy, x, y }: AdjointArguments<'Pow'>) {
  const [base, exponent] = x;
  const constant = exponent.constant && numbersOf(exponent.constant);
  const known = constant?.length === 1 ? constant[0] : undefined;
  const floatExponent = (): Value =>
    exponent.type.dtype === base.type.dtype ? exponent : e.b.op('Cast', [exponent], { to: base.type.dtype });
  return [
    () => {
      if (known === 0) return e.filled(0, y);
      if (known === 1) return dy;
      if (known === 2) return e.mul(dy, e.mul(base, 2));
      if (known !== undefined) return e.mul(dy, e.mul(e.b.op('Pow', [base, e.number(known - 1, base)]), known));
      const p = floatExponent();
      const slope = e.mul(p, e.b.op('Pow', [base, e.sub(p, 1)]));
      // x⁰ is 1 everywhere, and 0 · 0⁻¹ would be NaN.
      return e.mul(dy, e.where(e.b.op('Equal', [p, e.number(0, p)]), 0, slope));
    },
    isFloat(exponent.type.dtype)
      ? () => {
          const zero = e.b.op('Equal', [base, e.number(0, base)]);
          // 0ᵖ stays 0 for all positive p, where the logarithm would give 0 · -∞.
          return e.mul(dy, e.where(zero, 0, e.mul(y, e.b.op('Log', [base]))));
        }
      : undefined,
  ];
}

/**
 * Adjoints of elementwise operators. Where the derivative follows from the output as well as from the input it is written with the
 * output: a rectifier's output is read by its consumers anyway, its input by nobody else.
 */
export const elementwise: AdjointTable<ElementwiseOp> = {
  Abs: scaled((e, x) => e.b.op('Sign', [x])),
  Acos: scaled((e, x) => e.neg(inverseRoot(e, e.sub(1, e.square(x))))),
  Acosh: scaled((e, x) => inverseRoot(e, e.sub(e.square(x), 1))),
  Asin: scaled((e, x) => inverseRoot(e, e.sub(1, e.square(x)))),
  Asinh: scaled((e, x) => inverseRoot(e, e.add(e.square(x), 1))),
  Atan: unary((e, dy, x) => e.div(dy, e.add(e.square(x), 1))),
  Atanh: unary((e, dy, x) => e.div(dy, e.sub(1, e.square(x)))),
  Ceil: 'zero',
  Celu: unary((e, dy, _x, y, { attributes: { alpha } }) =>
    e.where(e.greater(y, 0), dy, e.mul(dy, e.add(e.mul(y, 1 / alpha), 1))),
  ),
  Cos: scaled((e, x) => e.neg(e.b.op('Sin', [x]))),
  Cosh: scaled((e, x) => e.b.op('Sinh', [x])),
  Elu: unary((e, dy, x, y, { attributes: { alpha } }) =>
    alpha > 0
      ? e.where(e.greater(y, 0), dy, e.mul(dy, e.add(y, alpha)))
      : e.where(e.greater(x, 0), dy, e.mul(dy, e.mul(e.b.op('Exp', [x]), alpha))),
  ),
  Erf: scaled((e, x) => e.mul(e.b.op('Exp', [e.neg(e.square(x))]), 2 / Math.sqrt(Math.PI))),
  Exp: scaled((_e, _x, y) => y),
  Floor: 'zero',
  Gelu: scaled((e, x, _y, { attributes }) => gelu(e, x, attributes.approximate === 'tanh')),
  HardSigmoid: unary((e, dy, _x, y, { attributes: { alpha } }) => {
    const inside = e.b.op('And', [e.greater(y, 0), e.greater(1, y)]);
    return e.where(inside, e.mul(dy, alpha), 0);
  }),
  HardSwish: unary((e, dy, x) => {
    const bent = e.where(e.greater(x, -3), e.mul(dy, e.add(e.mul(x, 1 / 3), 0.5)), 0);
    return e.where(e.greater(x, 3), dy, bent);
  }),
  LeakyRelu: unary((e, dy, x, y, { attributes: { alpha } }) =>
    e.where(e.greater(alpha > 0 ? y : x, 0), dy, e.mul(dy, alpha)),
  ),
  Log: unary((e, dy, x) => e.div(dy, x)),
  Mish: scaled((e, x) => {
    const t = e.b.op('Tanh', [e.b.op('Softplus', [x])]);
    return e.add(t, e.mul(e.mul(x, sigmoid(e, x)), e.sub(1, e.square(t))));
  }),
  Neg: unary((e, dy) => e.neg(dy)),
  Reciprocal: unary((e, dy, _x, y) => e.neg(e.mul(dy, e.square(y)))),
  Relu: unary((e, dy, _x, y) => e.where(e.greater(y, 0), dy, 0)),
  Round: 'zero',
  Selu: unary((e, dy, _x, y, { attributes: { alpha, gamma } }) =>
    e.where(e.greater(y, 0), e.mul(dy, gamma), e.mul(dy, e.add(y, alpha * gamma))),
  ),
  Shrink: unary((e, dy, x, _y, { attributes: { lambd } }) => e.where(e.greater(e.b.op('Abs', [x]), lambd), dy, 0)),
  Sigmoid: scaled((e, _x, y) => e.mul(y, e.sub(1, y))),
  Sign: 'zero',
  Sin: scaled((e, x) => e.b.op('Cos', [x])),
  Sinh: scaled((e, x) => e.b.op('Cosh', [x])),
  Softplus: scaled((e, x) => sigmoid(e, x)),
  Softsign: unary((e, dy, x) => e.div(dy, e.square(e.add(e.b.op('Abs', [x]), 1)))),
  Sqrt: unary((e, dy, _x, y) => e.div(e.mul(dy, 0.5), y)),
  Swish: scaled((e, x, y, { attributes: { alpha } }) => {
    const s = sigmoid(e, e.mul(x, alpha));
    return e.add(s, e.mul(e.mul(y, e.sub(1, s)), alpha));
  }),
  Tan: scaled((e, _x, y) => e.add(e.square(y), 1)),
  Tanh: scaled((e, _x, y) => e.sub(1, e.square(y))),
  ThresholdedRelu: unary((e, dy, x, _y, { attributes: { alpha } }) => e.where(e.greater(x, alpha), dy, 0)),

  Add: ({ dy }) => [() => dy, () => dy],
  Sub: ({ e, dy }) => [() => dy, () => e.neg(dy)],
  Mul: ({ e, dy, x: [a, b] }) => [() => e.mul(dy, b), () => e.mul(dy, a)],
  Div: ({ e, dy, x: [, b], y }) => [() => e.div(dy, b), () => e.neg(e.div(e.mul(dy, y), b))],
  Pow: power,
  /** `a - b · trunc(a / b)`; the quotient is constant wherever it is differentiable. */
  Mod: ({ e, dy, x: [a, b], y }) => [() => dy, () => e.neg(e.mul(dy, e.b.op('Round', [e.div(e.sub(a, y), b)])))],
  PRelu: ({ e, dy, x: [x, slope] }) => [
    () => e.where(e.greater(x, 0), dy, e.mul(dy, slope)),
    () => e.where(e.greater(x, 0), 0, e.mul(dy, x)),
  ],
  Max: extremum,
  Min: extremum,
  Sum: ({ dy, x }) => x.map(() => () => dy),
  Mean: ({ e, dy, x }) => x.map(() => () => e.mul(dy, 1 / x.length)),
  Where: ({ e, dy, x: [condition] }) => [undefined, () => e.where(condition, dy, 0), () => e.where(condition, 0, dy)],
  /** By the output, which is strictly between the bounds exactly where the input is. */
  Clip: ({ e, dy, x: [x, min, max], y }) => [
    () => {
      const tests = [min && e.greater(y, min), max && e.greater(max, y)].filter(t => t !== undefined);
      return tests.length === 0
        ? dy
        : e.where(
            tests.reduce((a, b) => e.b.op('And', [a, b])),
            dy,
            0,
          );
    },
    min && (() => e.where(e.greater(min, x), dy, 0)),
    max && (() => e.where(e.greater(x, max), dy, 0)),
  ],
  Cast: ({ e, dy, x: [x] }) => [isFloat(x.type.dtype) ? () => e.b.op('Cast', [dy], { to: x.type.dtype }) : undefined],

  And: 'zero',
  BitShift: 'zero',
  BitwiseAnd: 'zero',
  BitwiseNot: 'zero',
  BitwiseOr: 'zero',
  BitwiseXor: 'zero',
  Equal: 'zero',
  Greater: 'zero',
  GreaterOrEqual: 'zero',
  IsInf: 'zero',
  IsNaN: 'zero',
  Less: 'zero',
  LessOrEqual: 'zero',
  Not: 'zero',
  Or: 'zero',
  Xor: 'zero',
};
