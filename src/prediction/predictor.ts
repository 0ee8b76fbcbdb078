/** A network that is asked about whole cases. */
import { numbersOf, printable, SutureError, type Tensor, tensorFromNumbers, typeText } from '../../ir/index.ts';
import { leastExtent, type SplitOverBatch, splitOverBatch } from '../../passes/index.ts';
import type { Executor } from '../../runtime/executor.ts';
import { Runnable } from '../execution/execute.ts';
import { fixedBatch } from '../execution/fixed-batch.ts';
import { gateScopeOf } from '../network/gate.ts';
import type { Network } from '../network/network.ts';
import { channelsFirst, thresholdOf } from '../network/outputs.ts';
import { type DatasetNames, decisionFor } from '../preprocessing/dataset-json.ts';
import type { Plans } from '../preprocessing/plans.ts';
import type { Decision } from '../preprocessing/preprocess.ts';
import { type Ask, type Field, type SlidingOptions, slide } from './sliding.ts';

export interface Looking extends Pick<SlidingOptions, 'step' | 'mirrorAxes' | 'signal' | 'onLook'> {
  /** Windows at a time; absent: one, or as many as the network takes. */
  readonly batch?: number | undefined;
}

/** Axes of space that a network's images have. */
export const axesOf = ({ inputType }: Pick<Network, 'inputType'>): number => inputType.shape.length - 2;

/** Checks that a network says something of every place. @throws SutureError `model-unsupported`. */
export function requireDense(network: Network): void {
  const { name, meaning, inputType, outputType } = network;
  const fail = (problem: string): never => {
    throw new SutureError('model-unsupported', `${printable(name)} ${problem}.`);
  };
  if (meaning.kind === 'values') fail('gives values, and labels are made of what classes or regions are given');
  const places = outputType.shape.length - (meaning.channelAxis === undefined ? 1 : 2);
  const axes = axesOf(network);
  if (axes < 1 || axes > 3) fail(`takes ${typeText(inputType)}, and images have one to three axes of space`);
  if (places !== axes)
    fail(`gives ${typeText(outputType)} for ${typeText(inputType)}: it does not say something of every place`);
}

/** The window that a network sees at a time: what it takes and no other, what plans say, or else a whole image. */
function windowFor({ inputType }: Network, plans: Plans | undefined, extents: readonly number[]): readonly number[] {
  const dims = inputType.shape.slice(2);
  return dims.map((dim, axis) =>
    leastExtent(dim, plans?.patchSize[axis] ?? extents[extents.length - dims.length + axis]),
  );
}

/** A network that stands ready, and by which plans its images are prepared. */
export class Predictor {
  readonly network: Network;
  readonly plans: Plans | undefined;
  readonly #whole: Runnable;
  /** Where its answers are of a whole case, by statistics of it. */
  readonly #parts:
    | { readonly statistics: Runnable; readonly answers: Runnable; readonly split: SplitOverBatch }
    | undefined;

  constructor(executor: Executor, network: Network, plans: Plans | undefined) {
    this.network = network;
    this.plans = plans;
    this.#whole = new Runnable(executor, network.graph);
    const split = gateScopeOf(network.graph) === 'case' ? splitOverBatch(network.graph) : undefined;
    this.#parts = split && {
      statistics: new Runnable(executor, split.statistics),
      answers: new Runnable(executor, split.answers),
      split,
    };
  }

  /**
   * What the network says of a case [C, ...spatial] that is as it wants it, for each of its channels. One that is gated over cases looks at each
   * window twice, where they do not fit into a batch: for the shares of the case, and for its answer.
   *
   * @throws SutureError as `slide`; `model-unsupported` where it does not say something of every place, or asks for all windows at once.
   */
  predict(field: Field, { batch, ...looking }: Looking): Promise<Field> {
    const { network, plans } = this;
    const window = windowFor(network, plans, field.shape.slice(1));
    const together = batch ?? fixedBatch(network.graph) ?? 1;
    const ask: Ask = images => this.#ask(this.#whole, images);
    const survey = gateScopeOf(network.graph) === 'case' ? this.#survey : undefined;
    return slide(field, { ask, survey }, { ...looking, window, together });
  }

  dispose(): void {
    this.#whole.dispose();
    this.#parts?.statistics.dispose();
    this.#parts?.answers.dispose();
  }

  async #ask(runnable: Runnable, images: Tensor, more: Readonly<Record<string, Tensor>> = {}): Promise<Tensor> {
    const { input, output, meaning, name } = this.network;
    const said = channelsFirst((await runnable.run({ [input]: images, ...more }, [output]))[output], meaning);
    if (String(said.shape.slice(2)) === String(images.shape.slice(2))) return said;
    throw new SutureError(
      'model-unsupported',
      `${printable(name)} gives ${said.shape.slice(2).join('×')} places for ${images.shape.slice(2).join('×')}: it does not say something of every place.`,
    );
  }

  #survey = async (windows: AsyncIterable<Tensor>): Promise<Ask> => {
    const { input, name } = this.network;
    if (!this.#parts) {
      throw new SutureError(
        'model-unsupported',
        `${printable(name)} is said to weigh all windows of a case alike, and how is not known of it, so that they cannot be given to it in ` +
          'parts: say --batch with as many windows as the largest case has, or export it again, with a gate over images.',
      );
    }
    const { statistics, answers, split } = this.#parts;
    const totals = new Map<string, { readonly sum: readonly number[]; readonly like: Tensor }>();
    let count = 0;
    for await (const images of windows) {
      const [some] = images.shape;
      count += some;
      for (const [name, found] of Object.entries(await statistics.run({ [input]: images }))) {
        const weight = split.kinds.get(name) === 'mean' ? some : 1;
        const before = totals.get(name)?.sum;
        const sum = Array.from(numbersOf(found), (value, i) => (before?.[i] ?? 0) + weight * value);
        totals.set(name, { sum, like: found });
      }
    }
    const known: Record<string, Tensor> = {};
    for (const [
      name,
      {
        sum,
        like: { dtype, shape },
      },
    ] of totals) {
      const by = split.kinds.get(name) === 'mean' ? count : 1;
      known[name] = tensorFromNumbers(
        dtype,
        shape,
        sum.map(value => value / by),
      );
    }
    return images => this.#ask(answers, images, known);
  };
}

/** How labels are made of what a network says. @throws SutureError `data-invalid` as {@link decisionFor}. */
export const decisionOf = ({ meaning, name }: Network, names: DatasetNames | undefined): Decision =>
  decisionFor(
    names,
    { channels: meaning.channels, regions: meaning.activation === 'sigmoid', threshold: thresholdOf(meaning) },
    name,
  );
