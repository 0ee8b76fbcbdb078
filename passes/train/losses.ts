import {
  ancestors,
  type Dim,
  type Graph,
  type GraphBuilder,
  SutureError,
  type TensorType,
  tensorFromNumbers,
  type Value,
} from '../../ir/index.ts';
import type { Task } from '../stitch/meaning.ts';
import { channelsFirst, logitsOf } from '../stitch/outputs.ts';
import type { OutputMeaning, Tag } from '../stitch.ts';

/** One summand of the loss. */
export interface LossTerm {
  /** What it is called: by position and parent or direction, `3/a`, or after what it looks at, `output/a`. */
  readonly name: string;
  /** The graph output that holds it: `loss/3/a`. */
  readonly output: string;
  /** `Position.id` of the switch; undefined for a term at the outputs. */
  readonly position: number | undefined;
  /** Whose feature it compares; undefined for a term of the combined output. */
  readonly parent: Tag | undefined;
}

/** A term that is no comparison at a position, or of no one parent, says so by leaving them out. */
type GivenTerm = Pick<LossTerm, 'name'> & Partial<Pick<LossTerm, 'position' | 'parent'>>;

/** A graph that computes a loss, and what its inputs are. */
export interface LossGraph {
  readonly graph: Graph;
  /** The output that holds the total: the sum of the terms. */
  readonly loss: string;
  readonly terms: readonly LossTerm[];
  /** Inputs that the host feeds at every step: images, weights of switches, labels. */
  readonly data: readonly string[];
  /** Inputs that are trained. */
  readonly parameters: readonly string[];
  /** From outputs to the inputs that take their place in the next step without gradients: running statistics. */
  readonly running?: ReadonlyMap<string, string>;
}

/** The terms as they are added, summed at the end. */
export class Terms {
  readonly #b: GraphBuilder;
  readonly #normalize: boolean;
  readonly #terms: LossTerm[] = [];
  readonly #values: Value[] = [];

  /** @param normalize whether errors of features are divided by the features' variance. */
  constructor(b: GraphBuilder, normalize = true) {
    this.#b = b;
    this.#normalize = normalize;
  }

  /** `weight · FeatureLoss(x, reference)` as a term. Nothing where the two are the same value: the term would be zero. */
  addFeature(x: Value, reference: Value, term: GivenTerm, weight = 1): void {
    if (x === reference) return;
    const name = outputOfTerm(term);
    const outputs = this.#normalize ? [name, `${name}/divisor`] : [name];
    const [loss] = this.#b.ops(
      'FeatureLoss',
      [x, reference],
      { normalize: this.#normalize ? 1 : 0 },
      { name, outputs },
    );
    this.add(loss, term, weight);
  }

  /** `weight · value` as a term. */
  add(value: Value, term: GivenTerm, weight = 1): void {
    const output = outputOfTerm(term);
    const factor = this.#b.number(weight, value.type.dtype, 'weight');
    this.#values.push(weight === 1 ? value : this.#b.op('Mul', [value, factor], {}, { name: output }));
    this.#terms.push({ position: undefined, parent: undefined, ...term, output });
  }

