/**
 * An immutable directed acyclic graph over the vertices `0 .. size - 1`.
 *
 * Adjacency is stored twice in compressed sparse rows, once by predecessor and once by successor, in typed arrays: the
 * successors of `v` are `successors[successorStart[v]] .. successors[successorStart[v + 1] - 1]`, in ascending order and
 * without repetition. Nothing here knows what a vertex stands for.
 */
export interface Dag {
  readonly size: number;
  readonly edgeCount: number;
  readonly successorStart: Int32Array;
  readonly successors: Int32Array;
  readonly predecessorStart: Int32Array;
  readonly predecessors: Int32Array;
}

/** A directed edge `[from, to]`. */
export type Edge = readonly [from: number, to: number];

/**
 * Builds a DAG. Repeated edges count once.
 *
 * @throws RangeError if an edge leaves `0 .. size - 1`, or if the edges close a cycle.
 */
export function createDag(size: number, edges: Iterable<Edge>): Dag {
  const list: number[] = [];
  for (const [from, to] of edges) {
    if (!(from >= 0 && from < size && to >= 0 && to < size)) {
      throw new RangeError(`Edge ${from} -> ${to} leaves the vertices 0 .. ${size - 1}.`);
    }
    list.push(from * size + to);
  }
  // Keys are exact below 2^53, that is up to 94 million vertices; sorting them sorts by source, then by target.
  const keys = Float64Array.from(list).sort();
  const successorStart = new Int32Array(size + 1);
  const predecessorStart = new Int32Array(size + 1);
  const successors = new Int32Array(keys.length);
  let edgeCount = 0;
  for (let i = 0; i < keys.length; i++) {
    const key = keys[i];
    if (i > 0 && key === keys[i - 1]) continue;
    const from = Math.floor(key / size);
    const to = key - from * size;
    successors[edgeCount++] = to;
    successorStart[from + 1]++;
    predecessorStart[to + 1]++;
  }
  for (let v = 0; v < size; v++) {
    successorStart[v + 1] += successorStart[v];
    predecessorStart[v + 1] += predecessorStart[v];
  }
  const predecessors = new Int32Array(edgeCount);
  const cursor = predecessorStart.slice();
  for (let v = 0; v < size; v++) {
    for (let e = successorStart[v]; e < successorStart[v + 1]; e++) predecessors[cursor[successors[e]]++] = v;
  }
  const dag: Dag = {
    size,
    edgeCount,
    successorStart,
    successors: successors.slice(0, edgeCount),
    predecessorStart,
    predecessors,
  };
  if (topologicalOrder(dag).length < size) throw new RangeError('The edges close a cycle.');
  return dag;
}

/** All edges, by source and then by target. */
export function* edgesOf(dag: Dag): Generator<Edge> {
  for (let v = 0; v < dag.size; v++) {
    for (let e = dag.successorStart[v]; e < dag.successorStart[v + 1]; e++) yield [v, dag.successors[e]];
  }
}

/** The same graph with vertex `v` renamed to `newName[v]` (a permutation). */
export function relabelDag(dag: Dag, newName: Int32Array): Dag {
  const renamed: Edge[] = [];
  for (const [from, to] of edgesOf(dag)) renamed.push([newName[from], newName[to]]);
  return createDag(dag.size, renamed);
}

/** The vertices in some topological order (Kahn's algorithm, first in first out). */
export function topologicalOrder(dag: Dag): Int32Array {
  const { size, successorStart, successors, predecessorStart } = dag;
  const missing = new Int32Array(size);
  const order = new Int32Array(size);
  let tail = 0;
  for (let v = 0; v < size; v++) {
    missing[v] = predecessorStart[v + 1] - predecessorStart[v];
    if (missing[v] === 0) order[tail++] = v;
  }
  for (let head = 0; head < tail; head++) {
    const v = order[head];
    for (let e = successorStart[v]; e < successorStart[v + 1]; e++) {
      const w = successors[e];
      if (--missing[w] === 0) order[tail++] = w;
    }
  }
  return order.subarray(0, tail);
}

/** Vertices of which the one with the smallest key is taken first; equal keys go by vertex number. A binary heap. */
export class VertexQueue {
  readonly #key: Float64Array;
  readonly #heap: Int32Array;
  #size = 0;

  /** @param key of every vertex; as many fit. */
  constructor(key: Float64Array) {
    this.#key = key;
    this.#heap = new Int32Array(key.length);
  }

