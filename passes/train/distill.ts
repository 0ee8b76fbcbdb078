import { type Graph, type GraphBuilder, SutureError, type TensorType, type Value } from '../../ir/index.ts';
import { continued } from '../differentiate/index.ts';
import { answerAbreast } from '../stitch/abreast.ts';
import type { OutputMeaning, Task } from '../stitch/meaning.ts';
import { channelsFirst, probabilitiesOf } from '../stitch/outputs.ts';
import { withBatchStatistics } from './batch-statistics.ts';
import { type DiceOver, type LossGraph, labelType, Terms, taskLoss, teacherLoss } from './losses.ts';
import { isRunning, type OpenNetwork, openWeights } from './weights.ts';

export interface DistillationOptions {
  readonly task: Task;
  /** What the student's output means. */
  readonly meaning: OutputMeaning;
  /** How much of the loss is the labels', from 0 (default: the teacher alone) to 1 (labels alone). */
  readonly labels?: number | undefined;
  /**
   * How many answers stand side by side in the output (`settleAbreast`): each learns from the teacher's answer beside it, and the first, the
   * own network's, from the labels. All count alike. Default 1.
   */
  readonly abreast?: number | undefined;
  /** Whether a label below 0 marks a place that counts nowhere for the labels' loss. Default false. */
  readonly ignore?: boolean | undefined;
  /** Default `batch`. */
  readonly dice?: DiceOver | undefined;
  /**
   * Whether batch normalisation is by the batch ({@link withBatchStatistics}), and its running statistics learned. Default: it stays in
   * inference mode, where its scale and bias alone are trained.
   */
  readonly batchStatistics?: boolean | undefined;
}

/** The loss of a student whose weights are all trained. */
export interface Distillation extends LossGraph {
  readonly student: OpenNetwork;
  /** The input that takes the teacher's answers: see {@link answering}. Undefined where labels alone are learned from. */
  readonly teacher: string | undefined;
  /** The input that takes labels as `taskLoss` does; undefined where none are learned from. */
  readonly labels: string | undefined;
}

/** What outputs count in a loss, the finest first: 1, ½, ¼, ... of what they are together, as nnU-Net has it. */
function outputShares(count: number): readonly number[] {
  const halves = Array.from({ length: count }, (_, i) => 0.5 ** i);
  const total = halves.reduce((sum, half) => sum + half, 0);
  return halves.map(half => half / total);
}

/**
 * The loss that a network is distilled by: its own answers against those that a teacher gave to the same images, which are data here. The
 * teacher may be any network, or several; it runs beforehand, as an ordinary graph.
 *
 * Of classes and regions the cross-entropy with the teacher's probabilities, and, where there are places and the task is segmentation, one
 * minus the mean soft Dice of the foreground with them. Of values the mean squared error. Terms `loss/teacher` and `loss/labels`, each
 * with its share.
 *
 * Of a network with several outputs the first is its answer; the others, of a segmentation on fewer places and finest first, learn from
 * the labels, too (deep supervision): `loss/labels/NAME`, with the labels at the places nearest to their own, each by
 * {@link outputShares}.
 *
 * Requires: one input; extents that are numbers where there are several outputs. Guarantees: every weight of the student is a parameter ({@link openWeights}).
 *
 * @throws SutureError `option-invalid` where there is no weight to train.
 */
