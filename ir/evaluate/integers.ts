/**
 * Integers are computed as bigints, and what does not fit its dtype wraps around, as in C and in ONNX Runtime: for sums and
 * products it is the same whether each step wraps or the last result does.
 */
import type { AttributesOf } from '../graph.ts';
import type { IntegerOp } from '../ops/index.ts';
import { arrayFor, type Tensor, tensor } from '../tensor.ts';
import { bytesPerElement, type DType, isFloat } from '../type.ts';

export const isInteger = (dtype: DType): boolean => !isFloat(dtype) && dtype !== 'bool';

const isSigned = (dtype: DType): boolean => dtype.startsWith('int');

/** The elements of a tensor of integers or booleans. */
export const bigintsOf = (t: Tensor): readonly bigint[] => Array.from(t.data as Int32Array, v => BigInt(v));

/** The value of an integer dtype that is congruent to `v`. */
export function wrap(dtype: DType, v: bigint): bigint {
  const bits = 8 * bytesPerElement[dtype];
  return isSigned(dtype) ? BigInt.asIntN(bits, v) : BigInt.asUintN(bits, v);
}

/** A tensor of an integer dtype or of booleans; elements wrap around. */
export function tensorFromBigints(dtype: DType, shape: readonly number[], values: readonly bigint[]): Tensor {
  const data = arrayFor(dtype, values.length);
  const wide = bytesPerElement[dtype] === 8;
  for (const [i, v] of values.entries()) {
    const held = dtype === 'bool' ? BigInt(v !== 0n) : wrap(dtype, v);
    data[i] = (wide ? held : Number(held)) as never;
  }
  return tensor(dtype, shape, data);
}

/**
 * A float cast to an integer dtype: truncated, and wrapped if it is negative in an unsigned dtype. C and ONNX leave open what
 * becomes of NaN and of numbers beyond the dtype; it is what processors of PCs do, the least integer of 32 bits (of 64 for
 * the dtypes wider than that), wrapped.
 */
export function integerOf(dtype: DType, value: number): bigint {
  const bits = isSigned(dtype) ? Math.max(32, 8 * bytesPerElement[dtype]) : bytesPerElement[dtype] < 4 ? 32 : 64;
  const least = -(2 ** (bits - 1));
  const beyond = dtype === 'uint64' ? 2 ** 64 : -least;
  const fits = value >= least && value < beyond;
  return wrap(dtype, BigInt(fits ? Math.trunc(value) : least));
}

/** What an operator does to one integer of each operand; undefined where that is no integer: a division by zero. */
export type IntegerScalar = (...x: bigint[]) => bigint | undefined;

const bool = (test: boolean): bigint => (test ? 1n : 0n);
const abs = (x: bigint): bigint => (x < 0n ? -x : x);
const least = (...x: bigint[]): bigint => x.reduce((a, b) => (b < a ? b : a));
const most = (...x: bigint[]): bigint => x.reduce((a, b) => (b > a ? b : a));

function modulo(a: bigint, b: bigint): bigint {
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? rest + b : rest;
}

/** A negative exponent gives the truncated reciprocal. */
function power(x: bigint, y: bigint): bigint | undefined {
  if (y < 0n) return x === 0n ? undefined : abs(x) === 1n ? (y % 2n === 0n ? 1n : x) : 0n;
  // Bases beyond 1 wrap to 0 or repeat long before such an exponent, but their power would fill the memory.
  let [result, base, left] = [1n, x, y];
  for (; left > 0n; left >>= 1n) {
    if (left & 1n) result = BigInt.asIntN(128, result * base);
    base = BigInt.asIntN(128, base * base);
  }
  return result;
}

/** The elementwise operators on integers; undefined for those that are computed as floats are, or give no number. */
export const integerScalars: {
  readonly [K in IntegerOp]: ((attributes: AttributesOf<K>) => IntegerScalar) | undefined;
} = {
  Abs: () => abs,
  BitwiseNot: () => x => ~x,
  Erf: undefined,
  Neg: () => x => -x,
  Relu: () => x => most(x, 0n),
  Shrink: undefined,
  Sign: () => x => bool(x > 0n) - bool(x < 0n),

  Add: () => (a, b) => a + b,
  Sub: () => (a, b) => a - b,
  Mul: () => (a, b) => a * b,
  Div: () => (a, b) => (b === 0n ? undefined : a / b),
  BitwiseAnd: () => (a, b) => a & b,
  BitwiseOr: () => (a, b) => a | b,
  BitwiseXor: () => (a, b) => a ^ b,
  Equal: () => (a, b) => bool(a === b),
  Greater: () => (a, b) => bool(a > b),
  GreaterOrEqual: () => (a, b) => bool(a >= b),
  Less: () => (a, b) => bool(a < b),
  LessOrEqual: () => (a, b) => bool(a <= b),
  PRelu: () => (x, slope) => (x < 0n ? x * slope : x),
  Max: () => most,
  Min: () => least,
  Sum:
    () =>
    (...x) =>
      x.reduce((a, b) => a + b),
  Mean: undefined,
  Pow: () => power,
  Mod: ({ fmod }) =>
    fmod ? (a, b) => (b === 0n ? undefined : a % b) : (a, b) => (b === 0n ? undefined : modulo(a, b)),
  /** A shift by more bits than there are leaves none. */
  BitShift: ({ direction }) =>
    direction === 'LEFT' ? (x, y) => (y < 64n ? x << y : 0n) : (x, y) => (y < 64n ? x >> y : 0n),
  IsNaN: undefined,
  IsInf: undefined,
  Where: () => (condition, x, y) => (condition ? x : y),
  Clip:
    () =>
    (x, low = x, high = most(x, low)) =>
      least(most(x, low), high),
  Cast: () => x => x,
};
