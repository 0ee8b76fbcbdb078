import {
  type Dim,
  type DType,
  equalDims,
  type Graph,
  type GraphBuilder,
  isFloat,
  printable,
  SutureError,
  sameType,
  substitute,
  symbolsOf,
  type TensorType,
  tensorFromNumbers,
  typeText,
  type Value,
} from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import type { TaggedGraph } from './inputs.ts';
import type { OutputMean, OutputSwitch } from './network.ts';

export interface OutputOptions {
  /**
   * What is averaged where parents return logits. `probabilities` (default): the combination is the logarithm of the mean
   * probability, so its softmax and argmax are those of the mean. `logits`: the logits as they are.
   */
  readonly outputMean?: 'probabilities' | 'logits';
  /** What the outputs are. Regression is averaged as it is. Default `segmentation`, which is the same as `classification`. */
  readonly task?: 'segmentation' | 'classification' | 'regression';
  /** What makes probabilities of logits. Default: softmax over the channels, sigmoid where there is one channel only. */
  readonly activation?: 'softmax' | 'sigmoid';
}

/** The smallest probability whose logarithm is taken: near the smallest normal number, because GPUs may flush what is below. */
const leastProbability: Partial<Record<DType, number>> = { float16: 6.2e-5 };

/** What a value holds, by the operator that computed it. */
export function contentOf(graph: Graph, value: Value): 'probabilities' | 'logits' {
  const passing = new Set(['Identity', 'Cast', 'Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Flatten', 'Clip']);
  let node = graph.producer(value);
  while (node && passing.has(node.op)) node = node.inputs[0] && graph.producer(node.inputs[0]);
  return node?.op === 'Softmax' || node?.op === 'Sigmoid' || node?.op === 'HardSigmoid' ? 'probabilities' : 'logits';
}

/** What makes probabilities of outputs; undefined where they are no logits. `names` are the parents' names for the output. */
export function activationOf(
  parents: readonly TaggedGraph[],
  names: readonly string[],
  { task = 'segmentation', activation }: OutputOptions,
): OutputSwitch['activation'] {
  if (task === 'regression') return undefined;
  const contents = parents.map(({ graph }, p) => contentOf(graph, graph.output(names[p])));
  const other = contents.findIndex(c => c !== contents[0]);
  if (other > 0) {
    throw new SutureError(
      'parents-incompatible',
      `The output '${printable(names[0])}' of parent '${parents[0].tag}' holds ${contents[0]}, '${printable(names[other])}' of ` +
        `parent '${parents[other].tag}' holds ${contents[other]}: export both with or both without the final activation.`,
    );
  }
  if (contents[0] === 'probabilities') return undefined;
  const { shape } = parents[0].graph.output(names[0]).type;
  return activation ?? (shape[channelAxis(shape.length)] === 1 || shape.length < 2 ? 'sigmoid' : 'softmax');
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

/**
 * Adds the switch where one output of the parents meets: `values` are the parents' own, `names` what their files call them.
 *
 * @throws SutureError `parents-incompatible` when the types differ, or are no floats.
 */
export function addOutputSwitch(
  to: GraphBuilder,
  parents: readonly TaggedGraph[],
  names: readonly string[],
  values: readonly Value[],
  options: OutputOptions,
): OutputSwitch {
  const [first] = values;
  const alike = [...values];
  for (const [p, value] of values.entries()) {
    if (sameType(value.type, first.type) && isFloat(value.type.dtype)) continue;
    if (isFloat(value.type.dtype) && mayAgree(value.type, first.type)) {
      // Data for which they differ is refused there, under a name that says why.
      const name = `${parents[p].tag}/${names[p]}/as_large_as/${parents[0].tag}/${names[0]}`;
      alike[p] = to.op('Reshape', [value, to.op('Shape', [first])], {}, { name });
      continue;
    }
    const advice = isFloat(value.type.dtype)
      ? 'both must return the same shape and dtype'
      : 'export the logits instead';
    throw new SutureError(
      'parents-incompatible',
      `The output '${printable(names[0])}' of parent '${parents[0].tag}' is ${typeText(first.type)}, ` +
        `'${printable(names[p])}' of parent '${parents[p].tag}' is ${typeText(value.type)}: ${advice}.`,
    );
  }
  const activation = activationOf(parents, names, options);
  const mean: OutputMean = options.outputMean === 'logits' ? 'plain' : (activation ?? 'plain');
  const { dtype } = first.type;
  const weights = to.input(`output/${names[0]}`, { dtype, shape: [values.length] });
  const output = to.scope(`output/${names[0]}`, () => combine(to, mean, weights, alike));
  return {
    name: names[0],
    weights: weights.name,
    sources: parents.map(p => p.tag),
    features: alike,
    mean,
    activation,
    output,
  };
}

/** `Σ weights[p] · values[p]` in the space of `mean`, back as logits. */
export function combine(to: GraphBuilder, mean: OutputMean, weights: Value, values: readonly Value[]): Value {
  const { dtype, shape } = values[0].type;
  const blend = (features: readonly Value[]) => to.op('Switch', [weights, ...features]);
  const log = (probabilities: Value) => {
    const least = to.constant(tensorFromNumbers(dtype, [], [leastProbability[dtype] ?? 1e-37]), 'least_probability');
    return to.op('Log', [to.op('Clip', [probabilities, least])]);
  };
  switch (mean) {
    case 'plain':
      return blend(values);
    case 'softmax':
      return log(blend(values.map(v => to.op('Softmax', [v], { axis: channelAxis(shape.length) }))));
    case 'sigmoid': {
      // log p - log(1 - p), with 1 - p from the negated logits: 1 - p itself would lose all digits where p is near 1.
      const yes = log(blend(values.map(v => to.op('Sigmoid', [v]))));
      const no = log(blend(values.map(v => to.op('Sigmoid', [to.op('Neg', [v])]))));
      return to.op('Sub', [yes, no]);
    }
    default:
      return mean satisfies never;
  }
}