  get isEmpty(): boolean {
    return this.#size === 0;
  }

  push(v: number): void {
    const heap = this.#heap;
    let i = this.#size++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!this.#before(v, heap[parent])) break;
      heap[i] = heap[parent];
      i = parent;
    }
    heap[i] = v;
  }

  /** Takes the first; there must be one. */
  pop(): number {
    const heap = this.#heap;
    const size = --this.#size;
    const top = heap[0];
    const last = heap[size];
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= size) break;
      if (child + 1 < size && this.#before(heap[child + 1], heap[child])) child++;
      if (!this.#before(heap[child], last)) break;
      heap[i] = heap[child];
      i = child;
    }
    heap[i] = last;
    return top;
  }

  #before(v: number, w: number): boolean {
    const key = this.#key;
    return key[v] < key[w] || (key[v] === key[w] && v < w);
  }
}

/** The topological order that always takes, of the vertices whose predecessors are all placed, the first by `key` (list scheduling). */
export function topologicalOrderBy(dag: Dag, key: Float64Array): Int32Array {
  const { size, successorStart, successors, predecessorStart } = dag;
  const missing = new Int32Array(size);
  const order = new Int32Array(size);
  const ready = new VertexQueue(key);
  for (let v = 0; v < size; v++) {
    missing[v] = predecessorStart[v + 1] - predecessorStart[v];
    if (missing[v] === 0) ready.push(v);
  }
  for (let placed = 0; !ready.isEmpty; placed++) {
    const v = ready.pop();
    order[placed] = v;
    for (let e = successorStart[v]; e < successorStart[v + 1]; e++) {
      const w = successors[e];
      if (--missing[w] === 0) ready.push(w);
    }
  }
  return order;
}

/** Length of the shortest path from any of `sources` to each vertex, in edges; -1 where there is none. */
export function distancesFrom(dag: Dag, sources: Iterable<number>): Int32Array {
  return breadthFirst(dag.size, dag.successorStart, dag.successors, sources);
}

/** Length of the shortest path from each vertex to any of `targets`, in edges; -1 where there is none. */
export function distancesTo(dag: Dag, targets: Iterable<number>): Int32Array {
  return breadthFirst(dag.size, dag.predecessorStart, dag.predecessors, targets);
}

function breadthFirst(size: number, start: Int32Array, neighbours: Int32Array, roots: Iterable<number>): Int32Array {
  const distance = new Int32Array(size).fill(-1);
  const queue = new Int32Array(size);
  let tail = 0;
  for (const root of roots) {
    if (distance[root] !== -1) continue;
    distance[root] = 0;
    queue[tail++] = root;
  }
  for (let head = 0; head < tail; head++) {
    const v = queue[head];
    for (let e = start[v]; e < start[v + 1]; e++) {
      const w = neighbours[e];
      if (distance[w] !== -1) continue;
      distance[w] = distance[v] + 1;
      queue[tail++] = w;
    }
  }
  return distance;
}

/** Length of the longest path that ends in each vertex, in edges. */
export function depths(dag: Dag): Int32Array {
  const depth = new Int32Array(dag.size);
  for (const v of topologicalOrder(dag)) {
    for (let e = dag.successorStart[v]; e < dag.successorStart[v + 1]; e++) {
      const w = dag.successors[e];
      if (depth[w] <= depth[v]) depth[w] = depth[v] + 1;
    }
  }
  return depth;
}

/** Length of the longest path that starts in each vertex, in edges. */
export function heights(dag: Dag): Int32Array {
  const height = new Int32Array(dag.size);
  const order = topologicalOrder(dag);
  for (let i = order.length - 1; i >= 0; i--) {
    const v = order[i];
    for (let e = dag.successorStart[v]; e < dag.successorStart[v + 1]; e++) {
      height[v] = Math.max(height[v], height[dag.successors[e]] + 1);
    }
  }
  return height;
}

/** The vertices without predecessors. */
export function sourcesOf(dag: Dag): number[] {
  const sources: number[] = [];
  for (let v = 0; v < dag.size; v++) if (dag.predecessorStart[v] === dag.predecessorStart[v + 1]) sources.push(v);
  return sources;
}

/** The vertices without successors. */
export function sinksOf(dag: Dag): number[] {
  const sinks: number[] = [];
  for (let v = 0; v < dag.size; v++) if (dag.successorStart[v] === dag.successorStart[v + 1]) sinks.push(v);
  return sinks;
}
