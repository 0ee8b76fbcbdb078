import type { Dag } from '../../../passes/match/dag.ts';
import type { VertexPair } from '../../../passes/match/problem.ts';

/** What can be wrong with a set of pairs. */
type MatchingFault =
  | { readonly kind: 'repeated'; readonly side: 'a' | 'b'; readonly vertex: number }
  | { readonly kind: 'incompatible'; readonly pair: VertexPair }
  | { readonly kind: 'cycle'; readonly pairs: readonly VertexPair[] };

/**
 * Checks a matching against its definition, by nothing that a matcher uses: no vertex occurs twice, every pair is
 * allowed, and the graph A ∪ B with every pair contracted to one vertex has no cycle, that is, all stitches can be used
 * in both directions at once. Returns undefined if all is well, else the first fault; a cycle comes with pairs on it.
 */
export function findFault(
  a: Dag,
  b: Dag,
  pairs: readonly VertexPair[],
  allowed: (a: number, b: number) => boolean,
): MatchingFault | undefined {
  const partnerOfB = new Int32Array(b.size).fill(-1);
  const seenInA = new Uint8Array(a.size);
  for (const pair of pairs) {
    if (seenInA[pair.a]) return { kind: 'repeated', side: 'a', vertex: pair.a };
    if (partnerOfB[pair.b] !== -1) return { kind: 'repeated', side: 'b', vertex: pair.b };
    if (!allowed(pair.a, pair.b)) return { kind: 'incompatible', pair };
    seenInA[pair.a] = 1;
    partnerOfB[pair.b] = pair.a;
  }
  const onCycle = findCycle(contract(a, b, pairs));
  if (onCycle === undefined) return undefined;
  const vertices = new Set(onCycle);
  return { kind: 'cycle', pairs: pairs.filter(pair => vertices.has(pair.a)) };
}

/** The vertices of some cycle, in order, or undefined if there is none (depth-first search with its own stack). */
function findCycle(graph: Contraction): number[] | undefined {
  const untouched = 0;
  const onPath = 1;
  const finished = 2;
  const state = new Uint8Array(graph.size);
  const nextEdge = graph.successorStart.slice(0, graph.size);
  const path: number[] = [];
  for (let root = 0; root < graph.size; root++) {
    if (state[root] !== untouched) continue;
    path.push(root);
    state[root] = onPath;
    while (path.length > 0) {
      const v = path[path.length - 1];
      const e = nextEdge[v]++;
      if (e === graph.successorStart[v + 1]) {
        state[v] = finished;
        path.pop();
        continue;
      }
      const w = graph.successors[e];
      if (state[w] === onPath) return path.slice(path.indexOf(w));
      if (state[w] === untouched) {
        state[w] = onPath;
        path.push(w);
      }
    }
  }
  return undefined;
}

/** A directed graph that may have cycles, in compressed sparse rows. */
interface Contraction {
  readonly size: number;
  readonly successorStart: Int32Array;
  readonly successors: Int32Array;
  /** Vertex of the contraction that A's vertex `a` is part of: `a` itself. B's vertex `b`: its partner, or `a.size + b`. */
  readonly vertexOfB: Int32Array;
}

/** A ∪ B with every pair contracted to one vertex. A matched vertex of B leaves its own number unused. */
function contract(a: Dag, b: Dag, pairs: readonly VertexPair[]): Contraction {
  const size = a.size + b.size;
  const vertexOfB = new Int32Array(b.size);
  for (let v = 0; v < b.size; v++) vertexOfB[v] = a.size + v;
  for (const pair of pairs) vertexOfB[pair.b] = pair.a;
  const successorStart = new Int32Array(size + 1);
  for (let v = 0; v < a.size; v++) successorStart[v + 1] += a.successorStart[v + 1] - a.successorStart[v];
  for (let v = 0; v < b.size; v++) {
    successorStart[vertexOfB[v] + 1] += b.successorStart[v + 1] - b.successorStart[v];
  }
  for (let v = 0; v < size; v++) successorStart[v + 1] += successorStart[v];
  const cursor = successorStart.slice();
  const successors = new Int32Array(a.edgeCount + b.edgeCount);
  for (let v = 0; v < a.size; v++) {
    for (let e = a.successorStart[v]; e < a.successorStart[v + 1]; e++) successors[cursor[v]++] = a.successors[e];
  }
  for (let v = 0; v < b.size; v++) {
    for (let e = b.successorStart[v]; e < b.successorStart[v + 1]; e++) {
      successors[cursor[vertexOfB[v]]++] = vertexOfB[b.successors[e]];
    }
  }
  return { size, successorStart, successors, vertexOfB };
}
