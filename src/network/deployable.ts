/** A super-network under one setting, as it is deployed: ONNX's own operators, and a file that says what it is. */
import type { Graph } from '../../ir/index.ts';
import {
  type GateScope,
  gateAbreast,
  guardSizes,
  meaningText,
  type OutputMeaning,
  type Setting,
  settle,
  settleAbreast,
  settledMeaning,
  settleGated,
  sizesText,
} from '../../passes/index.ts';
import { fixedBatch } from '../execution/fixed-batch.ts';
import { gateMetadata } from './gate.ts';
import type { NetworkInterface } from './interface.ts';
import { knownMeaning, meaningMetadata } from './meaning.ts';
import { withMetadata } from './metadata.ts';
import type { TrainedNetwork } from './network.ts';
import type { ByTag } from './tags.ts';

/** Trained stitches, and the parents that they join. */
export interface Deployable extends TrainedNetwork {
  readonly parents: readonly NetworkInterface[];
}

/** The graph of a setting; its metadata say what its output means, and over what its gate acts. */
export function settledFor(
  { network, parameters, parents }: Deployable,
  setting: Setting,
  gated = false,
  over: GateScope = 'image',
): Graph {
  const settled = gated
    ? settleGated(network, setting, parameters, { standard: true, over })
    : settle(network, setting, parameters, { standard: true });
  const graph = guardSizes(
    settled,
    parents.map(parent => parent.inputType.shape),
  );
  return withMetadata(graph, {
    ...meaningMetadata(settledMeaning(network.outputs[0], setting)),
    ...(gated && gateMetadata(over)),
  });
}

/** The network of a setting as it is trained where its outputs are gated: see `settleAbreast`. */
export const abreastFor = ({ network, parameters, parents }: Deployable, setting: Setting): Graph =>
  guardSizes(
    settleAbreast(network, setting, parameters),
    parents.map(parent => parent.inputType.shape),
  );

/** What {@link abreastFor} gave, with its gate. @param meaning of each answer. @param shares of the answers before the gate. */
export const gatedFor = (graph: Graph, meaning: OutputMeaning, shares: readonly number[]): Graph =>
  withMetadata(gateAbreast(graph, meaning, shares), gateMetadata('image'));

/** What is known of a network that was made, beside its graph. */
export interface Making {
  /** Which of all that can be made of the parents it is. */
  readonly note: string;
  /** By tag: the SHA-256 of the parents' files. */
  readonly parents: ByTag<string>;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Sentences for people. */
  readonly texts?: readonly string[];
}

/** A network that says in its file what it is, what it needs, and how it was made. */
export function describedAs(graph: Graph, { note, parents, metadata = {}, texts = [] }: Making): Graph {
  const sizes = sizesText(graph.inputs[0].type.shape);
  const known = withMetadata(graph, {
    'suture.batch': String(fixedBatch(graph) ?? 'any'),
    ...(sizes !== undefined && { 'suture.sizes': sizes }),
    'suture.setting': note,
    ...metadata,
    ...Object.fromEntries(Object.entries(parents).map(([tag, sha256]) => [`suture.parent.${tag}`, sha256])),
  });
  const meaning = knownMeaning(known);
  const documentation = [
    `Made by suture of ${Object.keys(parents).length} networks: ${note}.`,
    ...(meaning ? [`Its output is ${meaningText(meaning)}.`] : []),
    ...texts,
  ].join(' ');
  return known.with({ info: { ...known.info, documentation } });
}

/** A network that says in its file what it scored on the data that it was chosen by, and under shift. */
export function scored(
  graph: Graph,
  metric: string,
  { own, shift = Number.NaN }: { readonly own: number; readonly shift?: number | undefined },
): Graph {
  const scores = Object.entries({ own, shift }).filter(([, score]) => Number.isFinite(score));
  return withMetadata(graph, {
    'suture.score.metric': metric,
    ...Object.fromEntries(scores.map(([name, score]) => [`suture.score.${name}`, String(score)])),
  });
}

/** A network without what {@link describedAs}, {@link scored} and the run that it is of say in its file: it is true of other weights no more. */
export function undescribed(graph: Graph): Graph {
  const { documentation: _, metadata = {}, ...info } = graph.info;
  if (metadata['suture.setting'] === undefined) return graph;
  const kept = Object.entries(metadata).filter(([key]) => !/^suture\.(parent|run|score|setting)(\.|$)/.test(key));
  return graph.with({ info: { ...info, metadata: Object.fromEntries(kept) } });
}
