import { GraphBuilder } from '../builder.ts';
import { evaluate } from '../evaluate/index.ts';
import type { AnyNode, Value } from '../graph.ts';
import type { OpName } from '../ops/index.ts';
import { type Tensor, tensorFromNumbers } from '../tensor.ts';
import { isFloat } from '../type.ts';
import type { NodeForm } from './form.ts';

/** Nodes of constants of at most this many elements are computed on import. */
const FOLDED_ELEMENTS = 64;

/**
 * What a node gives that is known before the run: of small constants, or of shapes whose extents are known. Exporters that do
 * not fold leave shapes, pads, scales and bounds to be computed, and type rules need them known.
 */
export function foldedNode(
  op: OpName,
  { inputs }: NodeForm,
  attributes: object,
  outputs: readonly string[],
): readonly Tensor[] | undefined {
  const given = inputs.filter(value => value !== undefined);
  const small = (tensors: readonly (Tensor | undefined)[]): boolean =>
    tensors.every(t => t === undefined || t.data.length <= FOLDED_ELEMENTS);
  const constants = inputs.map(value => value?.constant);
  const constant = given.every(value => value.constant !== undefined) && small(constants);
  const shapes = op === 'Shape' || op === 'Size' || given.every(value => !isFloat(value.type.dtype));
  if (given.length === 0 || !(constant || shapes)) return undefined;
  const alone = new GraphBuilder('folded').node(op, inputs, attributes as never, { outputs });
  const known = alone.outputs.flatMap(value => knownElements(value) ?? []);
  if (known.length === alone.outputs.length) return known;
  if (!constant || alone.outputs.some(v => !v.type.shape.every(d => typeof d === 'number' && d <= FOLDED_ELEMENTS))) {
    return undefined;
  }
  const tensors = evaluate(alone as unknown as AnyNode, constants);
  return tensors === undefined || !small(tensors) ? undefined : tensors;
}

/** The elements of an integer tensor, when all of them are plain numbers. */
function knownElements({ type: { dtype, shape }, elements }: Value): Tensor | undefined {
  if (!elements || elements.length > FOLDED_ELEMENTS || !elements.every(e => typeof e === 'number')) return undefined;
  return tensorFromNumbers(dtype, shape as readonly number[], elements as readonly number[]);
}
