import {
  type AnyNode,
  type GraphBuilder,
  inputAt,
  isStatic,
  nodeWith,
  numbersOf,
  type Shape,
  type Tensor,
  tensorFromNumbers,
  type Value,
} from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import { inPlace, nodeNamed, type Rule, readOnce } from '../simplify/rule.ts';
import { scaledLayer, withParameters } from '../simplify/scaled-layer.ts';
import { rowsOf } from './fix-switches.ts';

/**
 * A weight of a switch goes into the linear layer that made the source, when nothing else reads it:
 *
 *     Switch([½, ½], %a, Stitch(%b, W, c))   →  Switch([½, 1], %a, Stitch(%b, ½W, ½c))
 *
 * The layer before is a Stitch, Conv, ConvTranspose or Gemm with constant parameters. Weights per channel do as well.
 */
export const scaleLayers: Rule = (node, to, graph) => {
  const weights = node.op === 'Switch' ? inputAt(node, 0).constant : undefined;
  const original = weights && nodeNamed(graph, node.name);
  if (!weights || !original) return undefined;
  const rows = rowsOf(weights);
  const scaled = node.inputs.slice(1).map((feature, s) => {
    const layer = to.producer(feature!);
    // A stitch takes rank 3 for tokens, whose channels are not a 1-D convolution's.
    const scale =
      layer &&
      (layer.op === 'Stitch' || feature!.type.shape.length !== 3) &&
      channelScale(weights, rows[s], feature!.type.shape);
    if (!scale || rows[s].every(w => w === 1) || !readOnce(graph, inputAt(original, s + 1))) return undefined;
    const parameters = scaledLayer(layer, scale);
    const constant = (tensor: Tensor, name: string) => to.constant(tensor, name);
    // The layer as it was is read by nothing any more: the copy goes by a new name until it is gone.
    return parameters && copyOf(to, withParameters(layer, parameters, constant));
  });
  if (scaled.every(v => v === undefined)) return undefined;
  const left = rows.flatMap((row, s) => (scaled[s] ? row.map(() => 1) : row));
  const constant = to.constant(tensorFromNumbers(weights.dtype, weights.shape, left), inputAt(node, 0).name);
  const features = node.inputs.slice(1).map((feature, s) => scaled[s] ?? feature);
  return inPlace(to, nodeWith(node, { inputs: [constant, ...features] }));
};

/** A switch whose weights are all one adds its sources: `Switch([1, 1], %a, %b)  →  Add(%a, %b)`. */
export const addSources: Rule = (node, to) => {
  const weights = node.op === 'Switch' ? inputAt(node, 0).constant : undefined;
  if (!weights || !Array.from(numbersOf(weights)).every(w => w === 1)) return undefined;
  const features = node.inputs.slice(1).map(v => v!);
  if (features.length < 2) return features;
  const [last, ...rest] = features.toReversed();
  const sum = rest.reverse().reduce((a, b) => to.op('Add', [a, b], {}, { name: `${node.name}/sum` }));
  return inPlace(to, nodeWith(node, { op: 'Add', attributes: {}, inputs: [sum, last] }));
};

/** The weights of one source as one number for each channel of the feature; undefined when they vary over other axes. */
function channelScale(weights: Tensor, row: readonly number[], shape: Shape): number[] | undefined {
  const axis = channelAxis(shape.length);
  const channels = shape[axis];
  if (!isStatic(channels)) return undefined;
  if (row.length === 1) return Array<number>(channels).fill(row[0]);
  // Weights' axes past the first line up with the feature's from the left.
  const perAxis = weights.shape.slice(1);
  const along = perAxis.every((d, i) => (i === axis ? d === channels : d === 1));
  return along && row.length === channels ? [...row] : undefined;
}

const copyOf = (to: GraphBuilder, node: AnyNode): Value => to.copy(node, node.inputs, { outputs: [node.name] })[0];
