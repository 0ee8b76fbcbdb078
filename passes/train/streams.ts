import {
  type AnyNode,
  type GraphBuilder,
  type Shape,
  SutureError,
  type TensorType,
  tensorFromNumbers,
  type Value,
} from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import type { SuperNetwork, Switch } from '../stitch.ts';

/**
 * What a switch does in training:
 *
 * - `original`, `stitched`: one source, fixed; no Switch is emitted. With several stitched sources, their mean.
 * - numbers: fixed weights, one for each source. What has none is not read, so that its stitch is not trained.
 * - `step`, `sample`: weights are data, [S] for the whole step or [S, N] for each sample, so that the host draws the setting.
 * - `position`: as `sample`, with one input for all switches of a position (`settingInput`) that holds the weight of each sample on
 *   the original; it broadcasts as it is, so no kernel has to take it apart. The rest of the weight is on the stitched source; where
 *   there are several, another input (`sourcesInput`) shares it out among them.
 * - `learned`, `learned-per-channel`: a parameter of logits, [S] or [S, 1, C], whose softmax over the sources weighs them.
 */
export type SwitchMode =
  | 'original'
  | 'stitched'
  | 'step'
  | 'sample'
  | 'position'
  | 'learned'
  | 'learned-per-channel'
  | readonly number[];

/** A mode for all switches, or one for each. */
export type SwitchModes = SwitchMode | ((s: Switch) => SwitchMode);

/**
 * One reading of the super-network: its nodes, copied, with every switch at one mode. A node whose operands are those that it has
 * in the twin stream is not copied but shared, so what two streams have in common is computed once. A node that reads something
 * which the stream does not have (the parameters of a stitch that is not used) is left out.
 */
export class Stream {
  readonly #b: GraphBuilder;
  readonly #prefix: string;
  readonly #twin: Stream | undefined;
  readonly #map = new Map<Value, Value>();

  constructor(b: GraphBuilder, prefix = '', twin?: Stream) {
    this.#b = b;
    this.#prefix = prefix;
    this.#twin = twin;
  }

  read(value: Value): Value | undefined {
    return value.constant ? value : this.#map.get(value);
  }

  set(value: Value, to: Value | undefined): void {
    if (to) this.#map.set(value, to);
  }

  follow(node: AnyNode): void {
    const inputs = node.inputs.map(v => v && this.read(v));
    if (node.inputs.some((v, i) => v && !inputs[i])) return;
    const twin = this.#twin;
    const shared = twin && node.inputs.every((v, i) => !v || twin.read(v) === inputs[i]);
    if (shared && twin.read(node.outputs[0])) {
      for (const output of node.outputs) this.set(output, twin.read(output));
      return;
    }
    const outputs = this.#b.copy(node, inputs, {
      name: this.#prefix + node.name,
      outputs: node.outputs.map(o => this.#prefix + o.name),
    });
    for (const [i, output] of node.outputs.entries()) this.set(output, outputs[i]);
  }
}

/** What a training graph is made of so far: the builder, and the inputs that it turned out to need. */
interface Draft {
  readonly b: GraphBuilder;
  readonly network: SuperNetwork;
  readonly data: string[];
  readonly parameters: string[];
  readonly modeOf: (s: Switch) => SwitchMode;
  /** Inputs of `position` mode, by position. */
  readonly settings: Map<number, Value>;
}

export function newDraft(network: SuperNetwork, b: GraphBuilder, modes: SwitchModes): Draft {
  for (const constant of network.graph.constants()) b.reserve(constant.name);
  const modeOf = typeof modes === 'function' ? modes : () => modes;
  return { b, network, data: [], parameters: [], modeOf, settings: new Map() };
}

/** Gives the parents' inputs to a stream. */
export function addImages({ b, network, data }: Draft, stream: Stream): void {
  for (const name of new Set(network.parents.flatMap(p => p.inputs))) {
    const input = network.graph.input(name);
    b.adoptInput(input);
    stream.set(input, input);
    data.push(name);
  }
}

/** Gives a stream the parameters of the stitches of these switches. */
export function addStitches(
  { b, network, parameters, modeOf }: Draft,
  streams: readonly Stream[],
  active: readonly Switch[],
): void {
  const wanted = new Set(active.flatMap(s => s.features.filter((_, i) => i > 0 && isWeighed(modeOf(s), i))));
  for (const stitch of network.stitches) {
    if (!wanted.has(stitch.output)) continue;
    for (const name of [stitch.weight, stitch.bias]) {
      const input = network.graph.input(name);
      b.adoptInput(input);
      for (const stream of streams) stream.set(input, input);
      parameters.push(name);
    }
  }
}

/** Whether a mode gives a source any weight. */
const isWeighed = (mode: SwitchMode, source: number): boolean => typeof mode === 'string' || mode[source] !== 0;

