/**
 * A gate for each image at the output switch: where the parents agree their outputs are weighed one way, where they do not another.
 *
 *     %logits = Log(Σ w · Softmax(...))        →  %disagreement = 1 - (2·Σ pq + 1) / (Σ p² + Σ q² + 1)     [N]
 *                                                 %weights = Where(%disagreement > threshold, apart, together)  [2, N]
 *                                                 %logits = Log(Switch(%weights, Softmax(%a), Softmax(%b)))
 *
 * Requires: two parents with one dense output of probabilities, or of logits that are averaged as probabilities. Guarantees: the
 * same inputs and outputs; the gate reads nothing but the parents' outputs, and is of ONNX's operators but for the Switch.
 */
import {
  type Graph,
  type GraphBuilder,
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
import type { OutputSwitch, Setting, SuperNetwork } from './network.ts';
import { combine, contentOf } from './outputs.ts';

/** How outputs are weighed for each image. */
export interface Gate {
  /**
   * The parents disagree on an image where `1 - (2·Σ pq + 1) / (Σ p² + Σ q² + 1)` is larger than this, with p and q their
   * probabilities of the foreground classes, summed over classes and pixels: a soft Dice distance, from 0 (the same) to 1.
   */
  readonly threshold: number;
  /** The first parent's share of the output where they agree. */
  readonly together: number;
  /** The first parent's share of the output where they disagree. */
  readonly apart: number;
}

/** Keeps the disagreement of two empty predictions at 0. */
export const gateSmoothing = 1;

/**
 * The network that a setting picks out, with a gate in place of the weights of its outputs.
 *
 * @throws SutureError as `settle`; `option-invalid` where there is nothing to gate: other than two parents or one output, outputs
 * that are no probabilities, or no dense ones.
 */
export function settleGated(
  network: SuperNetwork,
  setting: Setting,
  gate: Gate,
  parameters?: ReadonlyMap<string, Tensor>,
  options: SettleOptions = {},
): Graph {
  const output = gateable(network);
  const { standard = false, parentOutputs = false, ...rest } = options;
  const graph = settle(network, setting, parameters, { ...rest, parentOutputs: true });
  const own = network.parents.flatMap(p => p.outputs);
  const features = own.map(name => graph.output(name));
  const b = continued(graph.with({ outputs: [] }));
  const combined = b.scope(`output/${output.name}`, () =>
    combine(b, output.mean, gateWeights(b, output, features, gate), features),
  );
  b.output(output.name, combined);
  if (parentOutputs) for (const [i, name] of own.entries()) b.output(name, features[i]);
  const simple = simplify(removeDeadCode(b.build()));
  return standard ? lowerToStandard(simple) : simple;
}

/** The output that a gate can act on. @throws SutureError `option-invalid` where there is none. */
export function gateable(network: SuperNetwork): OutputSwitch {
  const fail = (problem: string): never => {
    throw new SutureError('option-invalid', `A gate compares the probabilities of two parents: ${problem}.`);
  };
  const [output, ...more] = network.outputs;
  if (more.length > 0 || network.parents.length !== 2) {
    return fail(`there are ${network.parents.length} parents with ${network.outputs.length} outputs`);
  }
  const [first] = output.features;
  if (first.type.shape.length < 4) return fail(`'${printable(output.name)}' is no map of an image, ${first}`);
  if (output.mean === 'plain' && contentOf(network.graph, first) !== 'probabilities') {
    return fail(`'${printable(output.name)}' is averaged as it is`);
  }
  return output;
}

/** The weights of both parents for each image: [2, N]. */
function gateWeights(b: GraphBuilder, { mean }: OutputSwitch, features: readonly Value[], gate: Gate): Value {
  const { dtype, shape } = features[0].type;
  const number = (value: number): Value => b.constant(tensorFromNumbers(dtype, [], [value]), `c${value}`);
  const axes = b.ints(shape.map((_, i) => i).slice(1));
  const [p, q] = features.map(v => foreground(b, probabilities(b, mean, v)));
  const sum = (x: Value, y: Value): Value => b.op('ReduceSum', [b.op('Mul', [x, y]), axes], { keepdims: 0 });
  const shared = b.op('Add', [b.op('Mul', [sum(p, q), number(2)]), number(gateSmoothing)]);
  const sizes = b.op('Add', [b.op('Add', [sum(p, p), sum(q, q)]), number(gateSmoothing)]);
  const disagreement = b.op('Sub', [number(1), b.op('Div', [shared, sizes])], {}, { name: 'disagreement' });
  const apart = b.op('Greater', [disagreement, number(gate.threshold)]);
  const rows = [
    [gate.apart, gate.together],
    [1 - gate.apart, 1 - gate.together],
  ].map(([yes, no]) => {
    const row = b.op('Where', [apart, number(yes), number(no)]);
    return b.op('Unsqueeze', [row, b.ints([0])]);
  });
  return b.op('Concat', rows, { axis: 0 }, { name: 'gate' });
}

function probabilities(b: GraphBuilder, mean: OutputSwitch['mean'], value: Value): Value {
  switch (mean) {
    case 'plain':
      return value;
    case 'softmax':
      return b.op('Softmax', [value], { axis: 1 });
    case 'sigmoid':
      return b.op('Sigmoid', [value]);
    default:
      return mean satisfies never;
  }
}

/** Without the first channel, the background, where there are several. */
function foreground(b: GraphBuilder, value: Value): Value {
  const channels = value.type.shape[1];
  if (channels === 1) return value;
  return b.op('Slice', [value, b.ints([1]), b.ints([2 ** 31 - 1]), b.ints([1])]);
}
