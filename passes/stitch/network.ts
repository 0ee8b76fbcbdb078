import type { Graph, Tensor, Value } from '../../ir/index.ts';
import type { OutputMeaning } from './meaning.ts';
import type { MatchedPair } from './positions.ts';

/** A short name of a parent, unique among the parents: `a`, `b`, ... It prefixes names and marks where a node came from. */
export type Tag = string;

/** What each parent's inputs and outputs are called in the super-network, in the order of its file. */
export interface Parent {
  readonly tag: Tag;
  /** Names of graph inputs; parents share them. */
  readonly inputs: readonly string[];
  /** Names of graph outputs that hold this parent's own result, `a/logits`. Switches upstream act on it. */
  readonly outputs: readonly string[];
}

/** A place where parents are joined: one feature (activation tensor) of each of two or more parents. */
export interface Position extends MatchedPair {
  /** Its index in the list of positions, which is in topological order. */
  readonly id: number;
  /** Which of its parents are stitched to each other, in both directions: all to all, or partners to the backbone only. */
  readonly links: readonly (readonly [Tag, Tag])[];
}

/** An affine map of channels from one parent's feature to another's space: a `Stitch` node with graph inputs as parameters. */
export interface Stitch {
  /** `Position.id`. */
  readonly position: number;
  readonly from: Tag;
  readonly to: Tag;
  /** Name of the graph input that holds the weight [outputChannels, inputChannels]: `stitch/3/b-a/weight`. */
  readonly weight: string;
  /** Name of the graph input that holds the bias [outputChannels]: `stitch/3/b-a/bias`. */
  readonly bias: string;
  readonly inputChannels: number;
  readonly outputChannels: number;
  /** The raw feature of `from`, before that network's own switch; on another grid than `to` at the places of that one. */
  readonly source: Value;
  /** What the stitch makes of it, in the space of `to`. */
  readonly output: Value;
}

/** A convex combination of a parent's own feature and those stitched to it: a `Switch` node with a graph input as weights. */
export interface Switch {
  /** `Position.id`. */
  readonly position: number;
  readonly parent: Tag;
  /** Name of the graph input that holds the weights, one for each source: `switch/3/a`. */
  readonly weights: string;
  /** Where each source comes from; the first is the parent itself. */
  readonly sources: readonly Tag[];
  /** The raw feature of the parent: `features[0]`. */
  readonly original: Value;
  /** One for each source: the original, then the outputs of stitches. */
  readonly features: readonly Value[];
  /** What all former consumers of the original read. */
  readonly output: Value;
}

/** What of the outputs is averaged: probabilities, of which logits or log-probabilities are made again, or the numbers as they are. */
export type OutputMean = 'probabilities' | 'plain';

/** Where the parents' outputs meet. */
export interface OutputSwitch {
  /** Name of the graph output that holds the combination: that of the first parent's output. */
  readonly name: string;
  /** Name of the graph input that holds the weights, one for each parent: `output/logits`. */
  readonly weights: string;
  /** Tags, in the order of the weights. */
  readonly sources: readonly Tag[];
  /** The parents' own outputs, in the same order; where they differ in what they mean, brought to `meaning`. */
  readonly features: readonly Value[];
  /** What all of `features` mean. */
  readonly meaning: OutputMeaning;
  readonly mean: OutputMean;
  /** The combination. */
  readonly output: Value;
  /** What the combination means. */
  readonly combined: OutputMeaning;
}

/**
 * Parents joined at every matched position. The weights of switches and the parameters of stitches are graph inputs, so one
 * graph serves every setting and all of training.
 */
export interface SuperNetwork {
  readonly graph: Graph;
  readonly parents: readonly Parent[];
  readonly positions: readonly Position[];
  readonly stitches: readonly Stitch[];
  readonly switches: readonly Switch[];
  readonly outputs: readonly OutputSwitch[];
}

