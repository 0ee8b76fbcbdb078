import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { float32 } from '../../../../ir/index.ts';
import { settledMeaning } from '../../../../passes/index.ts';
import { Random } from '../../../../src/data/random.ts';
import { withExecutor } from '../../../../src/execution/open.ts';
import { scoreNetworks } from '../../../../src/metrics/score-networks.ts';
import { settingOfDiscrete, settleDiscrete } from '../../../../src/network/discrete.ts';
import { networkOf } from '../../../../src/network/network.ts';
import { type Point, paretoSet } from '../../../../src/selection/front.ts';
import { costsOf } from '../../../../src/selection/search/cost.ts';
import { scoreUses } from '../../../../src/selection/search/evaluate.ts';
import { type Genome, keyOf, SettingSpace } from '../../../../src/selection/search/genome.ts';
import { hypervolume } from '../../../../src/selection/search/hypervolume.ts';
import { Liveness } from '../../../../src/selection/search/liveness.ts';
import { LocalSearch, redrawn } from '../../../../src/selection/search/local-search.ts';
import { naturalSettings } from '../../../../src/selection/search/natural.ts';
import { type Search, type SearchOptions, searchSettings } from '../../../../src/selection/search/search.ts';
import { labelled, unets } from './unets.ts';

/** Every genome of a space, canonical ones once. */
function everyGenome(space: SettingSpace): readonly Genome[] {
  const all = space.choices.reduce<readonly number[][]>(
    (genomes, choices) => genomes.flatMap(g => Array.from({ length: choices }, (_, i) => [...g, i])),
    [[]],
  );
  return [...new Map(all.map(g => space.canonical(g)).map(g => [keyOf(g), g])).values()];
}

const front = (points: readonly Point[]): readonly string[] =>
  [...new Set(paretoSet(points).map(i => points[i].map(v => v.toFixed(9)).join()))].sort();

const searched = { own: labelled(3), stress: [{ name: 'other', data: labelled(4) }], key: 'two' };
const options: SearchOptions = { evaluations: 1000, seed: 1, cost: 'flops' };

