/** Elementwise regions: some elementwise nodes that one kernel computes element by element, without storing what lies between. */
import { SutureError } from '../../ir/errors.ts';
import type { AnyNode, Node, Value } from '../../ir/graph.ts';
import { constantNumber } from '../../ir/operator.ts';
import { type ElementwiseOp, isElementwise } from '../../ir/ops/index.ts';
import { type FunctionSet, type Lane, laneType } from './functions.ts';
import { ScalarContext, scalarExpression } from './scalar.ts';
import { scalarOf, storageOf } from './storage.ts';

export interface Region {
  /** What the region reads: values that memory holds. Constants of one element are written into the code instead. */
  readonly inputs: readonly Value[];
  /** In topological order, each elementwise. */
  readonly nodes: readonly AnyNode[];
  /** What the region stores. */
  readonly outputs: readonly Value[];
}

/** The region that a single elementwise node is. */
export function regionOf(node: AnyNode): Region {
  const inputs = new Set(node.inputs.filter(v => v !== undefined && constantNumber(v) === undefined));
  return { inputs: [...inputs] as Value[], nodes: [node], outputs: node.outputs };
}

/** The statements that compute a region on one lane. */
interface RegionCode {
  readonly statements: readonly string[];
  /** The expression of a value of the region, as it is stored: booleans are numbers. */
  readonly stored: (value: Value) => string;
}

/**
 * Writes a region down for lanes of one width.
 *
 * @param load gives the expression of an input as memory holds it (`u32` for booleans).
 */
export function regionCode(
  region: Region,
  lane: Lane,
  functions: FunctionSet,
  load: (value: Value) => string,
): RegionCode {
  const context = new ScalarContext(lane, functions);
  const names = new Map<Value, string>();
  const statements: string[] = [];
  const define = (value: Value, expression: string) => {
    const name = `v${names.size}`;
    statements.push(`let ${name}: ${laneType(scalarOf(value.type.dtype), lane)} = ${expression};`);
    names.set(value, name);
    return name;
  };
  const operand = (value: Value): string => {
    const known = names.get(value);
    if (known !== undefined) return known;
    const number = constantNumber(value);
    if (number !== undefined) return define(value, context.number(number, scalarOf(value.type.dtype)));
    if (!region.inputs.includes(value)) {
      throw new SutureError('kernel-missing', `the value '${value.name}' is not among the operands of its region`);
    }
    const raw = load(value);
    return define(value, value.type.dtype === 'bool' ? `(${raw} != ${context.number(0, 'u32')})` : raw);
  };
  for (const node of region.nodes) {
    if (!isElementwise(node.op)) throw new SutureError('kernel-missing', `${node.op} is not elementwise`);
    const operands = node.inputs.filter(v => v !== undefined).map(operand);
    define(node.outputs[0], scalarExpression(context, node as Node<ElementwiseOp>, operands));
  }
  const stored = (value: Value): string => {
    const expression = operand(value);
    return value.type.dtype === 'bool' ? context.convert(expression, storageOf('bool')) : expression;
  };
  return { statements, stored };
}
