/**
 * Networks whose outputs are gated, as they are trained: what each parent's branch answers stands side by side in one tensor, so that
 * all branches learn at once, each from an answer of its own; then the gate is put behind them.
 */
import { type Graph, type GraphBuilder, SutureError, type Tensor, type Value } from '../../ir/index.ts';
import { continued } from '../differentiate/index.ts';
import { inlineBodies } from '../inline-bodies.ts';
import { removeDeadCode } from '../simplify/remove-dead-code.ts';
import { simplify } from '../simplify/simplify.ts';
import { doubtOf } from './doubt.ts';
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
 * The answers that stand side by side in the output of what {@link settleAbreast} gave, whatever its weights have become.
 *
 * @param meaning of each answer.
 * @throws SutureError `run-invalid` for a graph whose answers do not stand side by side.
 */
export function answersAbreast(graph: Graph, meaning: OutputMeaning): readonly Value[] {
  const [{ name, value }] = graph.outputs;
  const last = graph.nodes.find(node => node.outputs.includes(value));
  if (last?.op !== 'Concat' || last.attributes.axis !== sideBySide(meaning, value.type.shape.length)) {
    throw new SutureError(
      'run-invalid',
      `The answers in '${name}' do not stand side by side: there is nothing to gate.`,
    );
  }
  return last.inputs.flatMap(input => (input ? [input] : []));
}

/** One of some answers that stand side by side in a value with a number for the extent along that axis. */
export function answerAbreast(
  b: GraphBuilder,
  together: Value,
  meaning: OutputMeaning,
  { index, count }: { readonly index: number; readonly count: number },
): Value {
  const { shape } = together.type;
  const axis = sideBySide(meaning, shape.length);
  const extent = Number(shape[axis]) / count;
  return b.op('Slice', [together, b.ints([index * extent]), b.ints([(index + 1) * extent]), b.ints([axis])]);
}

/** A graph with other outputs in place of its own. */
const graphWith = (graph: Graph, build: (b: GraphBuilder) => void): Graph => {
  const b = continued(graph.with({ outputs: [] }));
  build(b);
  return inlineBodies(simplify(removeDeadCode(b.build())));
};

/**
 * The gated network of what {@link settleAbreast} gave, whatever its weights have become: see `settleGated`. Its output means
 * `OutputSwitch.combined`.
 *
 * @param meaning of each answer. @param shares of the answers before the gate. Default: equal ones.
 * @throws SutureError as {@link answersAbreast}.
 */
export function gateAbreast(graph: Graph, meaning: OutputMeaning, shares?: readonly number[]): Graph {
  const answers = answersAbreast(graph, meaning);
  const [{ name }] = graph.outputs;
  const mean = meaning.kind === 'probabilities' ? 'plain' : 'probabilities';
  const given = shares ?? Array<number>(answers.length).fill(1 / answers.length);
  return graphWith(graph, b =>
    addGate(b, { name, meaning, mean }, { features: answers, shares: given, over: 'image' }),
  );
}

/** The output of {@link doubtAbreast}. */
export const doubtsOutput = 'doubts';

/**
 * How far each branch doubts its answers, in place of these: see `doubtOf`. [N, branches].
 *
 * @param meaning of each answer.
 * @throws SutureError as {@link answersAbreast}.
 */
export function doubtAbreast(graph: Graph, meaning: OutputMeaning): Graph {
  const answers = answersAbreast(graph, meaning);
  return graphWith(graph, b => {
    const doubts = answers.map(answer => b.op('Unsqueeze', [doubtOf(b, answer, meaning, 'image'), b.ints([1])]));
    b.output(doubtsOutput, b.op('Concat', doubts, { axis: 1 }));
  });
}
