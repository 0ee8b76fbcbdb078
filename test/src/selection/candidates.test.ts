import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { settledMeaning } from '../../../passes/index.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { LabelledData } from '../../../src/metrics/labelled.ts';
import { measureNetworks } from '../../../src/metrics/score-networks.ts';
import { flopsPerSample } from '../../../src/network/cost.ts';
import { loadModel } from '../../../src/network/load.ts';
import { networkOf } from '../../../src/network/network.ts';
import { deployed } from '../../../src/run/deployed.ts';
import { joinStudent, type LoadedRun, loadRun } from '../../../src/run/load.ts';
import { Candidates, type Distilled } from '../../../src/selection/candidates.ts';
import { smallData, smallNetworks } from '../cli/small.ts';
import { shared } from '../cli/support.ts';

const folder = shared();
const widths = [[3], [2, 3], [2]];

async function trained(): Promise<{ readonly run: LoadedRun; readonly data: LabelledData }> {
  const files = await smallNetworks(folder(), widths);
  const data = await smallData(join(folder(), 'data.npz'));
  const output = join(folder(), 'run');
  await stitch({ networks: files, data, output, executor: 'ort', training: { steps: 0, initImages: 4 } });
  const run = await loadRun(output);
  return { run, data: LabelledData.for(run.parents, await loadDataset(data, {})) };
}

/** A network of weights of its own, in a student's place. */
async function standIn(run: LoadedRun): Promise<Distilled> {
  const other = join(folder(), 'other');
  await mkdir(other, { recursive: true });
  const [file] = await smallNetworks(other, [[4]]);
  const network = networkOf((await loadModel(file)).graph, 'the student', run.parents[1].meaning);
  return { network, joined: await joinStudent(run, network) };
}

describe('what can be made of three networks', () => {
  let run: LoadedRun;
  let data: LabelledData;
  beforeAll(async () => {
    ({ run, data } = await trained());
  });

  it('scores as the files that are deployed of it, and costs what they cost', async () => {
    const candidates = Candidates.of(run, data.dataset, { position: 0, budget: 2, students: [await standIn(run)] });
    const { blueprints } = candidates;
    const names = blueprints.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toEqual(
      expect.arrayContaining([
        ...['parent a', 'output ensemble', 'output ensemble, gated', 'stitched at 0, gated'],
        ...['committee with stitched at 0, gated', 'output ensemble with the student, gated'],
      ]),
    );
    await withExecutor({ executor: 'ort' }, async executor => {
      const [measured] = await candidates.measure({ executor }, [{ name: 'data', data }]);
      const networks = blueprints.map(({ name, joined, setting, blend }) =>
        networkOf(
          deployed({ ...run, network: joined }, setting, name, blend),
          name,
          settledMeaning(joined.outputs[0], setting),
        ),
      );
      const wanted = await measureNetworks({ executor }, networks, data);
      const ensemble = flopsPerSample(networks[names.indexOf('output ensemble')].graph)!;
      for (const [i, { name, cost, blend }] of blueprints.entries()) {
        expect(measured.get(name)!.score().value, name).toBeCloseTo(wanted[i].metric.score().value, 5);
        // A gate's own products are so few that they are not counted.
        if (!blend.gated) expect(cost, name).toBeCloseTo(flopsPerSample(networks[i].graph)! / ensemble, 9);
      }
    });
  });

  it('leaves out the trunks and committees of which no more need be known', async () => {
    const candidates = Candidates.of(run, data.dataset, { position: 0, budget: 2 });
    const names = candidates.all.map(({ name }) => name);
    await withExecutor({ executor: 'ort' }, async executor => {
      const [left] = await candidates.measure({ executor }, [{ name: 'data', data }], new Set(names));
      expect([...left.keys()]).toEqual(names.filter(name => !/trunk|committee/.test(name)));
      const [all] = await candidates.measure({ executor }, [{ name: 'data', data }]);
      expect([...all.keys()]).toEqual(names);
      for (const [name, metric] of left) expect(metric.score().value).toBeCloseTo(all.get(name)!.score().value, 9);
    });
  });

  it('has committees only where the budget allows more than the networks cost together', () => {
    const committees = (budget?: number): readonly string[] =>
      Candidates.of(run, data.dataset, { position: 0, budget })
        .all.filter(({ kind }) => kind.endsWith('committee'))
        .map(({ name }) => name);
    expect(committees(2)).toEqual(['committee with stitched at 0', 'committee with stitched at 0, gated']);
    for (const budget of [undefined, 1, 1.0001]) expect(committees(budget)).toEqual([]);
  });

  it('has the student beside the parents where the budget allows it, with an even say for the own network', async () => {
    const students = [await standIn(run)];
    const withStudent = (budget?: number, gate?: boolean) =>
      Candidates.of(run, data.dataset, { position: 0, budget, gate, students }).blueprints.filter(
        ({ kind }) => kind === 'gated student ensemble',
      );
    const [found] = withStudent();
    expect(found.share).toBe(1 / 3);
    expect(found.cost).toBeGreaterThan(1);
    expect(withStudent(found.cost)).toHaveLength(1);
    expect(withStudent(found.cost - 0.01)).toEqual([]);
    expect(withStudent(undefined, false)).toEqual([]);
  });

  it('has no gate where none is wanted, and no trunk that is beyond the budget', () => {
    const { blueprints } = Candidates.of(run, data.dataset, { position: 0, gate: false, budget: 0.8 });
    expect(blueprints.filter(({ blend }) => blend.gated)).toEqual([]);
    for (const { name, cost } of blueprints) if (name.includes('trunk')) expect(cost).toBeLessThanOrEqual(0.8);
  });

  it('gives the own network all the say in what is said by its features alone, else its share of the output', () => {
    const { blueprints } = Candidates.of(run, data.dataset, { position: 0 });
    const shareOf = (name: RegExp) => new Set(blueprints.filter(b => name.test(b.name)).map(({ share }) => share));
    expect(shareOf(/^shared trunk/)).toEqual(new Set([1]));
    expect(shareOf(/^trunk of b|^output ensemble$|^stitched/)).toEqual(new Set([1 / 3]));
  });
});
