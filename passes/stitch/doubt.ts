/**
 * How far a network doubts its own answer, from its output alone, without labels and with nothing fitted. The only statement of it.
 *
 *     %p = the probabilities, [N, C, ...]; %answer = the likeliest class (of equals the first), or the regions with p > ½
 *     %loss = Σ |p - answer| / (Σ (p + answer) + 1) + 0.001          over places and foreground channels
 *     %entropy = the mean over places of Σ -p·log p + 0.0001         over all classes; of regions, both of p and 1 - p
 *     %doubt = loss · entropy
 *
 * The loss is one less the soft Dice of the probabilities with the answer: what Dice the network would lose if its probabilities were true.
 * Of logits nothing is computed as a difference of nearly equal numbers, so that doubts far below the rounding of 1 keep their digits.
 */
import type { GraphBuilder, Value } from '../../ir/index.ts';
import type { OutputMeaning } from './meaning.ts';
import { foregroundOf, probabilitiesOf, requireAxis } from './outputs.ts';

/** Places that an empty answer is as good as wrong by: keeps the expected loss of an empty answer near 0. */
const smoothing = 1;

/** The least expected loss of Dice, and the least mean entropy in nats: nobody is surer, and among those who are this sure nobody leads. */
const leastLoss = 1e-3;
const leastEntropy = 1e-4;

/** Near the least normal number: its logarithm is finite, and so is nothing times it. */
const leastProbability = 1e-37;

/** What an output says of each channel and place. */
interface Answer {
  readonly p: Value;
  /** Whether it is the network's answer: bool. */
  readonly chosen: Value;
  /** |p - answer|. */
  readonly error: Value;
  /** In nats; of classes, for each place, with one channel. */
  readonly entropy: Value;
}

/** What shares are the same on: each image, or all images of the batch, which are those of one case. */
export const gateScopes = ['image', 'case'] as const;
export type GateScope = (typeof gateScopes)[number];

/**
 * The doubt of a network for each image, [N], or for a case, [1], whose images are taken for one.
 *
 * @param output float32 or wider: sums over all places leave the range of float16.
 */
export function doubtOf(b: GraphBuilder, output: Value, meaning: OutputMeaning, over: GateScope): Value {
  const { p, chosen, error, entropy } = answerOf(b, output, meaning);
  const { dtype, shape } = output.type;
  const number = numbers(b, output);
  const axes = shape.map((_, i) => i).slice(over === 'case' ? 0 : 1);
  const sum = (x: Value): Value => b.op('ReduceSum', [foregroundOf(b, x, meaning), b.ints(axes)], { keepdims: 0 });
  const sizes = b.op('Add', [sum(p), sum(b.op('Cast', [chosen], { to: dtype }))]);
  const lost = b.op('Div', [sum(error), b.op('Add', [sizes, number(smoothing)])]);
  const loss = b.op('Add', [lost, number(leastLoss)], {}, { name: 'expected_loss' });
  const mean = b.op('ReduceMean', [overChannels(b, entropy, meaning), b.ints(axes)], { keepdims: 0 });
  const unsure = b.op('Add', [mean, number(leastEntropy)], {}, { name: 'mean_entropy' });
  const doubt = b.op('Mul', [loss, unsure], {}, { name: 'doubt' });
  return over === 'case' ? b.op('Unsqueeze', [doubt, b.ints([0])]) : doubt;
}

function answerOf(b: GraphBuilder, output: Value, meaning: OutputMeaning): Answer {
  if (meaning.activation === 'softmax') {
    return meaning.kind === 'probabilities'
      ? ofProbabilities(b, output, requireAxis(meaning))
      : ofClasses(b, output, requireAxis(meaning));
  }
  return meaning.kind === 'logits' ? ofRegions(b, output, meaning) : ofRegionProbabilities(b, output);
}

/** Of logits over classes, by their distances from the largest. */
function ofClasses(b: GraphBuilder, logits: Value, axis: number): Answer {
  const number = numbers(b, logits);
  const chosen = likeliest(b, logits, axis);
  const distance = b.op('Sub', [b.op('ReduceMax', [logits, b.ints([axis])], { keepdims: 1 }), logits]);
  const odds = b.op('Exp', [b.op('Neg', [distance])]);
  const others = b.op('ReduceSum', [b.op('Where', [chosen, number(0), odds]), b.ints([axis])], { keepdims: 1 });
  const all = b.op('Add', [others, number(1)]);
  const p = b.op('Div', [odds, all]);
  const wrong = b.op('Div', [others, all]);
  const beyond = b.op('ReduceSum', [b.op('Mul', [p, distance]), b.ints([axis])], { keepdims: 1 });
  return {
    p,
    chosen,
    error: b.op('Where', [chosen, wrong, p]),
    entropy: b.op('Add', [beyond, log1p(b, others)]),
  };
}

function ofProbabilities(b: GraphBuilder, p: Value, axis: number): Answer {
  const chosen = likeliest(b, p, axis);
  const missing = b.op('Sub', [numbers(b, p)(1), p]);
  const surprise = b.op('Mul', [p, logOf(b, p)]);
  return {
    p,
    chosen,
    error: b.op('Where', [chosen, missing, p]),
    entropy: b.op('Neg', [b.op('ReduceSum', [surprise, b.ints([axis])], { keepdims: 1 })]),
  };
}

function ofRegions(b: GraphBuilder, logits: Value, meaning: OutputMeaning): Answer {
  const number = numbers(b, logits);
  const distance = b.op('Abs', [logits]);
  const odds = b.op('Exp', [b.op('Neg', [distance])]);
  const error = b.op('Div', [odds, b.op('Add', [odds, number(1)])]);
  return {
    p: probabilitiesOf(b, logits, meaning),
    chosen: b.op('Greater', [logits, number(0)]),
    error,
    entropy: b.op('Add', [b.op('Mul', [error, distance]), log1p(b, odds)]),
  };
}

function ofRegionProbabilities(b: GraphBuilder, p: Value): Answer {
  const number = numbers(b, p);
  const error = b.op('Min', [p, b.op('Sub', [number(1), p])]);
  const right = b.op('Mul', [b.op('Sub', [number(1), error]), log1p(b, b.op('Neg', [error]))]);
  return {
    p,
    chosen: b.op('Greater', [p, number(0.5)]),
    error,
    entropy: b.op('Neg', [b.op('Add', [b.op('Mul', [error, logOf(b, error)]), right])]),
  };
}

/** Which class is likeliest: bool, for each of them. */
const likeliest = (b: GraphBuilder, values: Value, axis: number): Value =>
  b.op('Greater', [b.op('Hardmax', [values], { axis }), numbers(b, values)(0)]);

/** Numbers in the dtype of a value. */
const numbers =
  (b: GraphBuilder, { type: { dtype } }: Value) =>
  (value: number): Value =>
    b.number(value, dtype, `c${value}`);

const logOf = (b: GraphBuilder, p: Value): Value => b.op('Log', [b.op('Max', [p, numbers(b, p)(leastProbability)])]);

/** log(1 + x) to full precision: ONNX has no such operator, and 2 atanh(x / (2 + x)) is the same. */
function log1p(b: GraphBuilder, x: Value): Value {
  const two = numbers(b, x)(2);
  return b.op('Mul', [b.op('Atanh', [b.op('Div', [x, b.op('Add', [x, two])])]), two]);
}

function overChannels(b: GraphBuilder, x: Value, { channelAxis }: OutputMeaning): Value {
  return channelAxis === undefined ? x : b.op('ReduceSum', [x, b.ints([channelAxis])], { keepdims: 1 });
}
