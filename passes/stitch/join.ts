import {
  type Dim,
  type Graph,
  GraphBuilder,
  type GraphInfo,
  isFloat,
  isStatic,
  printable,
  type Shape,
  SutureError,
  sameType,
  substitute,
  typeText,
  type Value,
} from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import { atPlacesOf, type BranchGrid, shapeOnShared } from '../other-grid.ts';
import { assumedSizes, type DimPair, openSizes } from '../sizes.ts';
import { alignNames, type SharedInputs, shareInputs, type TaggedGraph } from './inputs.ts';
import type { Position, Stitch, SuperNetwork, Switch, Tag } from './network.ts';
import { joinedOrder } from './order.ts';
import { addOutputSwitch, type OutputOptions } from './outputs.ts';
import { type FeaturePair, invalid, positionsOf } from './positions.ts';

export type StitchOptions = OutputOptions;

/**
 * Joins parents into a super-network: a stitch in each direction at each position, a switch after each matched feature, a
 * switch where the outputs meet. Stitches read the raw feature, before its own network's switch, resized where the parents' grids differ; all
 * former consumers of a feature read the switch.
 *
 * Requires: the parents are valid graphs with the same inputs and outputs up to names, and the pairs are compatible and close
 * no cycle. Guarantees: the first parent's names for inputs and outputs; nodes and values of a parent under `tag/name`, with
 * their origin; each parent's own outputs as further outputs `tag/name`; with every switch on the original these are computed
 * by the parents' own nodes on the parents' own values, bit for bit.
 *
 * @throws SutureError `parents-incompatible`, `pairs-invalid`, `no-pairs`.
 */
export function stitch(
  parents: readonly TaggedGraph[],
  pairs: readonly FeaturePair[],
  options: StitchOptions = {},
): SuperNetwork {
  const { to, inputs, joined, positions, stitches, switches } = joinFeatures(parents, pairs);
  const outputNames = alignNames(parents, 'output');
  const results = outputNames.map(names =>
    parents.map(({ tag, graph }, p) => read(to, tag, joined[p], graph.output(names[p]))),
  );
  const outputs = outputNames.map((names, i) => addOutputSwitch(to, parents, { names, values: results[i] }, options));
  for (const { name, output } of outputs) to.output(name, output);
  const parentOutputs = parents.map(({ tag }, p) =>
    outputNames.map((names, i) => {
      const name = `${tag}/${names[p]}`;
      to.output(name, results[i][p]);
      return name;
    }),
  );
  const byPosition = (a: { position: number }, b: { position: number }) => a.position - b.position;
  return {
    graph: to.build(),
    parents: parents.map(({ tag }, p) => ({ tag, inputs: inputs.map(v => v.name), outputs: parentOutputs[p] })),
    positions,
    stitches: stitches.sort(byPosition),
    switches: switches.sort(byPosition),
    outputs,
  };
}

/**
 * Whether pairs can be stitched, before anything is known of what the outputs mean.
 *
 * @throws SutureError `parents-incompatible`, `pairs-invalid`, `no-pairs`.
 */
export function checkPairs(parents: readonly TaggedGraph[], pairs: readonly FeaturePair[]): void {
  joinFeatures(parents, pairs);
}

/** The parents joined at their features, and not yet at their outputs. */
function joinFeatures(parents: readonly TaggedGraph[], pairs: readonly FeaturePair[]) {
  checkTags(parents);
  const { inputs: shared, dim } = shareInputs(parents);
  if (pairs.length === 0) {
    throw new SutureError(
      'no-pairs',
      'There is no pair of compatible features to stitch: the parents share no spatial extent at any depth.',
    );
  }
  const positions = positionsOf(parents, pairs);
  const steps = joinedOrder(parents, positions);
  const sizes = sizesOfJoined(parents, positions, shared, dim);

  const to = new GraphBuilder(parents.map(p => p.graph.name || p.tag).join('+'), joinedInfo(parents));
  const inputs = shared.map(({ name, type: { dtype, shape } }) =>
    to.input(name, { dtype, shape: shape.map(d => substitute(d, sizes)) }),
  );
  const joined = parents.map(({ graph }, p): Joined => {
    const values = new Map<Value, Value>();
    for (const [i, { names }] of shared.entries()) values.set(graph.input(names[p]), inputs[i]);
    return { raw: new Map(), values };
  });

  const stitches: Stitch[] = [];
  const switches: Switch[] = [];
  for (const step of steps) {
    if (step.kind === 'node') {
      addNode(to, parents[step.parent].tag, joined[step.parent], step.node);
      continue;
    }
    const added = addPosition(to, parents, joined, step.position);
    stitches.push(...added.stitches);
    switches.push(...added.switches);
  }
  return { to, inputs, joined, positions, stitches, switches };
}

