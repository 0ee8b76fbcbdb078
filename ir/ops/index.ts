import type { Dim } from '../dim.ts';
import type { AnyNode } from '../graph.ts';
import type { AttributeSpecs, Formal, Operand, OperatorSpec, Traits } from '../operator.ts';
import { elementwise } from './elementwise.ts';
import { fusion } from './fusion.ts';
import { indexing } from './indexing.ts';
import { interpolation } from './interpolation.ts';
import { linear } from './linear.ts';
import { movement } from './movement.ts';
import { normalization } from './normalization.ts';
import { pooling } from './pooling.ts';
import { reduction } from './reduction.ts';
import { stitching } from './stitching.ts';
import { training } from './training.ts';

/** Ours, of the domain `suture`, each with a body in ONNX's operators (`bodies.ts`). */
const own = { ...stitching, ...training, ...fusion };

/** The vocabulary: every operator that a graph may hold. */
export const operators = {
  ...elementwise,
  ...linear,
  ...normalization,
  ...pooling,
  ...reduction,
  ...movement,
  ...indexing,
  ...interpolation,
  ...own,
};

export type Operators = typeof operators;
export type OpName = keyof Operators;
/** Operators that declare a trait. */
export type OpWith<T extends keyof Traits> = {
  [K in OpName]: Operators[K] extends { readonly [P in T]: true } ? K : never;
}[OpName];
/** Operators of which one output element depends on one element of each input. */
export type ElementwiseOp = keyof typeof elementwise;
/** Those of them that integers may be given to: all that do not state that they take floats or booleans alone. */
export type IntegerOp = {
  [K in ElementwiseOp]: Operators[K] extends { readonly takes: 'float' | 'bool' } ? never : K;
}[ElementwiseOp];
/** Our own operators, each with a body in ONNX's. */
export type SutureOp = keyof typeof own;

export const isOpName = (name: string): name is OpName => Object.hasOwn(operators, name);
export const isElementwise = (op: OpName): op is ElementwiseOp => Object.hasOwn(elementwise, op);
export const isSutureOp = (op: OpName): op is SutureOp => Object.hasOwn(own, op);

/** The declaration of an operator whose name is known at run time only. */
export const specOf = (op: OpName): OperatorSpec<readonly Formal[], AttributeSpecs> =>
  operators[op] as unknown as OperatorSpec<readonly Formal[], AttributeSpecs>;

/** How many multiplications with addition a node makes in convolutions and matrix products; 0 for other operators. */
export function macsOf({ op, inputs, attributes, outputs }: AnyNode): Dim {
  const macs = specOf(op).macs as ((inputs: AnyNode['inputs'], attributes: object, output: Operand) => Dim) | undefined;
  return macs?.(inputs, attributes, outputs[0]) ?? 0;
}
