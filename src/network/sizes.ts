/** Networks whose height and width are open, for the sizes that data have. */
import { type Binding, type Graph, linearOf, printable, SutureError, solveDim, symbolsOf } from '../../ir/index.ts';
import { bindNetwork, bindSymbols, type SuperNetwork, sizesText } from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';

/**
 * What the symbols of a graph's input are for images of a shape [C, spatial...]; that of the batch is left out. Undefined where the input
 * takes no such images.
 */
function sizesOf(graph: Graph, imageShape: readonly number[]): Binding | undefined {
  const [batch, ...rest] = graph.inputs[0].type.shape;
  const sizes: Record<string, number> = {};
  const ofBatch = batch === undefined ? new Set<string>() : symbolsOf(batch);
  for (const [i, dim] of rest.entries()) {
    const linear = linearOf(dim);
    const size = imageShape[i];
    if (linear === undefined || size === undefined || ofBatch.has(linear.symbol)) continue;
    const value = solveDim(linear, size);
    if (value === undefined) return undefined;
    sizes[linear.symbol] ??= value;
  }
  return sizes;
}

/** How a network's layers fit together at a size; undefined where they do not. */
function atSize(graph: Graph, imageShape: readonly number[]): Graph | undefined {
  const sizes = sizesOf(graph, imageShape);
  if (sizes === undefined) return undefined;
  try {
    return bindSymbols(graph, sizes);
  } catch (error) {
    if (error instanceof SutureError && error.code === 'type-mismatch') return undefined;
    throw error;
  }
}

/** Images of one size. */
type Images = Pick<Dataset, 'imageShape' | 'source'>;

/** Sizes that networks which halve their features ask to be multiples of. */
const multiples = [2, 4, 8, 16, 32, 64, 128];

/**
 * A network for the images of a data set: every size but the batch is a number.
 *
 * @throws SutureError `data-invalid` where its layers do not fit together at this size, with the multiple that would do.
 */
export function graphForImages(graph: Graph, images: Images, what: string): Graph {
  const { imageShape } = images;
  const found = atSize(graph, imageShape);
  if (found) return found;
  const asked = sizesText(graph.inputs[0].type.shape);
  if (asked !== undefined && sizesOf(graph, imageShape) === undefined) {
    throw misfit(images, `${printable(what)}, which takes a ${asked}: pad or crop them`);
  }
  const [channels, ...spatial] = imageShape as [number, ...number[]];
  const rounded = (multiple: number): number[] => spatial.map(size => Math.ceil(size / multiple) * multiple);
  const fitting = multiples.find(multiple => atSize(graph, [channels, ...rounded(multiple)]));
  const advice = fitting === undefined ? '' : `; sizes that are multiples of ${fitting} do`;
  throw misfit(images, `${printable(what)}, whose layers meet at other sizes${advice}`);
}

const misfit = ({ imageShape, source }: Images, reason: string): SutureError =>
  new SutureError(
    'data-invalid',
    `${printable(source)}: images of ${imageShape.slice(1).join('×')} do not fit ${reason}.`,
  );

/**
 * A super-network for the images of a data set, as gradients need it: every size but the batch is a number.
 *
 * @throws SutureError `data-invalid` where the networks, or their pairs, are for other sizes.
 */
export function networkForImages(network: SuperNetwork, images: Images): SuperNetwork {
  const sizes = sizesOf(network.graph, images.imageShape);
  if (sizes) return bindNetwork(network, sizes);
  const asked = sizesText(network.graph.inputs[0].type.shape);
  throw misfit(images, `the joined networks, whose pairs are for a ${asked}: pad or crop them, or match anew`);
}

/** Checks that a super-network takes the images of data sets, once for each size. @throws SutureError as {@link networkForImages}. */
export function requireSizes(network: SuperNetwork, datasets: readonly Images[]): void {
  const fitting = new Set<string>();
  for (const dataset of datasets) {
    const size = dataset.imageShape.join();
    if (!fitting.has(size)) networkForImages(network, dataset);
    fitting.add(size);
  }
}
