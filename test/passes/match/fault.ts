import { type Contraction, contract, type VertexPair } from '../../../passes/match/contraction.ts';
import type { Dag } from '../../../passes/match/dag.ts';

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
