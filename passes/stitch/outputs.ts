import {
  type Dim,
  type DType,
  equalDims,
  type GraphBuilder,
  isFloat,
  printable,
  SutureError,
  sameType,
  substitute,
  symbolsOf,
  type TensorType,
  typeText,
  type Value,
} from '../../ir/index.ts';
import type { TaggedGraph } from './inputs.ts';
import { type Activation, meaningOf, meaningText, type OutputMeaning, type Task } from './meaning.ts';
import type { OutputMean, OutputSwitch } from './network.ts';

export const outputMeans = ['probabilities', 'logits'] as const;

export interface OutputOptions {
  /**
   * What is averaged where parents return logits. `probabilities` (default): the combination is the logarithm of the mean
   * probability, so its softmax and argmax are those of the mean. `logits`: the logits as they are.
   */
  readonly outputMean?: (typeof outputMeans)[number];
  /** What the outputs are. Regression is averaged as it is. Default `segmentation`, which is the same as `classification`. */
  readonly task?: Task | undefined;
  /** What makes probabilities of logits, where neither graph nor `TaggedGraph.meaning` says. */
  readonly activation?: Activation;
}

/** Sizes that networks which halve their features several times take. */
const roundSizes = [256, 512];

/**
 * Whether types of which the same is not known are the same for data of the sizes that are usual: a network that pools and resizes
 * gives `2·floor(H/2)` where one that does not gives `H`.
 */
function mayAgree(a: TensorType, b: TensorType): boolean {
  if (a.dtype !== b.dtype || a.shape.length !== b.shape.length || !equalDims(a.shape[0], b.shape[0])) return false;
  return roundSizes.every(size => {
    const at = (dim: Dim): Dim => substitute(dim, Object.fromEntries([...symbolsOf(dim)].map(name => [name, size])));
    return a.shape.every((dim, i) => equalDims(at(dim), at(b.shape[i])));
  });
}

const scopeOf = (output: string): string => `output/${output}`;

/** Adds the nodes of what brings the parents' answers to an output together; they say so in their origin. */
export const combining = <T>(b: GraphBuilder, output: string, add: () => T): T =>
  b.scope(scopeOf(output), add, { combines: true });

/**
 * Adds the switch where one output of the parents meets: `values` are the parents' own, `names` what their files call them.
 *
 * @throws SutureError `parents-incompatible` when the types differ, or are no floats.
 */
export function addOutputSwitch(
  to: GraphBuilder,
  parents: readonly TaggedGraph[],
  { names, values }: { readonly names: readonly string[]; readonly values: readonly Value[] },
  options: OutputOptions,
): OutputSwitch {
  const meanings = parents.map(
    ({ graph, meaning: given }, p) => given ?? meaningOf(graph, graph.output(names[p]), options),
  );
  const meaning = commonMeaning(parents, meanings);
  const alike = combining(to, names[0], () => values.map((value, p) => broughtTo(to, value, meanings[p], meaning)));
  const [first] = alike;
  for (const [p, value] of [...alike].entries()) {
    if (sameType(value.type, first.type) && isFloat(value.type.dtype)) continue;
    if (isFloat(value.type.dtype) && mayAgree(value.type, first.type)) {
      // Data for which they differ is refused there, under a name that says why.
      const name = `${parents[p].tag}/${names[p]}/as_large_as/${parents[0].tag}/${names[0]}`;
      alike[p] = to.op('Reshape', [value, to.op('Shape', [first])], {}, { name });
      continue;
    }
    const advice = isFloat(value.type.dtype)
      ? 'both must return the same shape and dtype; where they have other classes, say which are which (--classes-b)'
      : 'export the logits instead';
    throw new SutureError(
      'parents-incompatible',
      `The output '${printable(names[0])}' of parent '${parents[0].tag}' is ${typeText(first.type)}, ` +
        `'${printable(names[p])}' of parent '${parents[p].tag}' is ${typeText(value.type)}: ${advice}.`,
    );
  }
  const mean: OutputMean =
    meaning.kind === 'logits' || meaning.kind === 'log-probabilities'
      ? options.outputMean === 'logits'
        ? 'plain'
        : 'probabilities'
      : 'plain';
  return addSwitchOf(to, { name: names[0], sources: parents.map(p => p.tag), features: alike, meaning, mean });
}

