import {
  type Graph,
  isStatic,
  printable,
  rewrite,
  SutureError,
  type Tensor,
  tensorFromNumbers,
  tensorType,
  typeText,
  Value,
} from '../ir/index.ts';
import { inlineBodies } from './inline-bodies.ts';
import { fixSwitches } from './settle/fix-switches.ts';
import { mergeStitches } from './settle/merge-stitches.ts';
import { scaleFeatures } from './settle/scale-features.ts';
import { addSources, scaleLayers } from './settle/scale-layers.ts';
import { removeDeadCode } from './simplify/remove-dead-code.ts';
import { applyRules, simplify } from './simplify/simplify.ts';
import { type OutputSwitch, onlySource, type Setting, type SuperNetwork } from './stitch/network.ts';

export interface SettleOptions {
  /** Keeps each parent's own outputs (`a/logits`) beside the combined ones. Default false. */
  readonly parentOutputs?: boolean;
  /** Adds what the combined outputs are made of, one for each parent: see {@link sourceNames}. Default false. */
  readonly sources?: boolean;
  /** Merges stitches and the weights of switches into neighbouring layers where that costs nothing. Default true. */
  readonly merge?: boolean;
  /** Folds batch normalisation into the linear layer before it. Default false. */
  readonly fuse?: boolean;
  /** Only ONNX's operators in the result, none of ours. Default false. */
  readonly standard?: boolean;
}

/** What the graph outputs are called that hold an output switch's sources, each brought to what all mean: `output/logits/a`. */
export const sourceNames = ({ name, sources }: OutputSwitch): readonly string[] =>
  sources.map(tag => `output/${name}/${tag}`);

/**
 * Fixes every switch of a super-network: the network that a setting picks out.
 *
 * Switches at weight one fold to wires, what then feeds nothing is removed, and the rest is simplified. `parameters` holds the
 * stitches' weights and biases by input name; without it they stay inputs, where they are still read.
 *
 * Guarantees: the first parent's input and output names, and the symbolic batch. An output that is one parent's alone is that
 * parent's raw output, where all parents' outputs mean the same (else brought to what all mean, `OutputSwitch.meaning`); where besides
 * every switch upstream is on the original, it is bit-identical to the parent's (`fuse` aside).
 *
 * @throws SutureError `option-invalid` when the setting lacks a switch or has a wrong number of weights, `run-invalid` when a
 * parameter that is needed is missing or of a wrong shape.
 */
export function settle(
  network: SuperNetwork,
  setting: Setting,
  parameters?: ReadonlyMap<string, Tensor>,
  options: SettleOptions = {},
): Graph {
  const { parentOutputs = false, sources = false, merge = true, fuse = false, standard = false } = options;
  const declared = new Map(network.graph.inputs.map(v => [v.name, v]));
  const inputs = new Map<string, Value>();
  const perChannel = new Set(network.switches.map(s => s.weights));
  for (const { weights } of [...network.switches, ...network.outputs]) {
    const input = declared.get(weights)!;
    inputs.set(weights, constantInput(input, switchTensor(input, setting), perChannel.has(weights)));
  }
  for (const [name, given] of parameters ?? []) {
    const input = declared.get(name);
    if (input && !inputs.has(name)) inputs.set(name, constantInput(input, given));
  }
  const chosen = new Map(
    network.outputs.map(o => {
      const alone = onlySource(o, setting);
      return [o.name, alone === undefined ? undefined : o.features[alone]] as const;
    }),
  );
  const outputs = network.graph.outputs.flatMap(({ name, value }) => {
    if (chosen.has(name)) return [{ name, value: chosen.get(name) ?? value }];
    return parentOutputs ? [{ name, value }] : [];
  });
  const apart = network.outputs.flatMap(o => sourceNames(o).map((name, p) => ({ name, value: o.features[p] })));

  const bound = rewrite(network.graph.with({ outputs: [...outputs, ...(sources ? apart : [])] }), () => undefined, {
    inputs,
  });
  const fixed = withoutUnreadParameters(network, removeDeadCode(applyRules(bound, [fixSwitches])));
  if (parameters) checkComplete(network, fixed);
  const simple = simplify(fixed, { fuse });
  const merged = merge ? mergeNeighbours(simple) : simple;
  return standard ? inlineBodies(merged) : merged;
}

/** To a fixpoint; each step takes away a node, a weight other than one, or a switch. */
function mergeNeighbours(graph: Graph): Graph {
  for (let now = graph; ; ) {
    const next = simplify(scaleFeatures(applyRules(now, [mergeStitches, scaleLayers])));
    if (next === now) return simplify(applyRules(now, [addSources]));
    now = next;
  }
}

function switchTensor({ name, type }: Value, setting: Setting): Tensor {
  const given = setting.get(name);
  const [sources] = type.shape;
  if (given === undefined) {
    throw new SutureError('option-invalid', `The setting says nothing of the switch '${printable(name)}'.`);
  }
  const tensor = 'dtype' in given ? given : tensorFromNumbers(type.dtype, [given.length], given);
  if (tensor.shape[0] !== sources || tensor.dtype !== type.dtype) {
    throw new SutureError(
      'option-invalid',
      `The switch '${printable(name)}' has ${sources} sources, but its setting is ${typeText(tensorType(tensor))}.`,
    );
  }
  return tensor;
}

/** Every weight of a setting as a tensor, by input name: what an executor is fed. */
export function settingTensors(network: SuperNetwork, setting: Setting): Map<string, Tensor> {
  const inputs = new Map(network.graph.inputs.map(v => [v.name, v]));
  const switches = [...network.switches, ...network.outputs];
  return new Map(switches.map(s => [s.weights, switchTensor(inputs.get(s.weights)!, setting)] as const));
}

/** `perChannel`: the tensor may have more axes than the input that it takes the place of, as weights per channel have. */
function constantInput({ name, type }: Value, tensor: Tensor, perChannel = false): Value {
  const rank = tensor.shape.length;
  const fits =
    type.dtype === tensor.dtype &&
    (rank === type.shape.length || (perChannel && rank > 1)) &&
    type.shape.every((dim, i) => !isStatic(dim) || dim === tensor.shape[i]);
  if (!fits) {
    throw new SutureError(
      'run-invalid',
      `The parameter '${printable(name)}' is ${typeText(type)}, but a ${typeText(tensorType(tensor))} was given for it.`,
    );
  }
  return new Value(name, tensorType(tensor), { constant: tensor });
}

/** Inputs are interface, but for the parameters of stitches that nothing reads. */
function withoutUnreadParameters(network: SuperNetwork, graph: Graph): Graph {
  const parameters = new Set(network.stitches.flatMap(s => [s.weight, s.bias]));
  const inputs = graph.inputs.filter(v => !parameters.has(v.name) || graph.consumers(v).length > 0);
  return inputs.length === graph.inputs.length ? graph : graph.with({ inputs });
}

function checkComplete(network: SuperNetwork, graph: Graph): void {
  const open = new Set(graph.inputs.map(v => v.name));
  for (const { weight, bias, from, to, position } of network.stitches) {
    const missing = [weight, bias].find(name => open.has(name));
    if (missing === undefined) continue;
    throw new SutureError(
      'run-invalid',
      `The setting uses the stitch from '${from}' to '${to}' at position ${position}, whose parameter '${printable(missing)}' is ` +
        'missing.',
    );
  }
}