describe('the search over settings', () => {
  it('finds every optimum of a small network, whatever the seed', async () => {
    const trained = unets([2, 3], ['e2', 'd1']);
    const space = new SettingSpace(trained.network);
    const all = everyGenome(space).map(genome => space.settingOf(genome));
    const uses = [...new Map(all.map(s => [JSON.stringify(s.uses), s.uses])).values()];
    const sets = [{ name: 'own', data: searched.own }, ...searched.stress];
    await withExecutor({ executor: 'ort' }, async executor => {
      const scores = await scoreUses({ executor }, trained, uses, { sets, outputs: space.outputs });
      const cost = costsOf(trained, searched.own.dataset);
      const known = uses.map((used, i) => ({
        uses: used,
        results: [...scores[i]].map(([output, scored]) => ({
          output,
          scores: [...scored],
          cost: cost({ uses: used, output }),
        })),
      }));
      const points = known.flatMap(({ results }) => results.map(r => [...r.scores, -r.cost]));
      for (const seed of [1, 2]) {
        const found = await searchSettings({ executor }, trained, searched, { ...options, seed, known });
        expect(front(found.front.map(p => [p.own, p.shift!, -p.cost]))).toEqual(front(points));
      }
    });
  }, 60_000);

  it('measures what a network costs once, however it is come to, and in a longer search no more', async () => {
    const trained = unets([2, 3]);
    const space = new SettingSpace(trained.network);
    const timed = { ...options, cost: 'time' } as const;
    const costsOfAll = ({ evaluated }: Search): ReadonlyMap<string, ReadonlySet<number>> => {
      const costs = new Map<string, Set<number>>();
      for (const { uses, results } of evaluated) {
        for (const { output, cost } of results) {
          const key = keyOf(space.canonical(space.genomeOf({ uses, output })));
          costs.set(key, (costs.get(key) ?? new Set()).add(cost));
        }
      }
      return costs;
    };
    await withExecutor({ executor: 'ort' }, async executor => {
      const short = await searchSettings({ executor }, trained, searched, { ...timed, evaluations: 4 });
      const known = short.evaluated;
      const long = await searchSettings({ executor }, trained, searched, { ...timed, evaluations: 7, known });
      const costs = costsOfAll(long);
      expect(costs.size).toBeLessThan(long.evaluated.flatMap(({ results }) => results).length);
      for (const each of costs.values()) expect([...each]).toEqual([expect.any(Number)]);
      for (const [key, each] of costsOfAll(short)) expect(costs.get(key)).toEqual(each);
    });
  }, 60_000);

  it('goes on from a shorter search to the same as a longer one, and from an interruption', async () => {
    const trained = unets([2, 3]);
    await withExecutor({ executor: 'ort' }, async executor => {
      const long = await searchSettings({ executor }, trained, searched, { ...options, evaluations: 10 });
      const short = await searchSettings({ executor }, trained, searched, { ...options, evaluations: 6 });
      expect(short.evaluated).toEqual(long.evaluated.slice(0, 6));
      const on = await searchSettings({ executor }, trained, searched, {
        ...options,
        evaluations: 10,
        known: short.evaluated,
      });
      expect(on).toEqual(long);

      const controller = new AbortController();
      let kept: Search | undefined;
      const keep = async (now: Search): Promise<void> => {
        kept = structuredClone(now);
        if (now.evaluated.length > 4) controller.abort();
      };
      const work = { executor, signal: controller.signal };
      const stopped = searchSettings(work, trained, searched, { ...options, evaluations: 10, keep });
      await expect(stopped).rejects.toMatchObject({ code: 'interrupted' });
      expect(kept!.evaluated.length).toBeLessThan(10);
      expect(kept!.front.length).toBeGreaterThan(0);
      const after = await searchSettings({ executor }, trained, searched, {
        ...options,
        evaluations: 10,
        known: kept!.evaluated,
      });
      expect(after).toEqual(long);
    });
  }, 60_000);

  it('scores settings as their exported networks do', async () => {
    const trained = unets([2, 3]);
    const { network, parameters } = trained;
    await withExecutor({ executor: 'ort' }, async executor => {
      const { front: points } = await searchSettings({ executor }, trained, searched, { ...options, evaluations: 12 });
      for (const { own, ...setting } of points) {
        const graph = settleDiscrete(network, setting, parameters, { standard: true });
        const meaning = settledMeaning(network.outputs[0], settingOfDiscrete(network, setting));
        const [scored] = await scoreNetworks({ executor }, [networkOf(graph, 'exported', meaning)], searched.own);
        expect(scored.score.value).toBeCloseTo(own, 3);
      }
    });
  }, 60_000);

  it('gives settings that answer with NaN no score, and goes on', async () => {
    const { network, parameters } = unets([2, 3]);
    const broken = new Map(parameters);
    const name = network.stitches.find(s => s.position === 2 && s.to === 'b')!.bias;
    broken.set(
      name,
      float32(broken.get(name)!.shape, new Float32Array(broken.get(name)!.data.length).fill(Number.NaN)),
    );
    await withExecutor({ executor: 'ort' }, async executor => {
      const trained = { network, parameters: broken };
      const found = await searchSettings({ executor }, trained, searched, { ...options, evaluations: 12 });
      const spoilt = found.evaluated.filter(
        ({ uses }) => uses['switch/2/b'] !== undefined && uses['switch/3/b'] === undefined,
      );
      expect(spoilt.length).toBeGreaterThan(0);
      for (const { results } of spoilt) {
        const scores = results.filter(r => r.output !== 'a').flatMap(r => r.scores);
        expect(scores.every(Number.isNaN)).toBe(true);
      }
      expect(found.front.length).toBeGreaterThan(0);
      expect(found.front.every(p => Number.isFinite(p.own))).toBe(true);
    });
  }, 60_000);
});

