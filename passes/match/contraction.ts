import type { Dag } from './dag.ts';

/** A pair of vertices, one of A and one of B. */
export interface VertexPair {
  readonly a: number;
  readonly b: number;
}

/** A directed graph that may have cycles, in compressed sparse rows. */
export interface Contraction {
  readonly size: number;
  readonly successorStart: Int32Array;
  readonly successors: Int32Array;
  /** Vertex of the contraction that A's vertex `a` is part of: `a` itself. B's vertex `b`: its partner, or `a.size + b`. */
  readonly vertexOfB: Int32Array;
}

/** A ∪ B with every pair contracted to one vertex. A matched vertex of B leaves its own number unused. */
export function contract(a: Dag, b: Dag, pairs: readonly VertexPair[]): Contraction {
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
