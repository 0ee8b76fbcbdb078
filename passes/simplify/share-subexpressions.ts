import { TensorKeys } from '../../ir/content.ts';
import { type AnyNode, type Graph, nodeWith, rewrite, type Tensor, type Value } from '../../ir/index.ts';
import { specOf } from '../../ir/ops/index.ts';

/**
 * Nodes of the same operator with the same attributes and operands become one, found by a structural key. Constants of the
 * same bits count as the same operand, unless they are to stay apart.
 *
 *     %a = Relu(%x); %b = Relu(%x); Add(%a, %b)   →  %a = Relu(%x); Add(%a, %a)
 */
export function shareSubexpressions(graph: Graph, { apart = false }: { apart?: boolean | undefined } = {}): Graph {
  const own = new Set(graph.nodes);
  const tensors = new TensorKeys();
  const constants = new Map<string, Value>();
  const canonical = (value: Value): Value => {
    if (!value.constant || apart) return value;
    const key = tensors.of(value.constant);
    const first = constants.get(key);
    if (!first) constants.set(key, value);
    return first ?? value;
  };
  const ids = new Map<Value | undefined, number>();
  const idOf = (value: Value | undefined): number => {
    if (!ids.has(value)) ids.set(value, ids.size);
    return ids.get(value)!;
  };
  const seen = new Map<string, readonly Value[]>();
  return rewrite(graph, (given, to, before) => {
    const inputs = given.inputs.map(v => v && canonical(v));
    const same = inputs.every((v, i) => v === given.inputs[i]);
    const node = same ? given : nodeWith(given, { inputs });
    const shared = specOf(node.op).impure || node.op === 'Fused' ? undefined : keyOf(node, inputs.map(idOf), tensors);
    const first = shared && seen.get(shared);
    if (first) return first;
    const kept = own.has(node);
    const outputs = kept ? node.outputs : to.reinfer(node, before);
    if (shared) seen.set(shared, outputs);
    return kept ? undefined : outputs;
  });
}

const keyOf = (node: AnyNode, operands: readonly number[], tensors: TensorKeys): string =>
  `${node.op}(${operands}) -> ${node.outputs.length} ${attributesKey(node, tensors)}`;

/** Keys of attributes without a tensor. Attributes do not change, and most nodes of a graph are those of the graph before. */
const known = new WeakMap<object, string>();

function attributesKey({ attributes }: AnyNode, tensors: TensorKeys): string {
  const found = known.get(attributes);
  if (found !== undefined) return found;
  let own = true;
  const key = JSON.stringify(attributes, (_, value: unknown) => {
    // JSON has no word for these.
    if (typeof value === 'number' && (!Number.isFinite(value) || Object.is(value, -0)))
      return `number ${Object.is(value, -0) ? '-0' : value}`;
    if (!isTensor(value)) return value;
    own = false;
    return tensors.of(value);
  });
  if (own) known.set(attributes, key);
  return key;
}

const isTensor = (value: unknown): value is Tensor =>
  typeof value === 'object' && value !== null && 'data' in value && ArrayBuffer.isView(value.data);
