/**
 * A gate at the output switch: on each image, outputs are weighed by how sure each parent is of its own answer.
 *
 *     %y = Σ w · p   →  %error = 1 - (2·Σ p·[p > ½] + 1) / (Σ p + Σ [p > ½] + 1) + 0.001     [N], of a and of b
 *                       %weight = w_a / (w_a + w_b · (%error_a / %error_b)²)                   [N]
 *                       %y = %weight · p_a + (1 - %weight) · p_b
 *
 * Of logits, the sums are of their probabilities, and %y is their logarithm or log-odds: see `combine`. An image is what the file's batch
 * axis counts: where images are predicted tile by tile, the gate weighs each tile.
 *
 * Requires: two parents with one dense output of probabilities, or of logits that are averaged as probabilities. Guarantees: the
 * same inputs and outputs; the gate reads nothing but the parents' outputs, and is of ONNX's operators but for the Switch.
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
import { type SettleOptions, settle } from '../settle.ts';
import { removeDeadCode } from '../simplify/remove-dead-code.ts';
import { simplify } from '../simplify/simplify.ts';
import { type OutputSwitch, onlySource, type Setting, type SuperNetwork } from './network.ts';
import { combine, foregroundOf, probabilitiesOf } from './outputs.ts';

/** Keeps the expected error of an empty answer near 0. */
export const gateSmoothing = 1;

/** The least expected error: nobody is surer than that, and nothing is divided by zero. */
export const leastError = 1e-3;

/**
 * The network that a setting picks out, with its output weights gated: on each image a parent's weight is divided by the square of
 * the error that the parent itself expects, and the weights are brought back to the sum 1. The expected error is one less the soft
 * Dice of the parent's foreground probabilities p with its own answer [p > ½], summed over pixels and foreground classes: what Dice
 * it would lose if its probabilities were true. Weights by inverse squared errors are those of the best linear combination of
 * independent estimates.
 *
 * @throws SutureError as `settle`; `option-invalid` where there is nothing to gate: other than two parents or one output, outputs
 * that are no probabilities, or no dense ones.
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
  const read = output.features.map((value, i) => ({ name: `gate/${output.sources[i]}`, value }));
  const opened = network.graph.with({ outputs: [...network.graph.outputs, ...read] });
  const graph = settle({ ...network, graph: opened }, setting, parameters, { ...rest, parentOutputs: true });
  const features = read.map(({ name }) => graph.output(name));
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
 * @param shares the weights of both parents that the gate starts from
 * @throws SutureError `option-invalid` where there is nothing to gate.
 */
export function gateOutput(network: SuperNetwork, shares: readonly number[] = [0.5, 0.5]): Graph {
  const output = requireGateable(network);
  const b = continued(network.graph.with({ outputs: [] }));
  addGate(b, output, output.features, shares);
  return removeDeadCode(b.build());
}

function addGate(b: GraphBuilder, output: OutputSwitch, features: readonly Value[], shares: readonly number[]): void {
  const combined = b.scope(`output/${output.name}`, () =>
    combine(b, output, gateWeights(b, output, features, shares), features),
  );
  b.output(output.name, combined);
}

/** Why a gate cannot act on the network; undefined where it can. */
function obstacle({ outputs, parents }: SuperNetwork): string | undefined {
  const [output, ...more] = outputs;
  if (more.length > 0 || parents.length !== 2) {
    return `there are ${parents.length} parents with ${outputs.length} outputs`;
  }
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
  throw new SutureError(
    'option-invalid',
    `A gate compares how sure two parents are of their probabilities: ${problem}.`,
  );
}

/** The weights of both parents for each image: [2, N]. */
function gateWeights(
  b: GraphBuilder,
  { meaning }: OutputSwitch,
  features: readonly Value[],
  [first, second]: readonly number[],
): Value {
  const { dtype } = features[0].type;
  const number = (value: number): Value => b.constant(tensorFromNumbers(dtype, [], [value]), `c${value}`);
  const [p, q] = features.map(feature =>
    expectedError(b, foregroundOf(b, probabilitiesOf(b, feature, meaning), meaning)),
  );
  const ratio = b.op('Div', [p, q]);
  const others = b.op('Mul', [b.op('Mul', [ratio, ratio]), number(second)]);
  const weight = b.op('Div', [number(first), b.op('Add', [others, number(first)])]);
  const rows = [weight, b.op('Sub', [number(1), weight])].map(row => b.op('Unsqueeze', [row, b.ints([0])]));
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
  const over = b.op('Add', [b.op('Mul', [shared, number(2)]), number(gateSmoothing)]);
  const dice = b.op('Div', [over, b.op('Add', [sizes, number(gateSmoothing)])]);
  return b.op('Sub', [number(1 + leastError), dice], {}, { name: 'expected_error' });
}
