/** A few answers of a network on the own images: what its output means, and whether it means the same as another's. */
import { float32, type Graph, type Tensor } from '../../ir/index.ts';
import { simplify, specialize } from '../../passes/index.ts';
import { imagesOf } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { bindingFor, Runnable } from '../execution/execute.ts';
import { fixedBatch } from '../execution/fixed-batch.ts';
import type { Opening } from '../execution/progress.ts';
import { flopsPerSample } from './cost.ts';

/** Outputs of a network on some images of a data set. */
export interface Answers {
  /** The numbers of the images. */
  readonly images: readonly number[];
  /** In the network's own layout and kind. */
  readonly output: Tensor;
}

const mostImages = 16;

/** What looking may cost: a second or two of a processor. */
const mostFlops = 1e11;

/** Images that are looked at, spread over the data set: the same for all networks of one size. */
export function imagesToLookAt(dataset: Dataset, graphs: readonly Graph[]): readonly number[] {
  const flops = graphs.map(graph => {
    const binding = bindingFor(graph, { [graph.inputs[0].name]: [fixedBatch(graph) ?? 1, ...dataset.imageShape] });
    return flopsPerSample(simplify(specialize(graph, binding))) ?? 0;
  });
  const affordable = Math.floor(mostFlops / Math.max(1, ...flops));
  const count = Math.max(1, Math.min(mostImages, dataset.count, affordable));
  return Array.from({ length: count }, (_, i) => Math.floor((i * dataset.count) / count));
}

/** Asks a network for its answers to images of a data set, by their numbers. `change` is done to the images' numbers first. */
export type Asking = (images: readonly number[], change?: (value: number) => number) => Promise<Answers>;

/** Opens a network for questions. */
export async function withAnswers<T>(
  open: Opening,
  graph: Graph,
  dataset: Dataset,
  work: (ask: Asking) => Promise<T>,
): Promise<T> {
  const { name: input } = graph.inputs[0];
  const output = graph.outputs[0].name;
  return open(async executor => {
    const runnable = new Runnable(executor, graph);
    try {
      return await work(async (images, change) => {
        const asked = imagesOf(dataset, images);
        const given = change
          ? float32(
              asked.shape,
              asked.data.map(value => change(value)),
            )
          : asked;
        return { images, output: (await runnable.run({ [input]: given }, [output]))[output] };
      });
    } finally {
      runnable.dispose();
    }
  });
}

/** Some answers of a network. */
export const answersOf = (open: Opening, graph: Graph, dataset: Dataset): Promise<Answers> =>
  withAnswers(open, graph, dataset, ask => ask(imagesToLookAt(dataset, [graph])));
