/** Networks whose height and width are open, for the sizes that data have. */
import { type Binding, type Graph, isStatic, printable, SutureError, symbolsOf } from '../../ir/index.ts';
import { bindNetwork, bindSymbols, type SuperNetwork } from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';

/** What the symbols of a graph's input are for images of a shape [C, spatial...]; that of the batch is left out. */
export function sizesOf(graph: Graph, imageShape: readonly number[]): Binding {
  const [batch, ...rest] = graph.inputs[0]!.type.shape;
  const sizes: Record<string, number> = {};
  const ofBatch = batch === undefined ? new Set<string>() : symbolsOf(batch);
  for (const [i, dim] of rest.entries()) {
    if (isStatic(dim)) continue;
    const [name] = symbolsOf(dim);
    const size = imageShape[i];
    if (name !== undefined && size !== undefined && dim.key === name && !ofBatch.has(name)) sizes[name] ??= size;
  }
  return sizes;
}

/** How a network's layers fit together at a size; undefined where they do not. */
function atSize(graph: Graph, imageShape: readonly number[]): Graph | undefined {
  try {
    return bindSymbols(graph, sizesOf(graph, imageShape));
  } catch (error) {
    if (error instanceof SutureError && error.code === 'type-mismatch') return undefined;
    throw error;
  }
}

/** Sizes that networks which halve their features ask to be multiples of. */
const multiples = [2, 4, 8, 16, 32, 64, 128];

/**
 * A network for the images of a data set: every size but the batch is a number.
 *
 * @throws SutureError `data-invalid` where its layers do not fit together at this size, with the multiple that would do.
 */
export function graphForImages(
  graph: Graph,
  { imageShape, source }: Pick<Dataset, 'imageShape' | 'source'>,
  what: string,
): Graph {
  const found = atSize(graph, imageShape);
  if (found) return found;
  const [channels, ...spatial] = imageShape as [number, ...number[]];
  const rounded = (multiple: number): number[] => spatial.map(size => Math.ceil(size / multiple) * multiple);
  const fitting = multiples.find(multiple => atSize(graph, [channels, ...rounded(multiple)]));
  const advice = fitting === undefined ? '' : `; sizes that are multiples of ${fitting} do`;
  throw new SutureError(
    'data-invalid',
    `${printable(source)}: images of ${spatial.join('×')} do not fit ${printable(what)}, whose layers meet at other sizes${advice}.`,
  );
}

/** A super-network for the images of a data set, as gradients need it: every size but the batch is a number. */
export const networkForImages = (network: SuperNetwork, { imageShape }: Pick<Dataset, 'imageShape'>): SuperNetwork =>
  bindNetwork(network, sizesOf(network.graph, imageShape));
