/**
 * A gate at the output switch: on each image, outputs are weighed by how sure each parent is of its own answer. The only statement of it:
 * whoever needs the shares as numbers runs the graph ({@link settleSources}).
 *
 *     %p = the parent's foreground probabilities
 *     %error = 1 - (2·Σ p·[p > ½] + 1) / (Σ p + Σ [p > ½] + 1) + 0.001                      [N], of each parent
 *     %share = w_i / Σ_j w_j · (%error_i / %error_j)²                                       [N], of each parent
 *     %y = Σ_i %share_i · p_i
 *
 * Of logits, the sums are of their probabilities, and %y is their logarithm or log-odds: see `combine`. An image is what the file's batch
 * axis counts: where images are predicted tile by tile, the gate weighs each tile.
 *
 * Requires: one dense output of probabilities, or of logits that are averaged as probabilities. Guarantees: the same inputs and outputs;
 * the gate reads nothing but the parents' outputs, and is of ONNX's operators but for the Switch.
 */
import {
  type Graph,
  type GraphBuilder,
  numbersOf,
  printable,
  SutureError,
  type Tensor,
  tensorFromNumbers,
  type Value,
} from '../../ir/index.ts';
import { continued } from '../differentiate/index.ts';
import { lowerToStandard } from '../lower-standard.ts';
import { type SettleOptions, settle, sourceNames } from '../settle.ts';
import { removeDeadCode } from '../simplify/remove-dead-code.ts';
import { simplify } from '../simplify/simplify.ts';
import { type OutputSwitch, onlySource, type Setting, type SuperNetwork } from './network.ts';
import { combine, foregroundOf, probabilitiesOf } from './outputs.ts';

/** Keeps the expected error of an empty answer near 0. */
const smoothing = 1;

/** The least expected error: nobody is surer than that, and nothing is divided by zero. */
const leastError = 1e-3;

/** The output `gate/shares` of {@link settleSources}. */
export const gateShares = 'gate/shares';

/**
 * The network that a setting picks out, with its output weights gated: on each image a parent's weight is divided by the square of
 * the error that the parent itself expects, and the weights are brought back to the sum 1. The expected error is one less the soft
 * Dice of the parent's foreground probabilities p with its own answer [p > ½], summed over pixels and foreground classes: what Dice
 * it would lose if its probabilities were true. Weights by inverse squared errors are those of the best linear combination of
 * independent estimates.
 *
 * @throws SutureError as `settle`; `option-invalid` where there is nothing to gate: more than one output, or one that is no map of
 * probabilities.
 */
export function settleGated(
  network: SuperNetwork,
  setting: Setting,
  parameters?: ReadonlyMap<string, Tensor>,
  options: SettleOptions = {},
): Graph {
  const output = requireGateable(network);
  // One answer alone is weighed by nothing.
  if (onlySource(output, setting) !== undefined) return settle(network, setting, parameters, options);
  const { standard = false, parentOutputs = false, ...rest } = options;
  const graph = settle(network, setting, parameters, { ...rest, parentOutputs, sources: true });
  const features = sourceNames(output).map(name => graph.output(name));
  const given = setting.get(output.weights)!;
  const shares = 'data' in given ? Array.from(numbersOf(given)) : given;
  const b = continued(graph.with({ outputs: [] }));
  addGate(b, output, features, shares);
  const own = parentOutputs ? network.parents.flatMap(p => p.outputs) : [];
  for (const name of own) b.output(name, graph.output(name));
  const simple = simplify(removeDeadCode(b.build()));
  return standard ? lowerToStandard(simple) : simple;
}

/**
 * The whole super-network, all stitches and switches in place, with a gate for its output switch: every setting of the other switches
 * computes what {@link settleGated} makes of it.
 *
 * @param shares the weights of the parents that the gate starts from. Default: equal ones.
 * @throws SutureError `option-invalid` where there is nothing to gate.
 */
export function gateOutput(network: SuperNetwork, shares?: readonly number[]): Graph {
  const output = requireGateable(network);
  const b = continued(network.graph.with({ outputs: [] }));
  const count = output.sources.length;
  addGate(b, output, output.features, shares ?? Array<number>(count).fill(1 / count));
  return removeDeadCode(b.build());
}

/**
 * What the parents answer under a setting before their outputs meet, for whoever weighs one answer in many ways: under each parent's tag,
 * brought to `OutputSwitch.meaning`. With `gated`, also {@link gateShares}, [N, parents, ways]: what a gate makes of each way of sharing,
 * on each image.
 *
 * @param gated ways of sharing, each one weight for each parent.
 * @throws SutureError as `settle`; `option-invalid` where there is nothing to gate.
 */
