/**
 * Networks whose outputs are gated, as they are trained: what each parent's branch answers stands side by side in one tensor, so that
 * all branches learn at once, each from an answer of its own; then the gate is put behind them.
 */
import { type Graph, SutureError, type Tensor } from '../../ir/index.ts';
import { continued } from '../differentiate/index.ts';
import { inlineBodies } from '../inline-bodies.ts';
import { removeDeadCode } from '../simplify/remove-dead-code.ts';
import { simplify } from '../simplify/simplify.ts';
import { addGate, requireGateable, settleSources } from './gate.ts';
import type { OutputMeaning } from './meaning.ts';
import type { Setting, SuperNetwork } from './network.ts';

/** The axis along which answers stand side by side: the last one of space. */
const sideBySide = ({ channelAxis }: OutputMeaning, rank: number): number =>
  channelAxis === rank - 1 ? rank - 2 : rank - 1;

/**
 * What all parents answer under a setting, side by side in the order of the parents: of maps of W columns one map of `parents · W`,
 * each answer brought to `OutputSwitch.meaning`. In ONNX's own operators; {@link gateAbreast} makes the gated network of it.
 *
 * @throws SutureError as `settle`; `option-invalid` where there is nothing to gate.
 */
export function settleAbreast(network: SuperNetwork, setting: Setting, parameters: ReadonlyMap<string, Tensor>): Graph {
  const { name, sources, meaning } = requireGateable(network);
  const graph = settleSources(network, setting, parameters);
  const answers = sources.map(tag => graph.output(tag));
  const b = continued(graph.with({ outputs: [] }));
  b.output(name, b.op('Concat', answers, { axis: sideBySide(meaning, answers[0].type.shape.length) }));
  return inlineBodies(simplify(removeDeadCode(b.build())));
}

/**
 * The gated network of what {@link settleAbreast} gave, whatever its weights have become: see `settleGated`. Its output means
 * `OutputSwitch.combined`.
 *
 * @param meaning of each answer.
 * @throws SutureError `run-invalid` for a graph whose answers do not stand side by side.
 */
export function gateAbreast(graph: Graph, meaning: OutputMeaning): Graph {
  const [{ name, value }] = graph.outputs;
  const last = graph.nodes.find(node => node.outputs.includes(value));
  if (last?.op !== 'Concat' || last.attributes.axis !== sideBySide(meaning, value.type.shape.length)) {
    throw new SutureError(
      'run-invalid',
      `The answers in '${name}' do not stand side by side: there is nothing to gate.`,
    );
  }
  const features = last.inputs.flatMap(input => (input ? [input] : []));
  const mean = meaning.kind === 'probabilities' ? 'plain' : 'probabilities';
  const b = continued(graph.with({ outputs: [] }));
  addGate(b, { name, meaning, mean }, features, Array<number>(features.length).fill(1 / features.length), 'image');
  return inlineBodies(simplify(removeDeadCode(b.build())));
}
