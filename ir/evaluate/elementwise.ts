import type { AnyNode } from '../graph.ts';
import { product } from '../numbers.ts';
import type { ElementwiseOp } from '../ops/index.ts';
import { type Tensor, tensorFromNumbers } from '../tensor.ts';
import { isFloat } from '../type.ts';
import { bigintsOf, type IntegerScalar, integerOf, integerScalars, isInteger, tensorFromBigints } from './integers.ts';
import { broadcastStrides, offsets } from './layout.ts';
import { nearestNumbers } from './numbers.ts';
import type { StaticType } from './rule.ts';
import { type Scalar, scalars } from './scalars.ts';

/**
 * An elementwise operator on constants. Floats are computed in double precision and rounded once: for +, −, ×, ÷ and √ of float32
 * that is what IEEE float32 arithmetic gives. Integers are exact, and wrap around.
 */
export function evaluateElementwise(
  op: ElementwiseOp,
  attributes: AnyNode['attributes'],
  inputs: readonly (Tensor | undefined)[],
  output: StaticType,
): readonly Tensor[] | undefined {
  if (!isFloat(output.dtype)) {
    const known: { readonly [K in ElementwiseOp]?: unknown } = integerScalars;
    const f = known[op] as ((attributes: AnyNode['attributes']) => IntegerScalar) | undefined;
    if (f && inputs.every(t => !t || !isFloat(t.dtype))) return onIntegers(f(attributes), inputs, output);
  }
  const f = (scalars[op] as (attributes: AnyNode['attributes']) => Scalar)(attributes);
  const operands = inputs.map(t => t && operandOf(nearestNumbers(t), t.shape, output.shape));
  const values = new Float64Array(product(output.shape));
  const [first, second] = operands;
  for (let i = 0; i < values.length; i++) {
    // Most have one or two; to spread a list takes longer than most of what is computed.
    if (operands.length === 1) values[i] = f(at(first, i) as number);
    else if (operands.length === 2) values[i] = f(at(first, i) as number, at(second, i) as number);
    else values[i] = f(...operands.map(operand => at(operand, i) as number));
  }
  if (!isInteger(output.dtype)) return [tensorFromNumbers(output.dtype, output.shape, values)];
  return [
    tensorFromBigints(
      output.dtype,
      output.shape,
      Array.from(values, v => integerOf(output.dtype, v)),
    ),
  ];
}

/** Undefined when an element has no result. */
function onIntegers(
  f: IntegerScalar,
  inputs: readonly (Tensor | undefined)[],
  { dtype, shape }: StaticType,
): readonly Tensor[] | undefined {
  const operands = inputs.map(t => t && operandOf(bigintsOf(t), t.shape, shape));
  const values: bigint[] = [];
  for (let i = 0; i < product(shape); i++) {
    const value = f(...operands.map(operand => at(operand, i) as bigint));
    if (value === undefined) return undefined;
    values.push(value);
  }
  return [tensorFromBigints(dtype, shape, values)];
}

interface OperandView<T> {
  readonly values: ArrayLike<T>;
  /** undefined: one element for each of the output. */
  readonly offsets: Int32Array | undefined;
}

function operandOf<T>(values: ArrayLike<T>, from: readonly number[], to: readonly number[]): OperandView<T> {
  const same = from.length === to.length && from.every((d, i) => d === to[i]);
  return { values, offsets: same ? undefined : offsets(to, broadcastStrides(from, to)) };
}

/** The element for output element `i`; an absent operand has none, which a scalar function's default stands for. */
const at = <T>(operand: OperandView<T> | undefined, i: number): T | undefined =>
  operand?.values[operand.offsets ? operand.offsets[i] : i];
