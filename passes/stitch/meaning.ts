import { type Graph, isStatic, printable, SutureError, typeText, type Value } from '../../ir/index.ts';
import { readContent } from './content.ts';

export const outputKinds = ['logits', 'log-probabilities', 'probabilities', 'values'] as const;
export const activations = ['softmax', 'sigmoid'] as const;

export type OutputKind = (typeof outputKinds)[number];
export type Activation = (typeof activations)[number];

/**
 * What the numbers of a network's output are: one fact of a parent, established where it is read (from its graph, metadata, the data
 * and the options), kept in the run and in the file that is exported. Everything that scores, averages, gates or trains on outputs asks it.
 */
export interface OutputMeaning {
  readonly kind: OutputKind;
  /**
   * What makes probabilities of logits. `softmax`: channels exclude each other, one class each. `sigmoid`: each channel is a yes or no
   * for itself (one channel: the foreground; several: regions, which may overlap). Undefined for `values`.
   */
  readonly activation: Activation | undefined;
  /**
   * The axis of the channels in the output: 1, or the last (NHWC, as TensorFlow's exports have). Undefined where an output of one
   * channel has no axis for it: [N, H, W].
   */
  readonly channelAxis: number | undefined;
  readonly channels: number;
}

/** What labels mean: classes (integers) or values to regress. */
export const tasks = ['segmentation', 'classification', 'regression'] as const;
export type Task = (typeof tasks)[number];

/** What is said of an output beside its graph. */
export interface MeaningHints {
  readonly task?: Task | undefined;
  /** What makes probabilities of the logits, where the graph does not say. */
  readonly activation?: Activation | undefined;
  /** The axis of the channels, where the graph does not say; null: there is none. */
  readonly channelAxis?: number | null | undefined;
}

/**
 * What a graph says of an output, completed by hints and, where neither says anything, by what is usual: logits over axis 1, softmax
 * over several channels, sigmoid of a single one.
 *
 * @throws SutureError `option-invalid` where a hint contradicts the graph, `model-unsupported` where the channels are not known.
 */
export function meaningOf(graph: Graph, output: Value, hints: MeaningHints = {}): OutputMeaning {
  const { shape } = output.type;
  const content = readContent(graph, output);
  const hinted = hints.channelAxis === null ? 'none' : hints.channelAxis;
  const axis = content.axis ?? hinted ?? (shape.length < 2 ? 'none' : 1);
  const channelAxis = axis === 'none' ? undefined : axis;
  const channels = channelAxis === undefined ? 1 : shape[channelAxis];
  if (hints.task === 'regression') {
    return { kind: 'values', activation: undefined, channelAxis, channels: isStatic(channels) ? channels : 1 };
  }
  if (!isStatic(channels)) {
    throw new SutureError(
      'model-unsupported',
      `The output '${printable(output.name)}' is ${typeText(output.type)}: the number of channels is open.`,
    );
  }
  if (content.activation && hints.activation && content.activation !== hints.activation) {
    throw new SutureError(
      'option-invalid',
      `The output '${printable(output.name)}' comes from a ${content.activation}, and so has no ${hints.activation} as its activation.`,
    );
  }
  const activation = content.activation ?? hints.activation ?? (channels === 1 ? 'sigmoid' : 'softmax');
  return { kind: content.kind ?? 'logits', activation, channelAxis, channels };
}

/** A meaning in words: `logits of 2 classes (softmax)`. */
export function meaningText({ kind, activation, channelAxis, channels }: OutputMeaning): string {
  const layout = channelAxis === undefined || channelAxis === 1 ? '' : `, channels on axis ${channelAxis}`;
  if (activation === undefined) return `${kind}${layout}`;
  const of =
    activation === 'softmax' ? `${channels} classes` : channels === 1 ? 'the foreground' : `${channels} regions`;
  return `${kind} of ${of} (${activation})${layout}`;
}
