/** A few answers of a network on the own images: what its output means, and whether it means the same as another's. */
import { type Graph, isStatic, numbersOf, type Tensor, tensor } from '../../ir/index.ts';
import { simplify, specialize } from '../../passes/index.ts';
import { imagesOf } from '../data/batches.ts';
import type { Dataset } from '../data/dataset.ts';
import { bindingFor, Runnable, withExecutor } from '../execution/execute.ts';
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
    const binding = bindingFor(graph, { [graph.inputs[0]!.name]: [1, ...dataset.imageShape] });
    return flopsPerSample(simplify(specialize(graph, binding))) ?? 0;
  });
  const affordable = Math.floor(mostFlops / Math.max(1, ...flops));
  const count = Math.max(1, Math.min(mostImages, dataset.count, affordable));
  return Array.from({ length: count }, (_, i) => Math.floor((i * dataset.count) / count));
}

/** Asks a network for its answers to images of a data set, by their numbers. `change` is done to the images' numbers first. */
export type Asking = (images: readonly number[], change?: (value: number) => number) => Promise<Answers>;

/** Opens a network in ONNX Runtime for questions. */
export async function withAnswers<T>(graph: Graph, dataset: Dataset, work: (ask: Asking) => Promise<T>): Promise<T> {
  const { name: input, type } = graph.inputs[0]!;
  const output = graph.outputs[0]!.name;
  const [batch] = type.shape;
  return withExecutor({ executor: 'ort' }, async executor => {
    const runnable = new Runnable(executor, graph);
    try {
      return await work(async (images, change) => {
        // Where the batch is fixed in the file, so many at a time, and what is left over is left out.
        const size = batch !== undefined && isStatic(batch) ? batch : images.length;
        const whole = images.slice(0, images.length - (images.length % size));
        const parts: Tensor[] = [];
        for (let first = 0; first < whole.length; first += size) {
          const images = imagesOf(dataset, whole.slice(first, first + size));
          const given = change ? { ...images, data: Float32Array.from(numbersOf(images), change) } : images;
          parts.push((await runnable.run({ [input]: given }, [output]))[output]!);
        }
        return { images: whole, output: joined(parts) };
      });
    } finally {
      runnable.dispose();
    }
  });
}

/** Some answers of a network. */
export const answersOf = (graph: Graph, dataset: Dataset): Promise<Answers> =>
  withAnswers(graph, dataset, ask => ask(imagesToLookAt(dataset, [graph])));

/** Outputs of several batches as one. */
function joined(parts: readonly Tensor[]): Tensor {
  const [first] = parts as readonly [Tensor, ...Tensor[]];
  if (parts.length === 1) return first;
  const [batch, ...rest] = first.shape as [number, ...number[]];
  const data = new Float32Array(first.data.length * parts.length);
  for (const [i, part] of parts.entries()) data.set(numbersOf(part), i * first.data.length);
  return tensor('float32', [batch * parts.length, ...rest], data);
}