/**
 * What the open sizes of joined parents stand for: the smallest multiples at which the features that are paired, and the outputs, are of
 * one size. Parents that round odd sizes differently have such pairs.
 */
function sizesOfJoined(
  parents: readonly TaggedGraph[],
  positions: readonly Position[],
  shared: SharedInputs['inputs'],
  dim: SharedInputs['dim'],
): Readonly<Record<string, Dim>> {
  const open = openSizes(shared.map(s => s.type.shape));
  if (open.size === 0) return {};
  const values = parents.map(({ graph }) => new Map(Array.from(graph.values(), v => [v.name, v.type.shape])));
  const pairsOf = (shapes: readonly (Shape | undefined)[]): readonly DimPair[] => {
    const [first, ...others] = shapes.flatMap((shape, p) => (shape ? [shape.map(d => dim(p, d))] : []));
    return others.flatMap(other => (other.length === first.length ? other.map((d, i) => [first[i], d] as const) : []));
  };
  const isOpen = (pair: DimPair): boolean => pair.some(d => !isStatic(d));
  const features = positions
    .flatMap(({ features }) => pairsOf(parents.map(({ tag }, p) => values[p].get(features[tag] ?? ''))))
    .filter(isOpen);
  const outputs = alignNames(parents, 'output')
    .flatMap(names => pairsOf(parents.map(({ graph }, p) => graph.output(names[p]).type.shape)))
    .filter(isOpen);
  return assumedSizes([...features, ...outputs], open) ?? assumedSizes(features, open) ?? {};
}

/** What became of a parent's values. */
interface Joined {
  /** By name in the parent: the feature there, and what the joined graph computes for it. */
  readonly raw: Map<string, { readonly feature: Value; readonly value: Value }>;
  /** What the consumers of a parent's value read. */
  readonly values: Map<Value, Value>;
}

function checkTags(parents: readonly TaggedGraph[]): void {
  if (parents.length < 2) {
    throw new SutureError('parents-incompatible', `Stitching needs at least two parents; ${parents.length} given.`);
  }
  const tags = parents.map(p => p.tag);
  const bad = tags.find((tag, i) => !/^[A-Za-z0-9_]+$/.test(tag) || tags.indexOf(tag) !== i);
  if (bad !== undefined) {
    throw new SutureError(
      'option-invalid',
      `The tag '${printable(bad)}' of a parent must be of letters, digits and '_', and be no other parent's.`,
    );
  }
}

/** The value that a consumer of `value` reads. Constants are taken over on first use. */
function read(to: GraphBuilder, tag: Tag, joined: Joined, value: Value): Value {
  const known = joined.values.get(value);
  if (known) return known;
  if (!value.constant) throw invalid(`The value '${printable(value.name)}' of parent '${tag}' is never computed.`);
  const copy = to.constant(value.constant, `${tag}/${value.name}`);
  joined.values.set(value, copy);
  return copy;
}

function addNode(to: GraphBuilder, tag: Tag, joined: Joined, node: Graph['nodes'][number]): void {
  const outputs = to.copy(
    node,
    node.inputs.map(v => v && read(to, tag, joined, v)),
    {
      name: `${tag}/${node.name}`,
      outputs: node.outputs.map(o => `${tag}/${o.name}`),
      origin: { ...(node.origin ?? { name: node.name }), parent: tag },
    },
  );
  for (const [i, output] of node.outputs.entries()) {
    joined.values.set(output, outputs[i]);
    joined.raw.set(output.name, { feature: output, value: outputs[i] });
  }
}

