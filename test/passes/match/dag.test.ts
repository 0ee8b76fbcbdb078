import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createDag,
  depths,
  distancesFrom,
  distancesTo,
  edgesOf,
  heights,
  relabelDag,
  sinksOf,
  sourcesOf,
  topologicalOrder,
  topologicalOrderBy,
} from '../../../passes/match/dag.ts';
import { positionalProgress } from '../../../passes/match/progress.ts';
import { mulberry, networks, permutation } from './problems.ts';

describe('a DAG', () => {
  //   0 ─ 1 ─ 2 ─ 4
  //    ╲─ 3 ─────╱
  const diamond = createDag(5, [
    [0, 1],
    [1, 2],
    [2, 4],
    [0, 3],
    [3, 4],
    [0, 3],
  ]);

  it('stores edges once, by source and by target', () => {
    expect([...edgesOf(diamond)]).toEqual([
      [0, 1],
      [0, 3],
      [1, 2],
      [2, 4],
      [3, 4],
    ]);
    expect([...diamond.predecessors.subarray(diamond.predecessorStart[4], diamond.predecessorStart[5])]).toEqual([
      2, 3,
    ]);
  });

  it('knows shortest and longest paths', () => {
    expect([...distancesFrom(diamond, [0])]).toEqual([0, 1, 2, 1, 2]);
    expect([...distancesTo(diamond, [4])]).toEqual([2, 2, 1, 1, 0]);
    expect([...depths(diamond)]).toEqual([0, 1, 2, 1, 3]);
    expect([...heights(diamond)]).toEqual([3, 2, 1, 1, 0]);
    expect(sourcesOf(diamond)).toEqual([0]);
    expect(sinksOf(diamond)).toEqual([4]);
  });

  it('refuses a cycle and an edge that leads nowhere', () => {
    expect(() =>
      createDag(3, [
        [0, 1],
        [1, 2],
        [2, 1],
      ]),
    ).toThrow('The edges close a cycle.');
    expect(() => createDag(2, [[0, 2]])).toThrow('Edge 0 -> 2 leaves the vertices 0 .. 1.');
  });

  it('gives positions from 0 at the input to 1 at the output, by shortest paths', () => {
    expect([...positionalProgress(diamond, [0], [4])]).toEqual([0, 1 / 3, 2 / 3, 0.5, 1]);
  });

  it('gives no position to a vertex off all paths', () => {
    const stray = createDag(4, [
      [0, 1],
      [2, 1],
      [0, 3],
    ]);
    expect([...positionalProgress(stray, [0], [1])]).toEqual([0, 1, Number.NaN, Number.NaN]);
  });

  it('orders topologically, by any key', () => {
    fc.assert(
      fc.property(networks({ maxLayers: 20 }), fc.integer(), ({ dag }, seed) => {
        const random = mulberry(seed);
        const keyed = topologicalOrderBy(dag, Float64Array.from({ length: dag.size }, random));
        for (const order of [topologicalOrder(dag), keyed]) {
          const place = new Map([...order].map((v, i) => [v, i]));
          expect(place.size).toBe(dag.size);
          for (const [from, to] of edgesOf(dag)) expect(place.get(from)).toBeLessThan(place.get(to)!);
        }
      }),
    );
  });

  it('takes the smallest key that is ready', () => {
    expect([...topologicalOrderBy(diamond, Float64Array.of(0, 3, 4, 1, 2))]).toEqual([0, 3, 1, 2, 4]);
    expect([...topologicalOrderBy(diamond, Float64Array.of(0, 1, 2, 3, 4))]).toEqual([0, 1, 2, 3, 4]);
  });

  it('is the same graph under other names', () => {
    fc.assert(
      fc.property(networks({ maxLayers: 12 }), fc.integer(), ({ dag }, seed) => {
        const names = permutation(dag.size, seed);
        const other = relabelDag(dag, names);
        const distances = distancesFrom(other, [names[0]]);
        expect([...distancesFrom(dag, [0])]).toEqual([...names].map(name => distances[name]));
        expect(other.edgeCount).toBe(dag.edgeCount);
      }),
    );
  });
});
