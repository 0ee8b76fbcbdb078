import {
  type AnyNode,
  type Graph,
  inputAt,
  isFloat,
  nodeWith,
  numbersOf,
  rewrite,
  type Tensor,
  tensorFromNumbers,
  type Value,
} from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import { inPlace, readOnce } from '../simplify/rule.ts';
import { scaledLayer, withParameters } from '../simplify/scaled-layer.ts';

/**
 * A switch's weight on a parent's own feature goes into what computes the feature, and the stitches that read the feature too
 * make up for it:
 *
 *     %a = InstanceNormalization(%x, γ, β)                %a' = InstanceNormalization(%x, ½γ, ½β)
 *     Switch([½, 1], %a, ...)                         →   Switch([1, 1], %a', ...)
 *     Stitch(%a, W, c)                                    Stitch(%a', 2W, c)
 *
 * So an averaged position costs one addition. Requires: one positive weight for all channels; nothing but stitches with constant
 * parameters reads the feature beside the switch; the feature comes from a linear layer or a normalisation with constant
 * parameters, with at most Relu and LeakyRelu between (which commute with a positive factor) that nothing else reads.
 */
export function scaleFeatures(graph: Graph): Graph {
  const edits = new Map<string, (node: AnyNode, constant: MakeConstant) => AnyNode>();
  for (const node of graph.nodes) {
    if (node.op !== 'Switch') continue;
    const [weights, ...features] = node.inputs;
    const given = weights?.constant;
    if (given?.shape.length !== 1) continue;
    const left = Array.from(numbersOf(given));
    for (const [s, feature] of features.entries()) {
      if (left[s] === 1 || !(left[s] > 0)) continue;
      const plan = planFor(graph, node, feature!, left[s]);
      if (!plan || [...plan.keys()].some(name => edits.has(name))) continue;
      for (const [name, edit] of plan) edits.set(name, edit);
      left[s] = 1;
    }
    if (left.every((w, s) => w === numbersOf(given)[s])) continue;
    edits.set(node.name, (shown, constant) => {
      const tensor = tensorFromNumbers(given.dtype, [left.length], left);
      return nodeWith(shown, { inputs: [constant(tensor, weights!.name), ...shown.inputs.slice(1)] });
    });
  }
  if (edits.size === 0) return graph;
  return rewrite(graph, (node, to) => {
    const edit = edits.get(node.name);
    return (
      edit &&
      inPlace(
        to,
        edit(node, (tensor, name) => to.constant(tensor, name)),
      )
    );
  });
}

type MakeConstant = (tensor: Tensor, name: string) => Value;
type Edits = Map<string, (node: AnyNode, constant: MakeConstant) => AnyNode>;

/** What to change so that `feature` comes out multiplied by `factor`, and its other readers notice nothing. */
function planFor(graph: Graph, reader: AnyNode, feature: Value, factor: number): Edits | undefined {
  const edits: Edits = new Map();
  if (graph.outputs.some(o => o.value === feature) || reader.inputs.filter(v => v === feature).length !== 1)
    return undefined;
  for (const other of graph.consumers(feature)) {
    if (other === reader) continue;
    const weight = other.op === 'Stitch' && other.inputs[0] === feature ? other.inputs[1]?.constant : undefined;
    if (!weight || other.inputs[2] === feature) return undefined;
    edits.set(other.name, (node, constant) => {
      const [x, w, b] = node.inputs;
      return nodeWith(node, { inputs: [x, constant(times(weight, 1 / factor), w!.name), b] });
    });
  }
  let value = feature;
  let node = graph.producer(value);
  while (node && (node.op === 'Relu' || node.op === 'LeakyRelu')) {
    value = inputAt(node, 0);
    if (!readOnce(graph, value)) return undefined;
    node = graph.producer(value);
  }
  const scaled = node && scaledProducer(node, factor);
  return node && scaled && edits.set(node.name, scaled);
}

const times = (t: Tensor, factor: number): Tensor =>
  tensorFromNumbers(
    t.dtype,
    t.shape,
    Float64Array.from(numbersOf(t), v => v * factor),
  );

/** A linear layer or normalisation with constant parameters, its result multiplied by a factor. */
function scaledProducer(
  node: AnyNode,
  factor: number,
): ((node: AnyNode, constant: MakeConstant) => AnyNode) | undefined {
  const { shape, dtype } = node.outputs[0].type;
  if (node.outputs.length > 1 || !isFloat(dtype)) return undefined;
  switch (node.op) {
    case 'InstanceNormalization':
    case 'BatchNormalization':
    case 'GroupNormalization':
    case 'LayerNormalization': {
      const [, scale, shift] = node.inputs;
      const [a, b] = [scale?.constant, shift?.constant];
      if (!a || (shift && !b)) return undefined;
      return (shown, constant) => {
        const parameters = [constant(times(a, factor), scale!.name), b && constant(times(b, factor), shift!.name)];
        return nodeWith(shown, { inputs: [shown.inputs[0], ...parameters, ...shown.inputs.slice(3)] });
      };
    }
    case 'Conv':
    case 'ConvTranspose':
    case 'Gemm':
    case 'Stitch': {
      const channels = shape[node.op === 'Stitch' ? channelAxis(shape.length) : 1];
      if (typeof channels !== 'number') return undefined;
      const parameters = scaledLayer(node, Array<number>(channels).fill(factor));
      return parameters && ((shown, constant) => withParameters(shown, parameters, constant));
    }
    default:
      return undefined;
  }
}