function addPosition(
  to: GraphBuilder,
  parents: readonly TaggedGraph[],
  joined: readonly Joined[],
  position: Position,
): { stitches: readonly Stitch[]; switches: readonly Switch[] } {
  const members = parents.flatMap(({ tag, grid }, p): Member[] => {
    const name = position.features[tag];
    if (name === undefined) return [];
    const { feature, value } = joined[p].raw.get(name)!;
    return [{ tag, joined: joined[p], feature, raw: value, grid }];
  });
  for (const member of members.slice(1)) checkPair(members[0], member);
  const stitches: Stitch[] = [];
  const switches: Switch[] = [];
  for (const target of members) {
    const linked = (m: Member): boolean =>
      position.links.some(([p, q]) => (p === m.tag && q === target.tag) || (q === m.tag && p === target.tag));
    const sources = [target, ...members.filter(m => m !== target && linked(m))];
    const features = sources.map(source => {
      if (source === target) return target.raw;
      const made = addStitch(to, position, source, target);
      stitches.push(made);
      return made.output;
    });
    const name = `switch/${position.id}/${target.tag}`;
    const weights = to.input(name, { dtype: target.raw.type.dtype, shape: [features.length] });
    const output = to.op('Switch', [weights, ...features], {}, { name, outputs: [`${name}/output`] });
    switches.push({
      position: position.id,
      parent: target.tag,
      weights: weights.name,
      sources: sources.map(s => s.tag),
      original: target.raw,
      features,
      output,
    });
    target.joined.values.set(target.feature, output);
  }
  return { stitches, switches };
}

/** A parent at a position. */
interface Member {
  readonly tag: Tag;
  readonly joined: Joined;
  /** The feature in the parent's own graph. */
  readonly feature: Value;
  /** What the joined graph computes for it. */
  readonly raw: Value;
  readonly grid: BranchGrid | undefined;
}

function addStitch(to: GraphBuilder, position: Position, source: Member, target: Member): Stitch {
  const [inputChannels, outputChannels] = [source, target].map(channelsOf);
  const { dtype } = source.raw.type;
  const name = `stitch/${position.id}/${source.tag}-${target.tag}`;
  const weight = to.input(`${name}/weight`, { dtype, shape: [outputChannels, inputChannels] });
  const bias = to.input(`${name}/bias`, { dtype, shape: [outputChannels] });
  const [from, onto] = [source, target].map(({ raw, grid }) => ({ value: raw, grid }));
  const placed = to.scope(name, () => atPlacesOf(to, from, onto));
  const output = to.op('Stitch', [placed, weight, bias], {}, { name, outputs: [`${name}/output`] });
  return {
    position: position.id,
    from: source.tag,
    to: target.tag,
    weight: weight.name,
    bias: bias.name,
    inputChannels,
    outputChannels,
    source: placed,
    output,
  };
}

function channelsOf({ tag, raw }: Member): number {
  const { shape } = raw.type;
  const channels = shape[channelAxis(shape.length)];
  if (isStatic(channels)) return channels;
  throw invalid(`The feature '${printable(raw.name)}' of parent '${tag}' has no fixed number of channels: ${raw}.`);
}

/** Same rank, dtype and extents but for the channels; on different grids the same strides. */
function checkPair(a: Member, b: Member): void {
  const axis = channelAxis(a.raw.type.shape.length);
  const open = ({ raw, feature, grid }: Member) => ({
    dtype: raw.type.dtype,
    shape: (shapeOnShared(feature.name, raw.type.shape, grid) ?? []).map((d, i): Dim => (i === axis ? 1 : d)),
  });
  const { rank, dtype } = { rank: a.raw.type.shape.length, dtype: a.raw.type.dtype };
  const [left, right] = [open(a), open(b)];
  if (rank >= 2 && rank <= 5 && isFloat(dtype) && left.shape.length === rank && sameType(left, right)) return;
  const [first, second] = [a, b].map(m => `'${printable(m.raw.name)}' (${typeText(m.raw.type)})`);
  throw invalid(
    `The pair of ${first} and ${second} can't be stitched: a pair needs floats of rank 2 to 5 that differ in their channels only.`,
  );
}

/** What the parents' files say, under names with the parent's tag. */
function joinedInfo(parents: readonly TaggedGraph[]): GraphInfo {
  const prefixed = <T>(pick: (info: GraphInfo) => Readonly<Record<string, T>> | undefined): Record<string, T> =>
    Object.fromEntries(
      parents.flatMap(({ tag, graph }) =>
        Object.entries(pick(graph.info) ?? {}).map(([key, value]) => [`${tag}/${key}`, value] as const),
      ),
    );
  return {
    metadata: prefixed(info => info.metadata),
    graph: { metadata: prefixed(info => info.graph?.metadata) },
    values: prefixed(info => info.values),
  };
}
