import { join } from 'node:path';
import { expect, it } from 'vitest';
import { stitch } from '../../../src/api/stitch.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { groupsOf } from '../../../src/metrics/bootstrap.ts';
import { LabelledData } from '../../../src/metrics/labelled.ts';
import { loadRun } from '../../../src/run/load.ts';
import { Candidates } from '../../../src/selection/candidates.ts';
import { Rivals } from '../../../src/selection/rivals.ts';
import { sweepFront } from '../../../src/selection/weighted.ts';
import { smallData, smallNetworks } from '../cli/small.ts';
import { shared } from '../cli/support.ts';

const folder = shared();

it('output ensembles are not beyond themselves, and what lies beyond them does so by what the front of a sweep says', async () => {
  const networks = await smallNetworks(folder(), [[3], [2, 3]]);
  const files = [
    await smallData(join(folder(), 'p.npz')),
    await smallData(join(folder(), 'q.npz'), undefined, [1, 1, 2, 2, 3, 3]),
  ];
  const output = join(folder(), 'run');
  await stitch({ networks, data: files[0], output, executor: 'ort', training: { steps: 0, initImages: 4 } });
  const run = await loadRun(output);
  const tests = await Promise.all(
    files.map(async (file, i) => ({
      name: `test ${i}`,
      data: LabelledData.for(run.parents, await loadDataset(file, {})),
    })),
  );
  const [validation] = tests as [(typeof tests)[number]];
  await withExecutor({ executor: 'ort' }, async executor => {
    const candidates = Candidates.of(run, validation.data.dataset, { position: 0 });
    const measured = await candidates.measure({ executor }, tests);
    const metricsOf = (name: string) => measured.map(metrics => metrics.get(name)!);
    const rivals = await Rivals.measure({ executor }, run, tests);
    for (const { name } of candidates.all.filter(({ kind }) => ['parent', 'ensemble', 'weighted'].includes(kind))) {
      expect(rivals.beyond(metricsOf(name)), name).toBeLessThanOrEqual(0);
    }
    const front = await sweepFront(
      { executor },
      run,
      { validation: validation.data, tests },
      { weights: [1], outputs: [0.5] },
    );
    const gated = front.points.find(point => point.gated)!;
    const found = metricsOf('output ensemble, gated');
    expect(found.map(metric => metric.score().value)).toEqual(gated.scores.slice(1));
    expect(rivals.beyond(found)).toBe(gated.beyond);
    const interval = rivals.interval(
      found,
      tests.map(({ data }) => groupsOf(data.dataset)),
    );
    expect(interval.value).toBeCloseTo(gated.beyond, 12);
    expect(interval.low).toBeLessThanOrEqual(interval.value);
    expect(interval.high).toBeGreaterThanOrEqual(interval.value);
  });
});
