import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createDag, type Dag } from '../../../passes/match/dag.ts';
import type { VertexPair } from '../../../passes/match/problem.ts';
import { findFault } from './fault.ts';
import { mulberry, networks } from './problems.ts';

const chain = createDag(4, [
  [0, 1],
  [1, 2],
  [2, 3],
]);
const always = (): boolean => true;

describe('the check of a matching', () => {
  it('accepts pairs in the same order', () => {
    const pairs = [
      { a: 1, b: 0 },
      { a: 2, b: 3 },
    ];
    expect(findFault(chain, chain, pairs, always)).toBeUndefined();
  });

  it('finds pairs that cross', () => {
    const pairs = [
      { a: 1, b: 2 },
      { a: 2, b: 1 },
      { a: 3, b: 3 },
    ];
    expect(findFault(chain, chain, pairs, always)).toEqual({ kind: 'cycle', pairs: pairs.slice(0, 2) });
  });

  it('finds a cycle through three pairs of which no two cross', () => {
    const edges = (list: readonly (readonly [number, number])[]): Dag => createDag(6, list);
    const a = edges([
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
    const b = edges([
      [1, 2],
      [3, 4],
      [5, 0],
    ]);
    const pairs = [0, 1, 2, 3, 4, 5].map(v => ({ a: v, b: v }));
    expect(findFault(a, b, pairs, always)?.kind).toBe('cycle');
    expect(findFault(a, b, pairs.slice(1), always)).toBeUndefined();
  });

  it('finds a vertex in two pairs, and a pair that is not allowed', () => {
    const twice = [
      { a: 1, b: 1 },
      { a: 2, b: 1 },
    ];
    expect(findFault(chain, chain, twice, always)).toEqual({ kind: 'repeated', side: 'b', vertex: 1 });
    expect(findFault(chain, chain, [{ a: 1, b: 2 }], (a, b) => a === b)).toEqual({
      kind: 'incompatible',
      pair: { a: 1, b: 2 },
    });
  });

  it('agrees with reachability in the contracted graph', () => {
    fc.assert(
      fc.property(networks({ maxLayers: 10 }), networks({ maxLayers: 10 }), fc.integer(), (x, y, seed) => {
        const random = mulberry(seed);
        const free = Array.from({ length: y.dag.size }, (_, v) => v);
        const pairs: VertexPair[] = [];
        for (let a = 0; a < x.dag.size && free.length > 0; a++) {
          if (random() < 0.4) pairs.push({ a, b: free.splice(Math.floor(random() * Math.min(3, free.length)), 1)[0] });
        }
        const fault = findFault(x.dag, y.dag, pairs, always);
        expect(fault?.kind === 'cycle').toBe(closesCycle(x.dag, y.dag, pairs));
      }),
    );
  });
});

/** Warshall's closure of the contraction, as a table. */
function closesCycle(a: Dag, b: Dag, pairs: readonly VertexPair[]): boolean {
  const vertex = (v: number): number => pairs.find(pair => pair.b === v)?.a ?? a.size + v;
  const size = a.size + b.size;
  const reach = Array.from({ length: size }, () => new Array<boolean>(size).fill(false));
  for (let v = 0; v < a.size; v++) {
    for (const w of a.successors.subarray(a.successorStart[v], a.successorStart[v + 1])) reach[v][w] = true;
  }
  for (let v = 0; v < b.size; v++) {
    for (const w of b.successors.subarray(b.successorStart[v], b.successorStart[v + 1]))
      reach[vertex(v)][vertex(w)] = true;
  }
  for (let k = 0; k < size; k++) {
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) reach[i][j] ||= reach[i][k] && reach[k][j];
  }
  return reach.some((row, i) => row[i]);
}
