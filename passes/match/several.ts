import type { FeaturePair, MatchedPair, TaggedGraph } from '../stitch.ts';
import { type Matching, type MatchOptions, match } from './match.ts';

/** Which parents are matched with each other: the first with every other one, or every one with every other one. */
export const matchWiths = ['backbone', 'all'] as const;
export type MatchWith = (typeof matchWiths)[number];

export interface MatchParentsOptions extends Omit<MatchOptions, 'similarity' | 'names' | 'tags' | 'grids'> {
  /** What messages call the parents, by their tags. */
  readonly names?: Readonly<Record<string, string>>;
  /** Default `backbone`. */
  readonly with?: MatchWith | undefined;
  /** As in {@link MatchOptions}, with the tags of the two parents that are matched. */
  readonly similarity?: ((tagA: string, tagB: string) => MatchOptions['similarity']) | undefined;
}

/** Two parents and how they were matched, before their pairs met those of others. */
export interface ParentsMatched extends Omit<Matching, 'pairs'> {
  readonly a: string;
  readonly b: string;
  /** How many pairs were found, and how many of them were left out: with the pairs of other parents they would close a cycle. */
  readonly found: number;
  readonly dropped: number;
}

export interface ParentsMatching {
  /** Each joins one feature of each of two parents. In an order that is topological in the first of the two. */
  readonly pairs: readonly MatchedPair[];
  /** Sum of the pairs' scores. */
  readonly score: number;
  readonly matched: readonly ParentsMatched[];
}

/**
 * Matches the layers of two or more networks. Two are matched by {@link match}. Of more, each partner is matched with the first
 * network, the backbone, by itself, so that neither the partners' order nor their number changes what is found; under `all`, partners are
 * matched with each other as well. The union of all pairs is kept where it closes no cycle; else pairs are taken in the order of their
 * scores, the backbone's first, and those that would close one, or join two features of one parent, are left out.
 *
 * Time and the number of pairs grow linearly with the number of parents for a backbone, with its square for `all`.
 *
 * @throws SutureError as {@link match}.
 */
export function matchParents(
  parents: readonly TaggedGraph[],
  { with: whom = 'backbone', similarity, names, ...options }: MatchParentsOptions = {},
): ParentsMatching {
  const couples = parents.flatMap((a, i) =>
    parents.slice(i + 1).flatMap(b => (i === 0 || whom === 'all' ? [{ a, b }] : [])),
  );
  const found = couples.map(({ a, b }) => {
    const { pairs, ...facts } = match(a.graph, b.graph, {
      ...options,
      tags: [a.tag, b.tag],
      grids: [a.grid, b.grid],
      names: [names?.[a.tag] ?? `parent '${a.tag}'`, names?.[b.tag] ?? `parent '${b.tag}'`],
      similarity: similarity?.(a.tag, b.tag),
    });
    return { a, b, facts, pairs };
  });
  const ofBackbone = found.filter(({ a }) => a === parents[0]).map(f => f.pairs);
  const others = found.filter(({ a }) => a !== parents[0]).map(f => f.pairs);
  const kept = new Set(acyclicUnion(parents, [ofBackbone.flat(), others.flat()]));
  const score = (pairs: readonly MatchedPair[]): number => pairs.reduce((sum, p) => sum + p.score, 0);
  const matched = found.map(({ a, b, facts, pairs }): ParentsMatched => {
    const left = pairs.filter(p => kept.has(p));
    const dropped = pairs.length - left.length;
    return { ...facts, a: a.tag, b: b.tag, score: score(left), found: pairs.length, dropped };
  });
  const pairs = found.flatMap(f => f.pairs.filter(p => kept.has(p)));
  return { pairs, score: score(pairs), matched };
}

/** What decides between pairs. */
type Weighed = Pick<MatchedPair, 'features' | 'score'>;

/**
 * Of pairs those that can all be joined at once: contracted, no group holds two features of one parent, and the graph of all parents
 * has no cycle. Pairs of an earlier class come before those of a later one, then those of higher scores.
 */