export function settleSources(
  network: SuperNetwork,
  setting: Setting,
  parameters: ReadonlyMap<string, Tensor>,
  gated: readonly (readonly number[])[] = [],
  options: Omit<SettleOptions, 'sources' | 'parentOutputs' | 'standard'> = {},
): Graph {
  const output = gated.length > 0 ? requireGateable(network) : network.outputs[0];
  const graph = settle(network, setting, parameters, { ...options, sources: true });
  const features = sourceNames(output).map(name => graph.output(name));
  const b = continued(graph.with({ outputs: [] }));
  for (const [p, tag] of output.sources.entries()) b.output(tag, features[p]);
  if (gated.length > 0) {
    const { dtype } = features[0].type;
    const column = (p: number): Tensor =>
      tensorFromNumbers(
        dtype,
        [gated.length, 1],
        gated.map(shares => shares[p]),
      );
    const shares = b.scope(`output/${output.name}`, () =>
      gateWeights(b, output, features, p => b.constant(column(p), 'shares')),
    );
    // Images come first, as in every output of a network.
    b.output(gateShares, b.op('Transpose', [shares], { perm: [2, 0, 1] }));
  }
  return simplify(removeDeadCode(b.build()));
}

function addGate(b: GraphBuilder, output: OutputSwitch, features: readonly Value[], shares: readonly number[]): void {
  const { dtype } = features[0].type;
  const number = (p: number): Value => b.constant(tensorFromNumbers(dtype, [], [shares[p]]), `c${shares[p]}`);
  const combined = b.scope(`output/${output.name}`, () =>
    combine(b, output, gateWeights(b, output, features, number), features),
  );
  b.output(output.name, combined);
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
export function requireGateable(network: SuperNetwork): OutputSwitch {
  const problem = obstacle(network);
  if (problem === undefined) return network.outputs[0];
  throw new SutureError('option-invalid', `A gate compares how sure parents are of their probabilities: ${problem}.`);
}

/**
 * The parents' shares of each image, [parents, ..., N]. The last has the rest, so that they sum to 1.
 *
 * @param weight a parent's weight before the gate, as often as it is read: a scalar, or of several ways of sharing [ways, 1].
 */
function gateWeights(
  b: GraphBuilder,
  { meaning }: OutputSwitch,
  features: readonly Value[],
  weight: (parent: number) => Value,
): Value {
  const { dtype } = features[0].type;
  const errors = features.map(feature =>
    expectedError(b, foregroundOf(b, probabilitiesOf(b, feature, meaning), meaning)),
  );
  // Ratios of errors, because a squared error may leave the range of the numbers.
  const against = (i: number, j: number): Value => {
    const ratio = b.op('Div', [errors[i], errors[j]]);
    return b.op('Mul', [b.op('Mul', [ratio, ratio]), weight(j)]);
  };
  const sum = (terms: readonly Value[]): Value => terms.reduce((x, y) => b.op('Add', [x, y]));
  const shares = errors.slice(1).map((_, i) => {
    const others = sum(errors.flatMap((_, j) => (j === i ? [] : [against(i, j)])));
    return b.op('Div', [weight(i), b.op('Add', [others, weight(i)])]);
  });
  const rest = b.op('Sub', [b.constant(tensorFromNumbers(dtype, [], [1]), 'c1'), sum(shares)]);
  const rows = [...shares, rest].map(row => b.op('Unsqueeze', [row, b.ints([0])]));
  return b.op('Concat', rows, { axis: 0 }, { name: 'gate' });
}

/** What Dice a network expects to lose on each image, from its foreground probabilities: [N]. */
function expectedError(b: GraphBuilder, p: Value): Value {
  const { dtype, shape } = p.type;
  const number = (value: number): Value => b.constant(tensorFromNumbers(dtype, [], [value]), `c${value}`);
  const axes = b.ints(shape.map((_, i) => i).slice(1));
  const sum = (x: Value): Value => b.op('ReduceSum', [x, axes], { keepdims: 0 });
  const yes = b.op('Greater', [p, number(0.5)]);
  const shared = sum(b.op('Where', [yes, p, number(0)]));
  const sizes = b.op('Add', [sum(p), sum(b.op('Where', [yes, number(1), number(0)]))]);
  const over = b.op('Add', [b.op('Mul', [shared, number(2)]), number(smoothing)]);
  const dice = b.op('Div', [over, b.op('Add', [sizes, number(smoothing)])]);
  return b.op('Sub', [number(1 + leastError), dice], {}, { name: 'expected_error' });
}
