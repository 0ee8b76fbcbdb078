import type { AnyNode } from '../graph.ts';
import type { ElementwiseOp } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import { isFloat } from '../type.ts';
import { broadcastStrides, countOf, offsets } from './layout.ts';
import { exactNumbers, result } from './numbers.ts';
import type { StaticType } from './rule.ts';
import { type Scalar, scalars } from './scalars.ts';

/**
 * An elementwise operator on constants. Computed in double precision and rounded once: for +, −, ×, ÷ and √ of float32 that is
 * what IEEE float32 arithmetic gives.
 */
export function evaluateElementwise(
  op: ElementwiseOp,
  attributes: AnyNode['attributes'],
  inputs: readonly (Tensor | undefined)[],
  output: StaticType,
): readonly Tensor[] | undefined {
  const f = (scalars[op] as (attributes: AnyNode['attributes']) => Scalar)(attributes);
  const operands = inputs.map(t => t && operandOf(t, output.shape));
  if (operands.some((o, i) => inputs[i] !== undefined && o === undefined)) return undefined;
  const values = new Float64Array(countOf(output.shape));
  const x = new Array<number>(operands.length);
  for (let i = 0; i < values.length; i++) {
    for (let k = 0; k < x.length; k++) x[k] = at(operands[k], i);
    values[i] = f(...x);
  }
  // Fractions in booleans are values other than zero: nothing to truncate.
  if (!isFloat(output.dtype) && output.dtype !== 'bool')
    for (let i = 0; i < values.length; i++) values[i] = Math.trunc(values[i]);
  return result(output, values);
}

interface OperandView {
  readonly values: ArrayLike<number>;
  /** undefined: one element for each of the output. */
  readonly offsets: Int32Array | undefined;
}

function operandOf(t: Tensor, shape: readonly number[]): OperandView | undefined {
  const values = exactNumbers(t);
  if (!values) return undefined;
  const same = t.shape.length === shape.length && t.shape.every((d, i) => d === shape[i]);
  return { values, offsets: same ? undefined : offsets(shape, broadcastStrides(t.shape, shape)) };
}

/** The element for output element `i`; an absent operand has none, which a scalar function's default stands for. */
const at = (operand: OperandView | undefined, i: number): number =>
  (operand ? operand.values[operand.offsets ? operand.offsets[i] : i] : undefined) as number;
