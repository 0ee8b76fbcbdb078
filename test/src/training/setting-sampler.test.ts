import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { symbol, Value } from '../../../ir/index.ts';
import { doubleBatch, matchParents, settingInput, sourcesInput, stitch } from '../../../passes/index.ts';
import { Random } from '../../../src/data/random.ts';
import { type SampleSettings, SettingSampler, settingFeeds } from '../../../src/training/setting-sampler.ts';
import { randomNetwork } from '../../passes/networks.ts';

const network = (count: number) => ({
  positions: Array.from({ length: count }, (_, id) => ({ id, features: {}, links: [], score: 1, progress: {} })),
  switches: [],
});

/** What was drawn, by position. */
const weightsOf = (drawn: SampleSettings): (readonly number[])[] => [...drawn.values()].map(([row]) => row);

const counts = (positions: number, samples: number, full: number, seed = 1): number[] => {
  const settings = new SettingSampler(network(positions), Random.seeded(seed), { full, averaged: 0 }).next(samples);
  return Array.from({ length: samples }, (_, n) => weightsOf(settings).filter(w => w[n] === 0).length);
};

describe('settings of samples', () => {
  it('stitch one position at least, and leave the others as they are', () => {
    const size = fc.integer({ min: 1, max: 60 });
    fc.assert(
      fc.property(
        size,
        size,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.nat(),
        (positions, samples, full, seed) => {
          const drawn = new SettingSampler(network(positions), Random.seeded(seed), { full, averaged: 0 }).next(
            samples,
          );
          expect([...drawn.keys()]).toEqual(network(positions).positions.map(p => settingInput(p.id)));
          expect(
            weightsOf(drawn)
              .flat()
              .every(w => w === 0 || w === 1),
          ).toBe(true);
          for (let n = 0; n < samples; n++) expect(weightsOf(drawn).some(w => w[n] === 0)).toBe(true);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('draw every count alike, and all positions in a quarter of the samples', () => {
    const [positions, samples] = [6, 6000];
    const uniform = counts(positions, samples, 0);
    const shares = (list: readonly number[]) =>
      Array.from({ length: positions }, (_, k) => list.filter(c => c === k + 1).length / samples);
    for (const share of shares(uniform)) expect(share).toBeCloseTo(1 / positions, 1);
    expect(shares(counts(positions, samples, 0.25)).at(-1)).toBeCloseTo(0.25 + 0.75 / positions, 1);
  });

  it('are averaged in a share of the stitched positions', () => {
    const drawn = new SettingSampler(network(10), Random.seeded(2), { full: 1, averaged: 0.3 }).next(500);
    const weights = weightsOf(drawn).flat();
    expect(new Set(weights)).toEqual(new Set([0, 0.5]));
    expect(weights.filter(w => w === 0.5).length / weights.length).toBeCloseTo(0.3, 1);
  });

  it('go on from a state', () => {
    const sampler = SettingSampler.forTraining(network(9), { seed: 3, averaged: 0.5 });
    sampler.next(5);
    const state = sampler.state();
    const next = sampler.next(4);
    expect(SettingSampler.forTraining(network(9), { seed: 0, averaged: 0.5 }, state).next(4)).toEqual(next);
    expect(SettingSampler.forTraining(network(9), { seed: 4, averaged: 0.5 }).next(4)).not.toEqual(next);
  });

  it('become inputs of the features’ rank; several rows of a sample get its weight', () => {
    const input = (id: number, rows: number) =>
      new Value(`setting/${id}`, { dtype: 'float32', shape: [rows === 2 ? symbol('N') : rows, 1, 1] });
    const given = new Map([
      ['setting/0', [[1, 0]]],
      ['setting/1', [[0, 1]]],
      ['setting/2', [[0, 0]]],
    ]);
    const feeds = settingFeeds([input(0, 2), input(1, 6)], given, { N: 2 });
    expect(Object.keys(feeds)).toEqual(['setting/0', 'setting/1']);
    expect(feeds['setting/0']).toMatchObject({ shape: [2, 1, 1], data: Float32Array.of(1, 0) });
    expect(feeds['setting/1']).toMatchObject({ shape: [6, 1, 1], data: Float32Array.of(0, 0, 0, 1, 1, 1) });
  });
});

describe('settings with several partners', () => {
  const parents = [1, 2, 3].map((seed, i) => ({ tag: 'abc'[i], graph: randomNetwork(seed) }));
  const joined = stitch(parents, matchParents(parents).pairs);
  const several = joined.switches.filter(s => s.sources.length === 3);

  it('draw one stitched source for each sample and switch that has several, each as likely', () => {
    expect(several.length).toBeGreaterThan(0);
    const drawn = SettingSampler.forTraining(joined, { seed: 1, averaged: 0 }).next(2000);
    for (const s of several) {
      const [p, q] = drawn.get(sourcesInput(s))!;
      expect(p.every((share, n) => share + q[n] === 1 && share * q[n] === 0)).toBe(true);
      expect(p.reduce((sum, share) => sum + share, 0) / p.length).toBeCloseTo(0.5, 1);
    }
  });

  it('are what training takes', () => {
    const loss = doubleBatch(joined, { switches: 'position' });
    const sampler = SettingSampler.forTraining(joined, { seed: 1, averaged: 0 });
    expect(loss.data.filter(name => name !== 'x').sort()).toEqual([...sampler.inputs].sort());
    const feeds = settingFeeds(
      loss.data.filter(name => name !== 'x').map(name => loss.graph.input(name)),
      sampler.next(2),
      { N: 2 },
    );
    for (const s of several) expect(feeds[sourcesInput(s)]).toMatchObject({ shape: [2, 2] });
  });
});
