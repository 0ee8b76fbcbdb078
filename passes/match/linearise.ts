import { sameNumbers } from '../../ir/numbers.ts';
import {
  type Dag,
  depths,
  distancesFrom,
  distancesTo,
  heights,
  sinksOf,
  sourcesOf,
  topologicalOrderBy,
  VertexQueue,
} from './dag.ts';
import type { VertexPair } from './problem.ts';

/**
 * Topological orders of one graph that differ in how they interleave its branches. An alignment is only as good as the
 * two orders that it aligns, and which order is good depends on the other graph, so several are offered:
 *
 * - by number (in canonical form: by depth), by height, by positional progress, by the same along longest paths: branches
 *   run side by side, synchronised in one way or another;
 * - depth first, the longest branch first or last: branches stay whole.
 *
 * Orders that come out equal are returned once. Time and memory: linear in the graph but for a logarithm.
 */
export function candidateOrders(dag: Dag): Int32Array[] {
  const depth = depths(dag);
  const height = heights(dag);
  const fromSource = distancesFrom(dag, sourcesOf(dag));
  const toSink = distancesTo(dag, sinksOf(dag));
  const keys: ((v: number) => number)[] = [
    v => v,
    v => -height[v],
    v => fromSource[v] / Math.max(1, fromSource[v] + toSink[v]),
    v => depth[v] / Math.max(1, depth[v] + height[v]),
    v => depth[v] - height[v],
  ];
  const orders = keys.map(key =>
    topologicalOrderBy(
      dag,
      Float64Array.from({ length: dag.size }, (_, v) => key(v)),
    ),
  );
  orders.push(depthFirstOrder(dag, height, 1), depthFirstOrder(dag, height, -1));
  return orders.filter((order, i) => orders.findIndex(other => sameNumbers(order, other)) === i);
}

/** Does the graph have one topological order only, because a path runs through all vertices? */
export function isLinear(dag: Dag, order: Int32Array): boolean {
  for (let i = 0; i + 1 < order.length; i++) {
    const v = order[i];
    const from = dag.successorStart[v];
    const to = dag.successorStart[v + 1];
    if (!dag.successors.subarray(from, to).includes(order[i + 1])) return false;
  }
  return true;
}

/** Reverse postorder, which keeps branches whole; `sign` 1 places the branch with the longest way to go last. */
function depthFirstOrder(dag: Dag, height: Int32Array, sign: 1 | -1): Int32Array {
  const order = new Int32Array(dag.size);
  const visited = new Uint8Array(dag.size);
  const branches = (vertices: Iterable<number>): number[] =>
    [...vertices].sort((v, w) => sign * (height[v] - height[w]) || w - v);
  // What is still to be visited lies last in `rest`: taking from the front of a long list would move all of it each time.
  const path: { vertex: number; rest: number[] }[] = [];
  let free = dag.size;
  for (const root of branches(sourcesOf(dag)).reverse()) {
    visited[root] = 1;
    path.push({ vertex: root, rest: branches(successorsOf(dag, root)) });
    while (path.length > 0) {
      const top = path[path.length - 1];
      const next = top.rest.pop();
      if (next === undefined) {
        order[--free] = top.vertex;
        path.pop();
      } else if (!visited[next]) {
        visited[next] = 1;
        path.push({ vertex: next, rest: branches(successorsOf(dag, next)) });
      }
    }
  }
  return order;
}

function successorsOf(dag: Dag, v: number): Int32Array {
  return dag.successors.subarray(dag.successorStart[v], dag.successorStart[v + 1]);
}

/**
 * One topological order of the contraction of A ∪ B along `pairs`, and what it says of A and B alone: two orders in
 * which the pairs are monotone, so that aligning them anew cannot lose anything. `key` gives the priority of every
 * vertex of A, and of B's vertex `b` at `a.size + b`.
 */
export interface JointOrder {
  readonly orderA: Int32Array;
  readonly orderB: Int32Array;
  /** Rank of every vertex in the joint order, B's vertex `b` at `a.size + b`. Partners have the same rank. */
  readonly rank: Float64Array;
}

/**
 * The order that always takes the vertex of the smallest key whose predecessors are all placed (list scheduling), a pair as one
 * vertex with the number and key of A's. The number of B's has its turn by its own key, and stands for nothing.
 */
export function jointOrder(a: Dag, b: Dag, pairs: readonly VertexPair[], key: Float64Array): JointOrder {
  const size = a.size + b.size;
  const partner = new Int32Array(a.size).fill(-1);
  // The vertex that each of B's is part of: its partner, or its own number after A's.
  const vertexOfB = new Int32Array(b.size);
  for (let v = 0; v < b.size; v++) vertexOfB[v] = a.size + v;
  for (const pair of pairs) {
    partner[pair.a] = pair.b;
    vertexOfB[pair.b] = pair.a;
  }
  const missing = new Int32Array(size);
  for (let v = 0; v < a.size; v++) missing[v] = a.predecessorStart[v + 1] - a.predecessorStart[v];
  for (let v = 0; v < b.size; v++) missing[vertexOfB[v]] += b.predecessorStart[v + 1] - b.predecessorStart[v];
  const ready = new VertexQueue(key);
  for (let v = 0; v < size; v++) if (missing[v] === 0) ready.push(v);

  const orderA = new Int32Array(a.size);
  const orderB = new Int32Array(b.size);
  const rank = new Float64Array(size);
  let placedA = 0;
  let placedB = 0;
  for (let place = 0; !ready.isEmpty; place++) {
    const v = ready.pop();
    if (v < a.size) {
      orderA[placedA++] = v;
      rank[v] = place;
      for (let e = a.successorStart[v]; e < a.successorStart[v + 1]; e++) {
        const w = a.successors[e];
        if (--missing[w] === 0) ready.push(w);
      }
    }
    const ofB = v < a.size ? partner[v] : v - a.size;
    if (ofB === -1 || vertexOfB[ofB] !== v) continue;
    orderB[placedB++] = ofB;
    rank[a.size + ofB] = place;
    for (let e = b.successorStart[ofB]; e < b.successorStart[ofB + 1]; e++) {
      const w = vertexOfB[b.successors[e]];
      if (--missing[w] === 0) ready.push(w);
    }
  }
  return { orderA, orderB, rank };
}
