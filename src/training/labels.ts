/** Labels as the input of a task loss. */
import { type Tensor, tensor, type Value } from '../../ir/index.ts';
import { product } from '../../ir/numbers.ts';
import { labelsInput, type SuperNetwork, type TrainingStep } from '../../passes/index.ts';
import type { Dataset } from '../data/dataset.ts';
import { type Labels, labelsFor } from '../data/labels.ts';
import { spatialExtents } from '../network/interface.ts';
import type { TrainingJob } from './job.ts';

/** What a task loss reads where a place counts nowhere. */
const leftOut = -1;

/** The labels of batches of a data set, in the shape that a training step takes. */
export class LabelFeed {
  readonly #labels: Labels;
  readonly #input: string;
  /** [batch, ...] */
  readonly shape: readonly number[];

  private constructor(labels: Labels, input: string, shape: readonly number[]) {
    this.#labels = labels;
    this.#input = input;
    this.shape = shape;
  }

  /** Undefined where the step takes no labels. @throws SutureError as `labelsFor`. */
  static of(
    step: TrainingStep,
    { network, dataset }: Pick<TrainingJob, 'network' | 'dataset'>,
    batch: number,
  ): LabelFeed | undefined {
    if (!step.data.includes(labelsInput)) return undefined;
    const [{ output, name, combined: meaning }] = network.outputs as readonly [SuperNetwork['outputs'][number]];
    const asked = { meaning, spatial: spatialExtents(output.type, meaning), name: `the output '${name}'` };
    return LabelFeed.for(dataset, asked, step.graph.input(labelsInput), batch);
  }

  /** The labels for an output, as an input of a step takes them. @throws SutureError as `labelsFor`. */
  static for(
    dataset: Dataset,
    output: Parameters<typeof labelsFor>[1],
    input: Pick<Value, 'name' | 'type'>,
    batch: number,
  ): LabelFeed {
    const labels = labelsFor(dataset, output);
    // The loss has no axis for a single class or region, and one for a single value.
    const extra = input.type.shape.length - 1 - labels.shape.length;
    const dims = extra < 0 ? labels.shape.slice(-extra) : [...Array<number>(extra).fill(1), ...labels.shape];
    return new LabelFeed(labels, input.name, [batch, ...dims]);
  }

  /** The labels of these images. */
  take(images: ArrayLike<number>): Record<string, Tensor> {
    const labels = this.#labels;
    const size = product(labels.shape);
    const data =
      labels.kind === 'values' ? new Float32Array(images.length * size) : new Int32Array(images.length * size);
    for (let row = 0; row < images.length; row++) {
      data.set(labels.data.subarray(images[row] * size, (images[row] + 1) * size), row * size);
    }
    if (data instanceof Float32Array) return { [this.#input]: tensor('float32', this.shape, data) };
    const ignore = labels.kind === 'values' ? undefined : labels.ignore;
    if (ignore !== undefined) {
      for (let i = 0; i < data.length; i++) if (data[i] === ignore) data[i] = leftOut;
    }
    return { [this.#input]: tensor('int32', this.shape, data) };
  }
}