export function acyclicUnion<P extends Weighed>(
  parents: readonly TaggedGraph[],
  classes: readonly (readonly P[])[],
): readonly P[] {
  const all = new JoinedGraph(parents);
  const everything = classes.flat();
  if (everything.every(pair => all.join(pair)) && all.isAcyclic()) return everything;
  const growing = new JoinedGraph(parents);
  return classes.flatMap(pairs => [...pairs].sort(byScore).filter(pair => growing.joinAcyclic(pair)));
}

/** By names at last, not by tags: the order in which parents were given must not decide. */
function byScore(p: Weighed, q: Weighed): number {
  const text = ({ features }: Weighed): string => Object.values(features).sort().join('\u0000');
  return q.score - p.score || (text(p) < text(q) ? -1 : 1);
}

/** The nodes of all parents, numbered; those of joined features are contracted to one vertex. */
class JoinedGraph {
  readonly #successors: (readonly number[])[] = [];
  /** The parent of each node. */
  readonly #parentOf: number[] = [];
  readonly #nodeOf = new Map<string, number>();
  /** What a node was contracted into: itself, as long as it stands for itself. */
  readonly #into: number[] = [];
  readonly #members: (readonly number[])[] = [];

  constructor(parents: readonly TaggedGraph[]) {
    for (const [p, { tag, graph }] of parents.entries()) {
      const first = this.#into.length;
      const numbers = new Map(graph.nodes.map((node, i) => [node, first + i]));
      for (const [node, v] of numbers) {
        for (const { name } of node.outputs) this.#nodeOf.set(keyOf(tag, name), v);
        const readers = new Set(node.outputs.flatMap(output => graph.consumers(output)));
        this.#successors.push(Array.from(readers, reader => numbers.get(reader)!));
        this.#parentOf.push(p);
        this.#into.push(v);
        this.#members.push([v]);
      }
    }
  }

  /** Contracts a pair. False, and nothing done, where that would join two nodes of one parent. */
  join(pair: FeaturePair): boolean {
    const [p, q] = this.#verticesOf(pair);
    if (p === q) return true;
    const members = [...this.#members[p], ...this.#members[q]];
    if (new Set(members.map(node => this.#parentOf[node])).size < members.length) return false;
    this.#into[q] = p;
    this.#members[p] = members;
    return true;
  }

  /** Contracts a pair. False, and nothing done, where that would also close a cycle. */
  joinAcyclic(pair: FeaturePair): boolean {
    const [p, q] = this.#verticesOf(pair);
    return p === q || (!this.#reaches(p, q) && !this.#reaches(q, p) && this.join(pair));
  }

  isAcyclic(): boolean {
    const vertices = this.#into.flatMap((into, v) => (into === v ? [v] : []));
    const waiting = new Int32Array(this.#into.length);
    for (const v of vertices) for (const next of this.#next(v)) waiting[next]++;
    const ready = vertices.filter(v => waiting[v] === 0);
    let done = 0;
    for (let v = ready.pop(); v !== undefined; v = ready.pop()) {
      done++;
      for (const next of this.#next(v)) if (--waiting[next] === 0) ready.push(next);
    }
    return done === vertices.length;
  }

  #reaches(from: number, to: number): boolean {
    const seen = new Set([from]);
    const open = [from];
    for (let v = open.pop(); v !== undefined; v = open.pop()) {
      for (const next of this.#next(v)) {
        if (next === to) return true;
        if (seen.has(next)) continue;
        seen.add(next);
        open.push(next);
      }
    }
    return false;
  }

  #verticesOf({ features }: FeaturePair): readonly [number, number] {
    const [p, q] = Object.entries(features).map(([tag, name]) => this.#vertex(this.#nodeOf.get(keyOf(tag, name))!));
    return [p, q];
  }

  #vertex(node: number): number {
    let vertex = node;
    while (this.#into[vertex] !== vertex) vertex = this.#into[vertex];
    return vertex;
  }

  #next(vertex: number): readonly number[] {
    return this.#members[vertex].flatMap(node => this.#successors[node].map(next => this.#vertex(next)));
  }
}

const keyOf = (tag: string, name: string): string => `${tag}\u0000${name}`;
