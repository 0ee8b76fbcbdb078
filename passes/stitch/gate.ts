/**
 * A gate at the output switch: on each image, outputs are weighed by how sure each parent is of its own answer. The only statement of it:
 * whoever needs the shares as numbers runs the graph ({@link settleSources}).
 *
 *     %doubt = what Dice the parent expects to lose · its mean entropy                      [N], of each parent: see `doubtOf`
 *     %share = w_i / doubt_i² / Σ_j w_j / doubt_j²                                          [N], of each parent
 *     %y = Σ_i %share_i · p_i
 *
 * Of logits, p are their probabilities, and %y is their logarithm or log-odds: see `combine`. An image is what the file's batch
 * axis counts: where images are predicted tile by tile, the gate weighs each tile. Over a case, `GateOptions.over`, the batch is taken for one
 * image, N is 1 in the shares, and tiles that are given together are weighed alike.
 *
 * Requires: one dense output of probabilities, or of logits that are averaged as probabilities. Guarantees: the same inputs and outputs;
 * the gate reads nothing but the parents' outputs, and is of ONNX's operators but for the Switch.
 */
import {
  type DType,
  type Graph,
  type GraphBuilder,
  isStatic,
  numbersOf,
  printable,
  SutureError,
  type Tensor,
  tensorFromNumbers,
  type Value,
} from '../../ir/index.ts';
import { continued } from '../differentiate/index.ts';
import { inlineBodies } from '../inline-bodies.ts';
import { type SettleOptions, settle, sourceNames } from '../settle.ts';
import { removeDeadCode } from '../simplify/remove-dead-code.ts';
import { simplify } from '../simplify/simplify.ts';
import { doubtOf, type GateScope } from './doubt.ts';
import type { OutputMeaning } from './meaning.ts';
import { type OutputSwitch, onlySource, type Setting, type SuperNetwork } from './network.ts';
import { combine, combining } from './outputs.ts';

/** The output `gate/shares` of {@link settleSources}. */
export const gateShares = 'gate/shares';

export interface GateOptions {
  /** Whether each image has shares of its own, or the batch is a case that has one. Default `image`. */
  readonly over?: GateScope | undefined;
}

/**
 * The network that a setting picks out, with its output weights gated: on each image a parent's weight is divided by the square of its
 * doubt, and the weights are brought back to the sum 1. Weights by inverse squared errors are those of the best linear combination of
 * independent estimates.
 *
 * @throws SutureError as `settle`; `option-invalid` where there is nothing to gate: more than one output, or one that is no map of
 * probabilities; over a case, where the networks take a fixed number of images.
 */
export function settleGated(
  network: SuperNetwork,
  setting: Setting,
  parameters?: ReadonlyMap<string, Tensor>,
  { over = 'image', ...options }: SettleOptions & GateOptions = {},
): Graph {
  const output = requireGateable(network, over);
  // One answer alone is weighed by nothing.
  if (onlySource(output, setting) !== undefined) return settle(network, setting, parameters, options);
  const { standard = false, parentOutputs = false, ...rest } = options;
  const graph = settle(network, setting, parameters, { ...rest, parentOutputs, sources: true });
  const features = sourceNames(output).map(name => graph.output(name));
  const given = setting.get(output.weights)!;
  const shares = 'data' in given ? Array.from(numbersOf(given)) : given;
  const b = continued(graph.with({ outputs: [] }));
  addGate(b, output, { features, shares, over });
  const own = parentOutputs ? network.parents.flatMap(p => p.outputs) : [];
  for (const name of own) b.output(name, graph.output(name));
  const simple = simplify(removeDeadCode(b.build()));
  return standard ? inlineBodies(simple) : simple;
}

/**
 * The whole super-network, all stitches and switches in place, with a gate for its output switch: every setting of the other switches
 * computes what {@link settleGated} makes of it.
 *
 * @param options `shares`: the weights of the parents that the gate starts from. Default: equal ones.
 * @throws SutureError `option-invalid` where there is nothing to gate.
 */
export function gateOutput(
  network: SuperNetwork,
  { shares, over = 'image' }: GateOptions & { readonly shares?: readonly number[] } = {},
): Graph {
  const output = requireGateable(network, over);
  const b = continued(network.graph.with({ outputs: [] }));
  const count = output.sources.length;
  addGate(b, output, { features: output.features, shares: shares ?? Array<number>(count).fill(1 / count), over });
  return removeDeadCode(b.build());
}

export interface SourceOptions extends Omit<SettleOptions, 'sources' | 'parentOutputs' | 'standard'>, GateOptions {
  /** Ways of sharing, each one weight for each parent. Default none. */
  readonly gated?: readonly (readonly number[])[] | undefined;
}

/**
 * What the parents answer under a setting before their outputs meet, for whoever weighs one answer in many ways: under each parent's tag,
 * brought to `OutputSwitch.meaning`. With `gated`, also {@link gateShares}, [N, parents, ways]: what a gate makes of each way of sharing,
 * on each image; over a case, [1, parents, ways].
 *
 * @throws SutureError as `settle`; `option-invalid` where there is nothing to gate.
 */
