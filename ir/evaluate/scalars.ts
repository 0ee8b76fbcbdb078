import type { AttributesOf } from '../graph.ts';
import type { ElementwiseOp } from '../ops/index.ts';
import { roundHalfEven } from '../tensor.ts';

/** What an operator does to one element of each operand; an optional operand that is absent is undefined. */
export type Scalar = (...x: number[]) => number;

const bool = (test: boolean): number => (test ? 1 : 0);

const sigmoid = (x: number): number => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** `2/√π · e^(-x²) · Σ 2ⁿ x^(2n+1) / (2n+1)!!`: all terms have one sign, so nothing cancels. */
function erf(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) >= 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const divide = (a: number, b: number): number => a / b;

function modulo(a: number, b: number): number {
  const rest = a % b;
  return rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
}

/** `x` to the power of `y` as C has it: JavaScript makes NaN of two cases that have a limit. */
const power = (x: number, y: number): number =>
  x === 1 || (x === -1 && !Number.isFinite(y) && !Number.isNaN(y)) ? 1 : x ** y;

/** For operators of integers only, which `integers.ts` computes. */
const none: Scalar = () => Number.NaN;

/** One entry for each elementwise operator: the function of an element, given the attributes. */
export const scalars: { readonly [K in ElementwiseOp]: (attributes: AttributesOf<K>) => Scalar } = {
  Abs: () => Math.abs,
  Acos: () => Math.acos,
  Acosh: () => Math.acosh,
  Asin: () => Math.asin,
  Asinh: () => Math.asinh,
  Atan: () => Math.atan,
  Atanh: () => Math.atanh,
  BitwiseNot: () => none,
  Ceil: () => Math.ceil,
  Celu:
    ({ alpha }) =>
    x =>
      Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha)),
  Cos: () => Math.cos,
  Cosh: () => Math.cosh,
  Elu:
    ({ alpha }) =>
    x =>
      x < 0 ? alpha * Math.expm1(x) : x,
  Erf: () => erf,
  Exp: () => Math.exp,
  Floor: () => Math.floor,
  Gelu: ({ approximate }) =>
    approximate === 'tanh'
      ? x => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
      : x => 0.5 * x * (1 + erf(x / Math.SQRT2)),
  HardSigmoid:
    ({ alpha, beta }) =>
    x =>
      Math.max(0, Math.min(1, alpha * x + beta)),
  HardSwish: () => x => x * Math.max(0, Math.min(1, x / 6 + 0.5)),
  LeakyRelu:
    ({ alpha }) =>
    x =>
      x < 0 ? alpha * x : x,
  Log: () => Math.log,
  Mish: () => x => x * Math.tanh(softplus(x)),
  Neg: () => x => -x,
  Not: () => x => bool(x === 0),
  Reciprocal: () => x => 1 / x,
  Relu: () => x => Math.max(x, 0),
  Round: () => roundHalfEven,
  Selu:
    ({ alpha, gamma }) =>
    x =>
      gamma * (x > 0 ? x : alpha * Math.expm1(x)),
  Shrink:
    ({ bias, lambd }) =>
    x =>
      x < -lambd ? x + bias : x > lambd ? x - bias : 0,
  Sigmoid: () => sigmoid,
  Sign: () => Math.sign,
  Sin: () => Math.sin,
  Sinh: () => Math.sinh,
  Softplus: () => softplus,
  Softsign: () => x => x / (1 + Math.abs(x)),
  Sqrt: () => Math.sqrt,
  Swish:
    ({ alpha }) =>
    x =>
      x * sigmoid(alpha * x),
  Tan: () => Math.tan,
  Tanh: () => Math.tanh,
  ThresholdedRelu:
    ({ alpha }) =>
    x =>
      x > alpha ? x : 0,

  Add: () => (a, b) => a + b,
  Sub: () => (a, b) => a - b,
  Mul: () => (a, b) => a * b,
  Div: () => divide,
  BitwiseAnd: () => none,
  BitwiseOr: () => none,
  BitwiseXor: () => none,
  And: () => (a, b) => bool(a !== 0 && b !== 0),
  Or: () => (a, b) => bool(a !== 0 || b !== 0),
  Xor: () => (a, b) => bool((a !== 0) !== (b !== 0)),
  Equal: () => (a, b) => bool(a === b),
  Greater: () => (a, b) => bool(a > b),
  GreaterOrEqual: () => (a, b) => bool(a >= b),
  Less: () => (a, b) => bool(a < b),
  LessOrEqual: () => (a, b) => bool(a <= b),
  PRelu: () => (x, slope) => (x < 0 ? slope * x : x),
  Max: () => Math.max,
  Min: () => Math.min,
  Sum:
    () =>
    (...x) =>
      x.reduce((a, b) => a + b),
  Mean:
    () =>
    (...x) =>
      x.reduce((a, b) => a + b) / x.length,
  Pow: () => power,
  Mod: ({ fmod }) => (fmod ? (a, b) => a % b : modulo),
  BitShift: () => none,
  IsNaN: () => x => bool(Number.isNaN(x)),
  IsInf:
    ({ detect_negative, detect_positive }) =>
    x =>
      bool(
        (x === Number.POSITIVE_INFINITY && detect_positive !== 0) ||
          (x === Number.NEGATIVE_INFINITY && detect_negative !== 0),
      ),
  Where: () => (condition, x, y) => (condition !== 0 ? x : y),
  Clip:
    () =>
    (x, low = Number.NEGATIVE_INFINITY, high = Number.POSITIVE_INFINITY) =>
      Math.min(Math.max(x, low), high),
  Cast: () => x => x,
};