describe('the local search', () => {
  /** A score that wants every switch averaged, and the output of `b`; each that is averaged costs a little. */
  const space = new SettingSpace(unets([2, 3, 2]).network);
  const unchanged = space.choices.map(() => 0);
  const pointOf = (genome: Genome): Point => {
    const switches = genome.slice(0, -1).filter(gene => gene === 1).length;
    return [switches + Number(genome.at(-1) === 1), -1 - (0.1 * switches) / space.choices.length];
  };

  /** The hypervolume after each run of the switches. */
  function volumes(limit: number): {
    ask: (genomes: readonly Genome[]) => Promise<(Point | undefined)[]>;
    after: number[];
  } {
    const seen = new Map<string, Point>();
    const runs = new Set<string>();
    const after: number[] = [];
    const ask = async (genomes: readonly Genome[]) =>
      genomes.map(genome => {
        if (!seen.has(keyOf(genome)) && runs.size === limit) return undefined;
        if (!seen.has(keyOf(genome))) {
          runs.add(keyOf(genome));
          for (const told of space.toldBy(genome)) seen.set(keyOf(told), pointOf(told));
          after.push(hypervolume([...seen.values()], [-1, -1.1]));
        }
        return seen.get(keyOf(genome));
      });
    return { ask, after };
  }

  it('finds more than drawing as many settings at random', async () => {
    const [searched, drawn] = [0, 0].map(() => [] as number[]);
    for (const seed of [1, 2, 3]) {
      const [search, draws] = [volumes(100), volumes(100)];
      await new LocalSearch(space, search.ask, { seed, natural: [] }).run();
      const random = Random.seeded(seed, 'random search');
      while (draws.after.length < 100) await draws.ask([space.joint(redrawn(space, unchanged, random))]);
      searched.push(search.after.at(-1)!);
      drawn.push(draws.after.at(-1)!);
    }
    const sum = (values: readonly number[]): number => values.reduce((p, q) => p + q, 0);
    expect(sum(searched)).toBeGreaterThan(1.1 * sum(drawn));
  });

  it('holds what it found, however far it goes, and does the same again', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(1000), fc.integer({ min: 1, max: 24 }), async (seed, limit) => {
        const [short, long] = [volumes(limit), volumes(32)];
        const search = new LocalSearch(space, short.ask, { seed, natural: [] });
        await search.run();
        await new LocalSearch(space, long.ask, { seed, natural: [] }).run();
        expect(long.after.slice(0, limit)).toEqual(short.after);
        expect(long.after).toEqual(long.after.toSorted((p, q) => p - q));
        const held = search.archive.held.map(({ point }) => point);
        expect(hypervolume(held, [-1, -1.1])).toBeCloseTo(short.after.at(-1)!, 12);
        expect(paretoSet(held)).toHaveLength(held.length);
      }),
      { numRuns: 10 },
    ));
});

describe('canonical genomes', () => {
  it('keep the uses of exactly the switches that are needed', () => {
    const { network } = unets([2, 3, 2]);
    const space = new SettingSpace(network);
    const liveness = new Liveness(network);
    const random = Random.seeded(1, 'canonical');
    for (let i = 0; i < 50; i++) {
      const genome = space.choices.map(choices => random.int(choices));
      const setting = space.settingOf(genome);
      const live = liveness.switchesAmong(liveness.nodesOf(setting)).map(s => s.weights);
      const uses = Object.fromEntries(Object.entries(setting.uses).filter(([weights]) => live.includes(weights)));
      expect(space.settingOf(space.canonical(genome))).toEqual({ uses, output: setting.output });
    }
  });
});

describe('natural settings', () => {
  it('are all settings that one would try, each once, from coarse to fine', () => {
    const { network } = unets([2, 3]);
    const space = new SettingSpace(network);
    const all = naturalSettings(network).map(s => keyOf(space.canonical(space.genomeOf(s))));
    expect(new Set(all).size).toBe(all.length);
    // The parents, two ensembles, four positions, and as many trunks each way as `sharedTrunks` says.
    expect(all).toHaveLength(4 + 4 + 2 * 6);
  });
});