/** Adds the switch where answers meet that mean the same already. */
export function addSwitchOf(
  to: GraphBuilder,
  { name, sources, features, meaning, mean }: Pick<OutputSwitch, 'name' | 'sources' | 'features' | 'meaning' | 'mean'>,
): OutputSwitch {
  const { dtype } = features[0].type;
  const weights = to.input(scopeOf(name), { dtype, shape: [features.length] });
  const output = combining(to, name, () => combine(to, { meaning, mean }, weights, features));
  const combined = combinedMeaning(meaning, mean);
  return { name, weights: weights.name, sources, features, meaning, mean, output, combined };
}

/** What a combination of outputs means. */
function combinedMeaning(meaning: OutputMeaning, mean: OutputMean): OutputMeaning {
  if (mean === 'probabilities' && meaning.activation === 'softmax') return { ...meaning, kind: 'log-probabilities' };
  return meaning.kind === 'log-probabilities' ? { ...meaning, kind: 'logits' } : meaning;
}

/** `Σ weights[p] · values[p]`, of probabilities as logits or log-probabilities. Weights: one for each value, [S], or for each image, [S, N]. */
export function combine(
  to: GraphBuilder,
  { meaning, mean }: Pick<OutputSwitch, 'meaning' | 'mean'>,
  weights: Value,
  values: readonly Value[],
): Value {
  if (mean === 'plain') return to.op('Switch', [weights, ...values]);
  const shares = values.map((value, p) => logarithmOfShare(to, weights, p, value));
  const logOfMean = (logs: readonly Value[]): Value =>
    logs.map((log, p) => to.op('Add', [log, shares[p]])).reduce((sum, log) => logSumExp(to, sum, log));
  if (meaning.activation === 'softmax') {
    const axis = requireAxis(meaning);
    return logOfMean(values.map(v => to.op('LogSoftmax', [v], { axis })));
  }
  // log p - log(1 - p), each from the logits: 1 - p itself would lose all digits where p is near 1.
  const yes = logOfMean(values.map(v => logSigmoid(to, v)));
  const no = logOfMean(values.map(v => logSigmoid(to, to.op('Neg', [v]))));
  return to.op('Sub', [yes, no]);
}

const logSigmoid = (to: GraphBuilder, x: Value): Value => to.op('Neg', [to.op('Softplus', [to.op('Neg', [x])])]);

/** log(exp x + exp y), without a power that over- or underflows. */
function logSumExp(to: GraphBuilder, x: Value, y: Value): Value {
  const distance = to.op('Abs', [to.op('Sub', [x, y])]);
  return to.op('Add', [to.op('Max', [x, y]), to.op('Softplus', [to.op('Neg', [distance])])]);
}

/** Below every logarithm of a probability, and far from where sums overflow: what a share of 0 adds to a logarithm. */
const leastLogarithm: Partial<Record<DType, number>> = { float16: -3e4 };

/**
 * The logarithm of one of the weights, in a shape that broadcasts over `value` from the left. That of 0 is finite, because GPUs need not
 * know infinities, and so low that nothing is left of the value.
 */
function logarithmOfShare(to: GraphBuilder, weights: Value, p: number, value: Value): Value {
  const { dtype, shape } = weights.type;
  const number = (v: number): Value => to.number(v, dtype, 'c');
  const share = to.op('Gather', [weights, to.number(p, 'int64', 'source')], { axis: 0 });
  const missing = value.type.shape.map((_, i) => i).slice(shape.length - 1);
  const wide = shape.length === 1 || missing.length === 0 ? share : to.op('Unsqueeze', [share, to.ints(missing)]);
  const some = to.op('Greater', [wide, number(0)]);
  const logarithm = to.op('Log', [to.op('Where', [some, wide, number(1)])]);
  return to.op('Where', [some, logarithm, number(leastLogarithm[dtype] ?? -1e30)]);
}

/** The axis that a softmax runs over. */
export function requireAxis({ channelAxis }: OutputMeaning): number {
  if (channelAxis === undefined) throw new TypeError('a softmax has an axis of channels');
  return channelAxis;
}

