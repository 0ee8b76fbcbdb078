import type { InputsOf, Node, Value } from '../../ir/graph.ts';
import type { OpName } from '../../ir/ops/index.ts';
import type { Emit } from './emit.ts';

/** What an adjoint rule is given: the node, and the gradients of its outputs. */
export interface AdjointArguments<K extends OpName> {
  readonly e: Emit;
  readonly node: Node<K>;
  readonly x: InputsOf<K>;
  /** The main output. */
  readonly y: Value;
  /** The gradient of the main output. */
  readonly dy: Value;
  /** The gradients of all outputs; undefined where the loss does not depend on the output. */
  readonly dys: readonly (Value | undefined)[];
}

/**
 * Emits the gradient of one operand. It is called only when that gradient is wanted, so a frozen operand costs nothing. The result
 * may be larger than the operand where the operator broadcast it: the pass sums it back.
 */
export type Gradient = (() => Value) | undefined;

/** The adjoint of an operator: for each operand how its gradient is emitted, or undefined where it has none. */
export type Adjoint<K extends OpName> = (given: AdjointArguments<K>) => readonly Gradient[];

/** `'zero'`: the output does not vary with the operands wherever it is differentiable. null: no rule; gradients can't pass. */
export type AdjointRule<K extends OpName> = Adjoint<K> | 'zero' | null;

/** Rules for some of the operators; the families' tables together are total. */
export type AdjointTable<K extends OpName> = { readonly [P in K]: AdjointRule<P> };
