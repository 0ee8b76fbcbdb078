import { type Graph, printable, SutureError } from '../../ir/index.ts';
import type { TaggedGraph } from './inputs.ts';
import type { Position, Tag } from './network.ts';

/** A pair to stitch, or a group with one feature for each of several parents. */
export interface FeaturePair {
  /** By tag: the feature's value name in the parent. */
  readonly features: Readonly<Record<Tag, string>>;
  readonly score?: number;
  /** By tag: how far into the parent the feature lies, from 0 at the input to 1 at the output. */
  readonly progress?: Readonly<Record<Tag, number>>;
}

/** A pair that was matched, and not just named. */
export type MatchedPair = Required<FeaturePair>;

/** A group of pairs as it grows. */
interface Group extends FeaturePair {
  readonly links: readonly (readonly [Tag, Tag])[];
}

const keyOf = (tag: Tag, feature: string): string => `${tag}\u0000${feature}`;

/**
 * Pairs as positions: pairs that share a feature (three parents, matched two and two) are one position, whose score is the
 * sum of theirs, and whose parents are stitched to each other as the pairs say. In the order of the first parent's features.
 *
 * @throws SutureError `pairs-invalid` when a pair names an unknown parent or value, or joins two features of one parent.
 */
export function positionsOf(parents: readonly TaggedGraph[], pairs: readonly FeaturePair[]): readonly Position[] {
  const graphs = new Map(parents.map(p => [p.tag, p.graph]));
  const order = new Map<string, number>();
  for (const { tag, graph } of parents) {
    // Relative places in the file's order make features of different parents comparable.
    graph.nodes.forEach((node, i) => {
      for (const output of node.outputs) order.set(keyOf(tag, output.name), (i + 1) / graph.nodes.length);
    });
  }
  const groups: Group[] = [];
  const groupOf = new Map<string, Group>();
  for (const pair of pairs) {
    check(pair, graphs, order);
    const keys = Object.entries(pair.features).map(([tag, feature]) => keyOf(tag, feature));
    const joined = [...new Set(keys.map(k => groupOf.get(k)).filter(g => g !== undefined))];
    const group = [...joined, { ...pair, links: linksOf(pair) }].reduce(merge);
    for (const old of joined) groups.splice(groups.indexOf(old), 1);
    groups.push(group);
    for (const [tag, feature] of Object.entries(group.features)) groupOf.set(keyOf(tag, feature), group);
  }
  const place = ({ features }: FeaturePair): number => {
    const [tag, feature] = Object.entries(features).sort(([a], [b]) => rank(parents, a) - rank(parents, b))[0];
    return order.get(keyOf(tag, feature))!;
  };
  return groups
    .map(group => ({ group, at: place(group) }))
    .sort((a, b) => a.at - b.at)
    .map(({ group, at }, id) => ({
      id,
      features: group.features,
      links: group.links,
      score: group.score ?? 0,
      progress: Object.fromEntries(Object.keys(group.features).map(tag => [tag, group.progress?.[tag] ?? at])),
    }));
}

const rank = (parents: readonly TaggedGraph[], tag: Tag): number => parents.findIndex(p => p.tag === tag);

function check(pair: FeaturePair, graphs: ReadonlyMap<Tag, Graph>, order: ReadonlyMap<string, number>): void {
  const entries = Object.entries(pair.features);
  if (entries.length < 2) throw invalid(`A pair names ${entries.length} feature; it needs one of each of two parents.`);
  for (const [tag, feature] of entries) {
    if (!graphs.has(tag)) throw invalid(`A pair names the parent '${printable(tag)}', which is not there.`);
    if (!order.has(keyOf(tag, feature))) {
      throw invalid(`A pair names the feature '${printable(feature)}', which no node of parent '${tag}' computes.`);
    }
  }
}

const linksOf = ({ features }: FeaturePair): Group['links'] => {
  const tags = Object.keys(features);
  return tags.flatMap((tag, i) => tags.slice(i + 1).map(other => [tag, other] as const));
};

function merge(a: Group, b: Group): Group {
  for (const [tag, feature] of Object.entries(b.features)) {
    const other = a.features[tag];
    if (other === undefined || other === feature) continue;
    throw invalid(
      `The pairs join '${printable(other)}' and '${printable(feature)}' of parent '${tag}' in one position; a position has one ` +
        'feature of each parent.',
    );
  }
  return {
    features: { ...a.features, ...b.features },
    links: [...a.links, ...b.links.filter(link => !a.links.some(known => sameLink(known, link)))],
    score: (a.score ?? 0) + (b.score ?? 0),
    progress: { ...a.progress, ...b.progress },
  };
}

const sameLink = ([p, q]: Group['links'][number], [r, s]: Group['links'][number]): boolean =>
  (p === r && q === s) || (p === s && q === r);

export const invalid = (message: string): SutureError => new SutureError('pairs-invalid', message);
