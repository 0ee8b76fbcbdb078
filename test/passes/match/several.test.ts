import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, numbersOf, symbol, type Value, verify } from '../../../ir/index.ts';
import {
  averagedAt,
  type FeaturePair,
  identityStitches,
  match,
  matchParents,
  settingTensors,
  stitch,
  stitchedAt,
} from '../../../passes/index.ts';
import { acyclicUnion } from '../../../passes/match/several.ts';
import { evaluateGraph } from '../../ir/evaluate/graph.ts';
import { networks, randomNetwork, samples } from '../networks.ts';
import { random } from '../ort.ts';

const tagged = (graphs: readonly Graph[]) => graphs.map((graph, i) => ({ tag: 'abcdef'[i], graph }));

/** A pair by whose features it joins, whatever the tags are called. */
const joins = ({ features }: FeaturePair, names: ReadonlyMap<string, string>): string =>
  Object.entries(features)
    .map(([tag, feature]) => `${names.get(tag)}:${feature}`)
    .sort()
    .join(' ');

describe('matching several parents', () => {
  it('of two is matching them', () => {
    fc.assert(
      fc.property(networks(5), networks(5), (a, b) => {
        const [two, { pairs, score }] = [match(a, b), matchParents(tagged([a, b]))];
        expect(pairs).toEqual(two.pairs);
        expect(score).toBe(two.score);
      }),
      { numRuns: 5 },
    );
  });

  it.each(['backbone', 'all'] as const)('never closes a cycle, with %s', whom => {
    fc.assert(
      fc.property(fc.array(networks(6), { minLength: 3, maxLength: 4 }), graphs => {
        const parents = tagged(graphs);
        const { pairs, matched } = matchParents(parents, { with: whom });
        // The order of a super-network is found by an algorithm of its own, which refuses cycles.
        verify(stitch(parents, pairs).graph);
        const count = graphs.length;
        expect(matched).toHaveLength(whom === 'all' ? (count * (count - 1)) / 2 : count - 1);
        expect(pairs).toHaveLength(matched.reduce((sum, m) => sum + m.found - m.dropped, 0));
      }),
      { numRuns: 5 },
    );
  });

  it('permuting the partners permutes the pairs', () => {
    fc.assert(
      fc.property(
        fc.array(networks(6), { minLength: 4, maxLength: 4 }),
        fc.constantFrom(...(['backbone', 'all'] as const)),
        ([first, ...partners], whom) => {
          const found = [partners, partners.toReversed()].map(order => {
            const parents = tagged([first, ...order]);
            const names = new Map(parents.map(({ tag, graph }) => [tag, graph.name]));
            return matchParents(parents, { with: whom })
              .pairs.map(pair => joins(pair, names))
              .sort();
          });
          expect(found[1]).toEqual(found[0]);
        },
      ),
      { numRuns: 5 },
    );
  });

  it('with all finds what it finds with a backbone, and more', () => {
    const parents = tagged([1, 2, 3, 4].map(seed => randomNetwork(seed)));
    const [backbone, all] = (['backbone', 'all'] as const).map(whom => matchParents(parents, { with: whom }).pairs);
    expect(all).toEqual(expect.arrayContaining([...backbone]));
    expect(all.length).toBeGreaterThan(backbone.length);
  });

  it('joins copies of one network everywhere, and every setting computes what it does', () => {
    fc.assert(
      fc.property(
        networks(5),
        fc.integer({ min: 2, max: 4 }),
        fc.constantFrom(...(['backbone', 'all'] as const)),
        (graph, count, whom) => {
          const parents = tagged(Array<Graph>(count).fill(graph));
          const { pairs } = matchParents(parents, { with: whom });
          const network = stitch(parents, pairs);
          expect(network.positions.every(({ features }) => new Set(Object.values(features)).size === 1)).toBe(true);
          expect(network.positions).toHaveLength(match(graph, graph).pairs.length);
          const perPosition = whom === 'all' ? count * (count - 1) : 2 * (count - 1);
          expect(network.stitches).toHaveLength(network.positions.length * perPosition);
          const x = samples(count);
          const alone = numbersOf(evaluateGraph(graph, { x }).get('logits')!);
          const ids = network.positions.map(p => p.id);
          for (const setting of [averagedAt(network, ...ids), stitchedAt(network, ...ids)]) {
            const results = evaluateGraph(network.graph, {
              x,
              ...Object.fromEntries(settingTensors(network, setting)),
              ...Object.fromEntries(identityStitches(network, random(1))),
            });
            for (const { tag } of parents) {
              Array.from(numbersOf(results.get(`${tag}/logits`)!)).forEach((v, i) => {
                expect(v).toBeCloseTo(alone[i], 4);
              });
            }
          }
        },
      ),
      { numRuns: 3 },
    );
  });
});

describe('the union of matchings', () => {
  /** Two features, one behind the other or side by side. */
  function twoFeatures(order: 'uv' | 'vu' | 'parallel'): Graph {
    const b = new GraphBuilder(order);
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2, 4, 4] });
    const relu = (from: Value, name: string): Value => b.op('Relu', [from], {}, { outputs: [name] });
    const first = relu(x, order === 'vu' ? 'v' : 'u');
    const second = relu(order === 'parallel' ? x : first, order === 'vu' ? 'u' : 'v');
    b.output('y', b.op('Add', [first, second]));
    return b.build();
  }

  const pair = (other: string, name: string, score: number) => ({
    features: { a: name, [other]: name } as Record<string, string>,
    score,
  });

  it('leaves out the pair of the least score where each matching is acyclic and all together are not', () => {
    const parents = tagged([twoFeatures('parallel'), twoFeatures('uv'), twoFeatures('vu')]);
    const ofB = [pair('b', 'u', 1), pair('b', 'v', 0.9)];
    const ofC = [pair('c', 'v', 0.8), pair('c', 'u', 1)];
    for (const alone of [ofB, ofC]) expect(acyclicUnion(parents, [alone])).toEqual(alone);
    const kept = acyclicUnion(parents, [[...ofB, ...ofC]]);
    expect(new Set(kept)).toEqual(new Set([ofB[0], ofB[1], ofC[1]]));
    expect(() => stitch(parents, [...ofB, ...ofC])).toThrow(/cycle/);
    verify(stitch(parents, kept).graph);
  });

  it('never joins two features of one parent', () => {
    const parents = tagged([twoFeatures('uv'), twoFeatures('uv'), twoFeatures('uv')]);
    const crossed = { features: { b: 'u', c: 'v' } as Record<string, string>, score: 1 };
    const kept = acyclicUnion(parents, [[pair('b', 'u', 0.5), pair('c', 'u', 0.5)], [crossed]]);
    expect(kept).not.toContain(crossed);
  });
});