/** The probabilities of outputs. `values` have none. */
export function probabilitiesOf(to: GraphBuilder, value: Value, meaning: OutputMeaning): Value {
  switch (meaning.kind) {
    case 'logits':
      return meaning.activation === 'softmax'
        ? to.op('Softmax', [value], { axis: requireAxis(meaning) })
        : to.op('Sigmoid', [value]);
    case 'log-probabilities':
      return to.op('Exp', [value]);
    case 'probabilities':
      return value;
    case 'values':
      throw new TypeError('values have no probabilities');
    default:
      return meaning.kind satisfies never;
  }
}

/** The least number whose logarithm is taken: near the smallest normal one, because GPUs may flush what is below. */
const leastProbability: Partial<Record<DType, number>> = { float16: 6.2e-5 };

/** Logits with the same probabilities: of classes their logarithms, of regions the log-odds. */
export function logitsOf(to: GraphBuilder, value: Value, meaning: OutputMeaning): Value {
  const classes = meaning.activation === 'softmax';
  if (meaning.kind === 'logits' || (meaning.kind === 'log-probabilities' && classes)) return value;
  const number = (v: number): Value => to.number(v, value.type.dtype, 'c');
  const least = number(leastProbability[value.type.dtype] ?? 1e-37);
  const log = (x: Value): Value => to.op('Log', [to.op('Clip', [x, least])]);
  const p = probabilitiesOf(to, value, meaning);
  return classes ? log(p) : to.op('Sub', [log(p), log(to.op('Sub', [number(1), p]))]);
}

/** An output as [N, C, spatial...]. */
export function channelsFirst(to: GraphBuilder, value: Value, meaning: OutputMeaning): Value {
  return withChannelsOn(to, value, meaning.channelAxis, 1);
}

/** Of probabilities those of what is to be found: all classes but the first, the background, or every region. */
export function foregroundOf(
  to: GraphBuilder,
  value: Value,
  { activation, channelAxis, channels }: OutputMeaning,
): Value {
  if (activation !== 'softmax' || channelAxis === undefined || channels === 1) return value;
  return to.op('Slice', [value, to.ints([1]), to.ints([channels]), to.ints([channelAxis])]);
}

/**
 * What parents' outputs mean together: all the same, or what each can be brought to exactly. Logarithms of probabilities over classes are
 * logits; where one parent gives probabilities, those of all are taken.
 *
 * @throws SutureError `parents-incompatible` where there is no such thing.
 */
function commonMeaning(parents: readonly TaggedGraph[], meanings: readonly OutputMeaning[]): OutputMeaning {
  const [first] = meanings;
  const p = meanings.findIndex(
    // Where channels differ, the types say so.
    m => m.channels === first.channels && m.activation !== first.activation,
  );
  if (p > 0) {
    const texts = [0, p].map(i => `the output of parent '${parents[i].tag}' is ${meaningText(meanings[i])}`);
    throw new SutureError(
      'parents-incompatible',
      `The parents do not answer in the same way: ${texts.join(', ')}. Export both with the same head, or say --activation ` +
        'where that is not what the numbers are.',
    );
  }
  const kinds = new Set(meanings.map(m => m.kind));
  const regions = first.activation === 'sigmoid' && kinds.has('log-probabilities');
  if (kinds.size === 1 && !regions) return first;
  return { ...first, kind: regions || kinds.has('probabilities') ? 'probabilities' : 'logits' };
}

/** An output as another meaning says, kind and layout. */
function broughtTo(to: GraphBuilder, value: Value, from: OutputMeaning, meaning: OutputMeaning): Value {
  const same = from.kind === meaning.kind || meaning.kind !== 'probabilities';
  const alike = same ? value : probabilitiesOf(to, value, from);
  return withChannelsOn(to, alike, from.channelAxis, meaning.channelAxis);
}

/** Moves the channels to another axis. Undefined: there is one, and no axis for it. */
function withChannelsOn(to: GraphBuilder, value: Value, source: number | undefined, target: number | undefined): Value {
  if (source === target) return value;
  if (source === undefined) return to.op('Unsqueeze', [value, to.ints([target!])]);
  if (target === undefined) return to.op('Squeeze', [value, to.ints([source])]);
  const perm = value.type.shape.map((_, i) => i).filter(i => i !== source);
  perm.splice(target, 0, source);
  return to.op('Transpose', [value], { perm });
}
