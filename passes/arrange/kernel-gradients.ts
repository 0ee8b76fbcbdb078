import type { GraphBuilder } from '../../ir/builder.ts';
import { type Graph, type InputsOf, isOp, type Node, rewrite, staticShape, type Value } from '../../ir/index.ts';
import { product } from '../../ir/numbers.ts';
import { convWindow } from '../../ir/ops/linear.ts';

/**
 * Convolutions whose window is larger than their result, as gradients of kernels are, as one matrix product for each place of the result:
 *
 *     y = Conv(x, w)      →      y[:, :, k] = X_k · Wᵀ,   X_k [C, N·P] what the window sees of x at place k, W [M, N·P]
 *
 * ONNX Runtime lays out all of `X` for each channel on its own and multiplies it by narrow matrices; this is three times as fast on one thread
 * for the layers of a U-Net.
 *
 * Requires: static shapes. Guarantees: the numbers but for the order of sums; windows of constants and of groups stay as they are. Returns
 * the same object where there was none.
 */
export const kernelGradientsAsProducts = (graph: Graph): Graph =>
  rewrite(graph, (node, to) => (isOp(node, 'Conv') ? asProducts(node, to) : undefined));

/** Each is a product of its own: with more of them there is little left to gain. */
const mostPlaces = 64;

function asProducts({ name, inputs, outputs: [y], attributes }: Node<'Conv'>, to: GraphBuilder): Value | undefined {
  const [x, w, bias] = inputs as InputsOf<'Conv'>;
  const [given, kernel, result] = [x, w, y].map(v => staticShape(v.type.shape));
  if (!given || !kernel || !result || bias || w.constant || attributes.group !== 1) return undefined;
  const [places, window] = [result.slice(2), kernel.slice(2)];
  if (product(window) <= product(places) || product(places) > mostPlaces) return undefined;
  const { pads, strides, dilations } = convWindow(attributes, given, kernel);
  const rank = places.length;
  const axes = places.map((_, i) => i + 2);
  const padded = pads.some(p => p !== 0)
    ? to.op('Pad', [x, to.ints([0, 0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank)])])
    : x;
  const [channels, count, rows] = [given[0], given[1] * product(window), kernel[0]];
  const right = to.op('Transpose', [to.op('Reshape', [w, to.ints([rows, count])])], { perm: [1, 0] });
  const products = placesOf(places).map(place => {
    const starts = place.map((at, i) => at * strides[i]);
    const ends = starts.map((start, i) => start + (window[i] - 1) * dilations[i] + 1);
    const seen = to.op('Slice', [padded, to.ints(starts), to.ints(ends), to.ints(axes), to.ints(dilations)]);
    const product = to.op('MatMul', [to.op('Reshape', [seen, to.ints([channels, count])]), right]);
    return to.op('Unsqueeze', [product, to.ints([2])]);
  });
  return to.op('Reshape', [to.op('Concat', products, { axis: 2 }), to.ints(result)], {}, { name });
}

/** All places of a grid, the last axis fastest. */
const placesOf = (extents: readonly number[]): readonly (readonly number[])[] =>
  extents.reduce<readonly (readonly number[])[]>(
    (found, extent) => found.flatMap(place => Array.from({ length: extent }, (_, i) => [...place, i])),
    [[]],
  );