export function settleSources(
  network: SuperNetwork,
  setting: Setting,
  parameters: ReadonlyMap<string, Tensor>,
  { gated = [], over = 'image', ...options }: SourceOptions = {},
): Graph {
  const output = gated.length > 0 ? requireGateable(network, over) : network.outputs[0];
  const graph = settle(network, setting, parameters, { ...options, sources: true });
  const features = sourceNames(output).map(name => graph.output(name));
  const b = continued(graph.with({ outputs: [] }));
  for (const [p, tag] of output.sources.entries()) b.output(tag, features[p]);
  if (gated.length > 0) {
    const rows = output.sources.map((_, p) => gated.map(shares => shares[p]));
    const shares = combining(b, output.name, () => gateWeights(b, output.meaning, { features, shares: rows, over }));
    // Images come first, as in every output of a network.
    b.output(gateShares, b.op('Transpose', [shares], { perm: [2, 0, 1] }));
  }
  return simplify(removeDeadCode(b.build()));
}

/** Answers that a gate weighs. @template S what each weighs before the gate. */
interface Gated<S> {
  readonly features: readonly Value[];
  readonly shares: readonly S[];
  readonly over: GateScope;
}

/** Puts answers together by a gate, as the graph's output. */
export function addGate(
  b: GraphBuilder,
  output: Pick<OutputSwitch, 'name' | 'meaning' | 'mean'>,
  { features, shares, over }: Gated<number>,
): void {
  const combined = combining(b, output.name, () => {
    const rows = shares.map(share => [share]);
    const weights = gateWeights(b, output.meaning, { features, shares: rows, over });
    return combine(b, output, b.op('Squeeze', [weights, b.ints(over === 'case' ? [1, 2] : [1])]), features);
  });
  b.output(output.name, combined);
}

/**
 * The weights from which a gate weighs as with equal ones, where doubts have grown.
 *
 * @param growth of each answer's doubt, as logarithms. @returns weights with the sum 1.
 */
export function weightsAgainst(growth: readonly number[]): readonly number[] {
  // Against the largest, because the square of a large factor may leave the range of the numbers.
  const largest = Math.max(...growth);
  const weights = growth.map(log => Math.exp(2 * (log - largest)));
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map(weight => weight / sum);
}

/** Why a gate cannot act on the network; undefined where it can. */
function obstacle({ outputs }: SuperNetwork): string | undefined {
  const [output, ...more] = outputs;
  if (more.length > 0) return `they have ${outputs.length} outputs`;
  const [first] = output.features;
  const { meaning, mean } = output;
  const axes = first.type.shape.length - (meaning.channelAxis === undefined ? 0 : 1);
  if (axes < 3) return `'${printable(output.name)}' is no map of an image, ${first}`;
  if (mean === 'plain' && meaning.kind !== 'probabilities') {
    return `'${printable(output.name)}' is averaged as it is`;
  }
  return undefined;
}

/** Whether a gate can act on the network's output. */
export const isGateable = (network: SuperNetwork): boolean => obstacle(network) === undefined;

/** The output that a gate can act on. @throws SutureError `option-invalid` where there is none. */
export function requireGateable(network: SuperNetwork, over: GateScope = 'image'): OutputSwitch {
  const problem = obstacle(network);
  if (problem !== undefined) {
    throw new SutureError('option-invalid', `A gate compares how sure parents are of their probabilities: ${problem}.`);
  }
  const [output] = network.outputs;
  const [batch] = output.features[0].type.shape;
  if (over === 'case' && isStatic(batch)) {
    throw new SutureError(
      'option-invalid',
      `A gate over cases takes all images of a case at a time, and the networks take ${batch}: gate over images, or export the ` +
        'networks with an open batch axis.',
    );
  }
  return output;
}

/**
 * What the gate makes of ways of sharing the output, on each image: [parents, ways, N]; on a case [parents, ways, 1].
 *
 * @param shares for each parent, its weight before the gate in each of the ways.
 */
function gateWeights(
  b: GraphBuilder,
  meaning: OutputMeaning,
  { features, shares, over }: Gated<readonly number[]>,
): Value {
  const { dtype } = features[0].type;
  const wide = dtype === 'float16' ? 'float32' : dtype;
  const cast = (x: Value, to: DType): Value => (x.type.dtype === to ? x : b.op('Cast', [x], { to }));
  const rows = features.map(feature =>
    b.op('Unsqueeze', [doubtOf(b, cast(feature, wide), meaning, over), b.ints([0, 1])]),
  );
  const doubts = b.op('Concat', rows, { axis: 0 }, { name: 'doubts' });
  // Against the least doubt, because the square of one may leave the range of the numbers.
  const surety = b.op('Div', [b.op('ReduceMin', [doubts, b.ints([0])], { keepdims: 1 }), doubts]);
  const given = b.constant(tensorFromNumbers(wide, [shares.length, shares[0].length, 1], shares.flat()), 'shares');
  const weighed = b.op('Mul', [b.op('Mul', [surety, surety]), given]);
  const sum = b.op('ReduceSum', [weighed, b.ints([0])], { keepdims: 1 });
  return cast(b.op('Div', [weighed, sum], {}, { name: 'gate' }), dtype);
}