  /** The graph of the total and the terms, without what they do not depend on. */
  finish(data: readonly string[], parameters: readonly string[]): LossGraph {
    const b = this.#b;
    if (this.#values.length === 0) {
      throw new SutureError(
        'option-invalid',
        'No switch is stitched, so there is no loss: turn at least one position on.',
      );
    }
    const total = this.#values.reduce((sum, v) => b.op('Add', [sum, v], {}, { name: 'loss/total' }));
    b.output('loss', total);
    for (const [i, { output }] of this.#terms.entries()) b.output(output, this.#values[i]);
    const graph = b.build();
    const nodes = ancestors(
      graph.nodes,
      graph.outputs.map(o => o.value),
    );
    return { graph: graph.with({ nodes }), loss: 'loss', terms: this.#terms, data, parameters };
  }
}

const outputOfTerm = ({ name }: GivenTerm): string => `loss/${name}`;

/** Keeps the Dice of a class that is neither predicted nor there finite. nnU-Net's value. */
const diceSmoothing = 1e-5;

/** What soft Dice is a ratio over: all places of a batch (nnU-Net's `batch_dice`), or those of each image, and then their mean. */
export const diceOvers = ['batch', 'image'] as const;
export type DiceOver = (typeof diceOvers)[number];

/** What an output says, and how its loss is taken. */
interface Judging {
  readonly task: Task;
  readonly meaning: OutputMeaning;
  /** Default: the batch. */
  readonly dice?: DiceOver | undefined;
}

/**
 * The loss of a network's output against labels. Segmentation: cross-entropy plus one minus the mean soft Dice of the foreground
 * classes, as nnU-Net trains. Classification: cross-entropy. Regression: mean squared error.
 * Labels are int32: classes [N, spatial...], or a 0 or 1 for each of several regions [N, R, spatial...]; for regression floats of the
 * output's shape.
 *
 * @param ignore whether a label below 0 marks a place that counts nowhere: the cross-entropy is a mean over those that count, and soft
 * Dice looks at no other.
 */
export function taskLoss(
  b: GraphBuilder,
  given: Value,
  labels: Value,
  { ignore = false, ...judging }: Judging & { readonly ignore?: boolean },
): Value {
  const { task, meaning } = judging;
  if (task === 'regression') return b.op('FeatureLoss', [given, labels], { normalize: 0 });
  const output = channelsFirst(b, logitsOf(b, given, meaning), meaning);
  const { shape, dtype } = output.type;
  const number = (value: number): Value => b.number(value, dtype, `c${value}`);
  const { channels } = meaning;
  const binary = meaning.activation === 'sigmoid';
  const wide = binary && channels > 1 ? labels : b.op('Unsqueeze', [labels, b.ints([1])]);
  // 1 where a label counts, in the shape of `wide`.
  const counts = ignore
    ? b.op('Cast', [b.op('Greater', [b.op('Cast', [wide], { to: dtype }), number(-0.5)])], { to: dtype })
    : undefined;
  if (binary) {
    const all = b.op('Cast', [wide], { to: dtype });
    const truth = counts ? b.op('Mul', [all, counts]) : all;
    return probabilityLoss(b, output, truth, { ...judging, counts });
  }
  const classes = tensorFromNumbers(
    'int32',
    shape.slice(1).map((_: Dim, i) => (i === 0 ? channels : 1)),
    Array.from({ length: channels }, (_, i) => i),
  );
  // Of a place that does not count no class is true.
  const truth = b.op('Cast', [b.op('Equal', [wide, b.constant(classes, 'classes')])], { to: dtype });
  return probabilityLoss(b, output, truth, { ...judging, counts });
}

/** What {@link taskLoss} takes for an output. */
export function labelType(
  output: TensorType,
  task: Task,
  { activation, channels, channelAxis }: OutputMeaning,
): TensorType {
  if (task === 'regression') return output;
  const [batch, ...rest] = output.shape;
  const regions = activation === 'sigmoid' && channels > 1 ? [channels] : [];
  return { dtype: 'int32', shape: [batch, ...regions, ...rest.filter((_, i) => i + 1 !== channelAxis)] };
}

/**
 * As {@link taskLoss}, against the probabilities of a teacher, [N, C, spatial...] (of values those themselves, in the output's layout): no
 * class is true, each is as far as the teacher thinks so.
 */
export function teacherLoss(b: GraphBuilder, given: Value, teacher: Value, judging: Judging): Value {
  const { meaning } = judging;
  if (meaning.kind === 'values') return b.op('FeatureLoss', [given, teacher], { normalize: 0 });
  const output = channelsFirst(b, logitsOf(b, given, meaning), meaning);
  return probabilityLoss(b, output, teacher, judging);
}

/**
 * Cross-entropy of logits [N, C, spatial...] against the probabilities that are true, and, where there are places and the task is to find
 * something, one minus the mean soft Dice of the foreground.
 *
 * @param counts 1 where a place counts and 0 elsewhere, where `truth` is 0: [N, 1 or C, spatial...].
 */
function probabilityLoss(
  b: GraphBuilder,
  output: Value,
  truth: Value,
  { task, meaning, counts, dice: over = 'batch' }: Judging & { readonly counts?: Value | undefined },
): Value {
  const { activation, channels } = meaning;
  const { shape, dtype } = output.type;
  const number = (value: number): Value => b.number(value, dtype, `c${value}`);
  const binary = activation === 'sigmoid';
  const classAxis = over === 'batch' ? 0 : 1;
  const positions = shape.map((_, i) => i).filter(i => i !== 1 && i >= 2 * classAxis);
  const average = (x: Value): Value => b.op('ReduceMean', [x], { keepdims: 0 });
  const total = (x: Value): Value => b.op('ReduceSum', [x], { keepdims: 0 });
  const counted = (x: Value): Value => (counts ? b.op('Mul', [x, counts]) : x);
  const averageCounted = (x: Value): Value =>
    counts ? b.op('Div', [total(x), b.op('Max', [total(counts), number(1)])]) : average(x);

  let entropy: Value;
  let probability: () => Value;
  if (binary) {
    entropy = averageCounted(b.op('Sub', [counted(b.op('Softplus', [output])), b.op('Mul', [output, truth])]));
    probability = () => b.op('Sigmoid', [output]);
  } else {
    const log = b.op('LogSoftmax', [output], { axis: 1 });
    const picked = b.op('ReduceSum', [b.op('Mul', [log, truth]), b.ints([1])], { keepdims: 0 });
    entropy = b.op('Neg', [averageCounted(picked)]);
    probability = () => b.op('Exp', [log]);
  }
  if (task === 'classification' || shape.length < 3) return entropy;

  const overPositions = (x: Value): Value => b.op('ReduceSum', [x, b.ints(positions)], { keepdims: 0 });
  const p = counted(probability());
  const shared = b.op('Mul', [overPositions(b.op('Mul', [p, truth])), number(2)]);
  const sizes = b.op('Add', [overPositions(p), overPositions(truth)]);
  const dice = b.op('Div', [b.op('Add', [shared, number(diceSmoothing)]), b.op('Add', [sizes, number(diceSmoothing)])]);
  // The background is no class to find.
  const foreground = binary ? dice : b.op('Slice', [dice, b.ints([1]), b.ints([channels]), b.ints([classAxis])]);
  return b.op('Add', [entropy, b.op('Sub', [number(1), average(foreground)])]);
}