/** What the switch lets through in a stream. */
export function applySwitch(draft: Draft, stream: Stream, s: Switch): void {
  const features = s.features.map(f => stream.read(f));
  const asked = draft.modeOf(s);
  const mode = typeof asked === 'string' ? asked : asked.filter(weight => weight !== 0);
  const weighed = features.filter((_, i) => isWeighed(asked, i));
  const given = weighed.filter(f => f !== undefined);
  if (mode === 'original' || given.length < weighed.length) {
    stream.set(s.output, features[0]);
    return;
  }
  if (mode === 'stitched' && given.length === 2) {
    stream.set(s.output, given[1]);
    return;
  }
  if (typeof mode !== 'string' && mode.length === 1 && mode[0] === 1) {
    stream.set(s.output, given[0]);
    return;
  }
  const name = `stitched/${s.weights}`;
  if (mode === 'position') {
    stream.set(s.output, blend(draft, s, given, name));
    return;
  }
  const weights = switchWeights(draft, s.weights, mode, given);
  stream.set(s.output, draft.b.op('Switch', [weights, ...given], {}, { name, outputs: [`${name}/output`] }));
}

/** The double batch: the reference takes the original at every switch, the stitched stream what the draft's modes say. */
interface DoubleStreams {
  readonly reference: Stream;
  readonly stitched: Stream;
}

/**
 * Runs both streams through the whole network. `onNode` is told of each node before they follow it, `onSwitch` of each switch once both
 * have its result.
 */
export function doubleStreams(
  draft: Draft,
  active: readonly Switch[],
  {
    onNode,
    onSwitch,
  }: {
    readonly onNode?: (node: AnyNode, streams: DoubleStreams) => void;
    readonly onSwitch?: (s: Switch, streams: DoubleStreams) => void;
  } = {},
): DoubleStreams {
  const { b, network } = draft;
  const reference = new Stream(b);
  const stitched = new Stream(b, 'stitched/', reference);
  const streams = { reference, stitched };
  addImages(draft, reference);
  for (const name of draft.data) stitched.set(network.graph.input(name), network.graph.input(name));
  addStitches(draft, [stitched], active);
  const switches = switchesByOutput(network);
  for (const node of network.graph.nodes) {
    onNode?.(node, streams);
    const s = switches.get(node.outputs[0]);
    if (!s) {
      reference.follow(node);
      stitched.follow(node);
      continue;
    }
    reference.set(s.output, reference.read(s.original));
    applySwitch(draft, stitched, s);
    onSwitch?.(s, streams);
  }
  return streams;
}

export const switchesByOutput = (network: SuperNetwork): ReadonlyMap<Value, Switch> =>
  new Map(network.switches.map(s => [s.output, s]));

/** The name of the input that holds each sample's weight on the originals of a position, [N, 1, ...] of the features' rank. */
export const settingInput = (position: number): string => `setting/${position}`;

/** The name of the input that holds each sample's shares of the stitched sources of a switch, [S - 1, N], where there are several. */
export const sourcesInput = ({ position, parent }: Pick<Switch, 'position' | 'parent'>): string =>
  `${settingInput(position)}/${parent}`;

/** `stitched + w · (original - stitched)`: a sample's own weight at all switches of the position. */
function blend(draft: Draft, s: Switch, [first, ...others]: readonly Value[], name: string): Value {
  const { b } = draft;
  const stitched =
    others.length === 1
      ? others[0]
      : b.op('Switch', [switchWeights(draft, sourcesInput(s), 'sample', others), ...others]);
  const weight = draft.settings.get(s.position) ?? b.input(settingInput(s.position), settingType(first.type));
  if (!draft.settings.has(s.position)) {
    draft.settings.set(s.position, weight);
    draft.data.push(weight.name);
  }
  const difference = b.op('Mul', [weight, b.op('Sub', [first, stitched])]);
  return b.op('Add', [stitched, difference], {}, { name, outputs: [`${name}/output`] });
}

const settingType = ({ dtype, shape }: TensorType): TensorType => ({
  dtype,
  shape: shape.map((d, i) => (i === 0 ? d : 1)),
});

/** The weights of a switch with these features, of the form that the mode asks for. */
export function switchWeights(
  { b, data, parameters }: Draft,
  name: string,
  mode: Exclude<SwitchMode, 'original' | 'position'>,
  features: readonly Value[],
): Value {
  const [{ type }] = features;
  const count = features.length;
  const constant = (values: readonly number[]): Value =>
    b.constant(tensorFromNumbers(type.dtype, [count], values), name);
  if (typeof mode !== 'string') {
    if (mode.length !== count) {
      throw new SutureError(
        'option-invalid',
        `The switch '${name}' has ${count} sources, but ${mode.length} weights were given.`,
      );
    }
    return constant(mode);
  }
  if (mode === 'stitched') return constant(features.map((_, i) => (i === 0 ? 0 : 1 / (count - 1))));
  const input = b.input(name, weightsType(mode, type, count));
  if (mode === 'step' || mode === 'sample') {
    data.push(input.name);
    return input;
  }
  parameters.push(input.name);
  return b.op('Softmax', [input], { axis: 0 }, { name: `${name}/softmax` });
}

function weightsType(mode: SwitchMode, feature: TensorType, count: number): TensorType {
  const { dtype, shape } = feature;
  const axis = channelAxis(shape.length);
  const rest: Shape =
    mode === 'sample'
      ? [shape[0]]
      : mode === 'learned-per-channel'
        ? shape.slice(0, axis + 1).map((d, i) => (i === axis ? d : 1))
        : [];
  return { dtype, shape: [count, ...rest] };
}
