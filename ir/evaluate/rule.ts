import type { AttributesOf } from '../graph.ts';
import type { ElementwiseOp, OpName, SutureOp } from '../ops/index.ts';
import type { Tensor } from '../tensor.ts';
import type { DType } from '../type.ts';

/** The type that the operator's type rule gave for an output, with every extent known. */
export interface StaticType {
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/**
 * How an operator is computed on constants: the outputs, or undefined where it can't be done exactly (integers beyond 2^53,
 * division by zero). The operands passed the operator's type rule.
 */
export type EvaluationRule<K extends OpName> = (
  inputs: readonly (Tensor | undefined)[],
  attributes: AttributesOf<K>,
  outputs: readonly StaticType[],
) => readonly Tensor[] | undefined;

/** Operators that have a rule of their own: elementwise ones are computed by `scalars.ts`, ours by their bodies. */
export type EvaluatedOp = Exclude<OpName, ElementwiseOp | SutureOp>;

/** The rules of one family of operators; the families' tables together are total. */
export type EvaluationRules<K extends EvaluatedOp> = { readonly [P in K]: EvaluationRule<P> };
