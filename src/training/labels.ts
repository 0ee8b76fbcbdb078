/** Labels as the input of a task loss. */
import { type Tensor, tensor } from '../../ir/index.ts';
import { labelsInput, type TrainingStep } from '../../passes/index.ts';
import { type Dataset, type Labels, requireLabels } from '../data/dataset.ts';

/** The labels of batches of a data set, in the shape that a training step takes. */
export class LabelFeed {
  readonly #labels: Labels;
  /** [batch, ...]; real values of one output per image get an axis of extent 1. */
  readonly shape: readonly number[];

  private constructor(labels: Labels, shape: readonly number[]) {
    this.#labels = labels;
    this.shape = shape;
  }

  /** Undefined where the step takes no labels. @throws SutureError `data-invalid` when the data has none. */
  static of(step: TrainingStep, dataset: Dataset, batch: number): LabelFeed | undefined {
    if (!step.data.includes(labelsInput)) return undefined;
    const labels = requireLabels(dataset);
    const wanted = step.graph.input(labelsInput).type.shape;
    const one = wanted.length > labels.shape.length + 1 ? [1] : [];
    return new LabelFeed(labels, [batch, ...one, ...labels.shape]);
  }

  /** The labels of these images. */
  take(images: ArrayLike<number>): Record<string, Tensor> {
    const { kind, data: all, shape } = this.#labels;
    const size = shape.reduce((product, dim) => product * dim, 1);
    const data = kind === 'classes' ? new Int32Array(images.length * size) : new Float32Array(images.length * size);
    for (let row = 0; row < images.length; row++) {
      data.set(all.subarray(images[row]! * size, (images[row]! + 1) * size), row * size);
    }
    const labels = data instanceof Int32Array ? tensor('int32', this.shape, data) : tensor('float32', this.shape, data);
    return { [labelsInput]: labels };
  }
}