export function distillation(network: Graph, options: DistillationOptions): Distillation {
  const { task, meaning, labels: share = 0, abreast = 1, ignore = false, dice, batchStatistics = false } = options;
  const student = openWeights(network, { statistics: batchStatistics });
  if (student.weights.size === 0) {
    throw new SutureError('option-invalid', 'The student has no weights: there is nothing to train.');
  }
  const { graph, running } = withBatchStatistics(student.graph);
  const b = continued(graph.with({ outputs: [] }));
  const output = graph.outputs[0].value;
  const data = network.inputs.map(input => input.name);
  const terms = new Terms(b);
  const taken = (name: string, type: TensorType): Value => {
    const input = b.input(name, type);
    data.push(input.name);
    return input;
  };
  let teacher: Value | undefined;
  /** An answer of those side by side. */
  const part = (together: Value, index: number, of: OutputMeaning): Value =>
    abreast === 1 ? together : answerAbreast(b, together, of, { index, count: abreast });
  const answers = Array.from({ length: abreast }, (_, i) => part(output, i, meaning));
  if (share < 1 || abreast > 1) {
    teacher = taken('teacher', answerType(output.type, meaning));
    const first = { ...meaning, ...(meaning.kind !== 'values' && { channelAxis: 1 }) };
    for (const [i, answer] of answers.entries()) {
      const loss = teacherLoss(b, answer, part(teacher, i, first), { task, meaning, dice });
      const counts = (i === 0 ? 1 - share : 1) / abreast;
      if (counts > 0) terms.add(loss, { name: i === 0 ? 'teacher' : `teacher/${i}` }, counts);
    }
  }
  let labels: Value | undefined;
  if (share > 0) {
    const all = taken('labels', labelType(answers[0].type, task, meaning));
    const shares = outputShares(graph.outputs.length);
    for (const [i, { name, value }] of graph.outputs.entries()) {
      const own = i === 0 ? all : nearestPlaces(b, all, [output.type, value.type], meaning);
      const loss = taskLoss(b, i === 0 ? answers[0] : value, own, { task, meaning, ignore, dice });
      terms.add(loss, { name: i === 0 ? 'labels' : `labels/${name}` }, (share * shares[i]) / abreast);
    }
    labels = all;
  }
  const carried = new Map<string, string>();
  for (const [input, value] of running) {
    b.output(`next/${input}`, value);
    carried.set(`next/${input}`, input);
  }
  const parameters = [...student.weights.keys()].filter(name => !isRunning(student.roles.get(name)));
  return {
    ...terms.finish(data, parameters),
    running: carried,
    student,
    teacher: teacher?.name,
    labels: labels?.name,
  };
}

/**
 * Labels [N, spatial...] or [N, regions, spatial...] of an output for one on fewer places: along each axis what lies at the middle of
 * each of them, element `⌊(i + ½) · from / to⌋`.
 */
function nearestPlaces(
  b: GraphBuilder,
  labels: Value,
  outputs: readonly [from: TensorType, to: TensorType],
  { channelAxis }: OutputMeaning,
): Value {
  const places = ({ shape }: TensorType): readonly number[] =>
    shape.filter((_, axis) => axis > 0 && axis !== channelAxis).map(Number);
  const [fine, coarse] = outputs.map(places);
  return fine.reduce((value, extent, i) => {
    if (coarse[i] === extent) return value;
    const nearest = Array.from({ length: coarse[i] }, (_, k) => Math.floor(((k + 0.5) * extent) / coarse[i]));
    const axis = labels.type.shape.length - fine.length + i;
    return b.op('Gather', [value, b.ints(nearest)], { axis });
  }, labels);
}

/** [N, C, spatial...]; of values as the output is. */
function answerType({ dtype, shape }: TensorType, { kind, channelAxis, channels }: OutputMeaning): TensorType {
  if (kind === 'values') return { dtype, shape };
  const [batch, ...rest] = shape;
  return { dtype, shape: [batch, channels, ...rest.filter((_, i) => i + 1 !== channelAxis)] };
}

/** A network with one output more, `answers`: its probabilities, channels first, or its values as they are. What students learn from. */
export function answering(network: Graph, meaning: OutputMeaning): Graph {
  const b = continued(network.with({ outputs: [] }));
  const { value } = network.outputs[0];
  b.output(
    answersOutput,
    meaning.kind === 'values' ? value : channelsFirst(b, probabilitiesOf(b, value, meaning), meaning),
  );
  return b.build();
}

/** The output of {@link answering}. */
export const answersOutput = 'answers';