/**
 * Weights by the name of the graph input that holds them (`Switch.weights`, `OutputSwitch.weights`): one number for each
 * source, or a tensor in the form that the `Switch` operator takes, for weights per channel. A setting made by the functions
 * below has an entry for every switch.
 */
export type Setting = ReadonlyMap<string, readonly number[] | Tensor>;

const only = (count: number, source: number): number[] =>
  Array.from({ length: count }, (_, i) => (i === source ? 1 : 0));

const mean = (count: number): number[] => Array<number>(count).fill(1 / count);

/** All weight on the sources past the first, evenly. A switch with one source keeps it. */
const stitched = (count: number): number[] =>
  count === 1 ? [1] : Array.from({ length: count }, (_, i) => (i === 0 ? 0 : 1 / (count - 1)));

/** A weight for the first of several sources, and the rest evenly for the others. A switch with one source keeps it. */
export const weighed = (weight: number, count: number): number[] =>
  count === 1 ? [1] : Array.from({ length: count }, (_, i) => (i === 0 ? weight : (1 - weight) / (count - 1)));

function settingOf(network: SuperNetwork, weigh: (s: Switch) => readonly number[]): Setting {
  return new Map([
    ...network.switches.map(s => [s.weights, weigh(s)] as const),
    ...network.outputs.map(o => [o.weights, mean(o.sources.length)] as const),
  ]);
}

/** Every parent as it was; outputs averaged: the output ensemble. */
export const original = (network: SuperNetwork): Setting => settingOf(network, s => only(s.sources.length, 0));

/** Every switch on its stitched features; outputs averaged. */
export const allStitched = (network: SuperNetwork): Setting => settingOf(network, s => stitched(s.sources.length));

/** The given positions on stitched features, the others on the original; outputs averaged. */
export const stitchedAt = (network: SuperNetwork, ...positions: readonly number[]): Setting =>
  settingOf(network, s => (positions.includes(s.position) ? stitched(s.sources.length) : only(s.sources.length, 0)));

/** The given positions averaged in both directions, the others on the original; outputs averaged: the published recipe. */
export const averagedAt = (network: SuperNetwork, ...positions: readonly number[]): Setting =>
  settingOf(network, s => (positions.includes(s.position) ? mean(s.sources.length) : only(s.sources.length, 0)));

/** `weight` on the original and the rest evenly on the stitched features at the given positions; outputs averaged. */
export const weightedAt = (network: SuperNetwork, weight: number, ...positions: readonly number[]): Setting =>
  settingOf(network, s => {
    const count = s.sources.length;
    return positions.includes(s.position) ? weighed(weight, count) : only(count, 0);
  });

/** The same setting with other weights of the outputs, one for each parent; every output gets the same. */
export const withOutputs = (network: SuperNetwork, setting: Setting, weights: readonly number[]): Setting =>
  new Map([...setting, ...network.outputs.map(o => [o.weights, weights] as const)]);

/** The parent whose output has all the weight of a setting, as an index of `sources`; undefined where several have some. */
export function onlySource({ weights }: OutputSwitch, setting: Setting): number | undefined {
  const given = setting.get(weights);
  if (given === undefined || 'dtype' in given) return undefined;
  const used = given.flatMap((w, p) => (w === 0 ? [] : [p]));
  return used.length === 1 && given[used[0]] === 1 ? used[0] : undefined;
}

/** What the output of the network that a setting picks out means. */
export const settledMeaning = (output: OutputSwitch, setting: Setting): OutputMeaning =>
  onlySource(output, setting) === undefined ? output.combined : output.meaning;

/** The same setting with one parent's output taken alone. */
export const withOutputOf = (network: SuperNetwork, setting: Setting, tag: Tag): Setting =>
  new Map([
    ...setting,
    ...network.outputs.map(o => [o.weights, only(o.sources.length, o.sources.indexOf(tag))] as const),
  ]);
