/** Networks whose coarser outputs are trained as well, as nnU-Net trains them: deep supervision. */
import { type Graph, isFloat, isStatic, type Output } from '../../ir/index.ts';
import { type OutputMeaning, readContent, removeDeadCode } from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';
import { computable, type Model } from './model.ts';
import { graphForImages } from './sizes.ts';

/**
 * A network with those outputs behind its own that are trained besides: as many channels on fewer places, the finest first. The coarsest
 * counts nothing, as nnU-Net has it, and is none of them. Undefined where that leaves none.
 *
 * @param dataset images, at whose size the outputs are compared.
 * @throws SutureError as `graphForImages`.
 */
export function withCoarserOutputs(
  { file, graph, path }: Pick<Model, 'file' | 'graph' | 'path'>,
  { channelAxis }: OutputMeaning,
  dataset: Pick<Dataset, 'imageShape' | 'source'>,
): Graph | undefined {
  if (file.outputs.length === 1) return undefined;
  const all = computable(file);
  const sized = graphForImages(all, dataset, path);
  const own = sized.outputs.find(({ name }) => name === graph.outputs[0].name)!;
  const [extents, kind] = [extentsOf(own), readContent(sized, own.value).kind];
  const isCoarser = (output: Output): boolean => {
    const { type } = output.value;
    const found = extentsOf(output);
    return (
      output !== own &&
      isFloat(type.dtype) &&
      readContent(sized, output.value).kind === kind &&
      found.length === extents.length &&
      found.every((extent, i) => (i + 1 === channelAxis ? extent === extents[i] : extent <= extents[i])) &&
      sizeOf(output) < sizeOf(own)
    );
  };
  const coarser = sized.outputs.filter(isCoarser).toSorted((p, q) => sizeOf(q) - sizeOf(p));
  if (coarser.length < 2) return undefined;
  const names = [own, ...coarser.slice(0, -1)].map(({ name }) => name);
  const outputs = names.map(name => all.outputs.find(output => output.name === name)!);
  return removeDeadCode(all.with({ outputs }));
}

/** The extents of an output but for the batch; NaN where one is open. */
const extentsOf = ({ value }: Output): readonly number[] =>
  value.type.shape.slice(1).map(dim => (isStatic(dim) ? dim : Number.NaN));

const sizeOf = (output: Output): number => extentsOf(output).reduce((p, q) => p * q, 1);

/** A network of several outputs with the first alone. */
export const firstOutput = (graph: Graph): Graph =>
  graph.outputs.length === 1 ? graph : removeDeadCode(graph.with({ outputs: graph.outputs.slice(0, 1) }));
