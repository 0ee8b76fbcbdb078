import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { Executor } from '../../../runtime/executor.ts';
import { subsetOf } from '../../../src/data/dataset.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { onProcessor, withExecutor } from '../../../src/execution/open.ts';
import { LabelledData } from '../../../src/metrics/labelled.ts';
import { measureNetworks, measureOnSets } from '../../../src/metrics/score-networks.ts';
import { loadModel } from '../../../src/network/load.ts';
import { type Parent, parentOf } from '../../../src/network/parent.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch } from '../cli/support.ts';

it('scores networks on several data sets as on each, and opens them once for those of one size', async () => {
  const folder = await scratch();
  const all = await loadDataset(await smallData(join(folder, 'data.npz')));
  const networks: Parent[] = [];
  for (const file of await smallParents(folder, [[3], [2, 3]]))
    networks.push(await parentOf(onProcessor, await loadModel(file), all));
  const sets = [
    [0, 1],
    [2, 3],
    [4, 5, 0],
    [1, 2],
  ].map(images => LabelledData.for(networks, subsetOf(all, images), 'dice'));
  await withExecutor({ executor: 'ort' }, async executor => {
    let opened = 0;
    const counting: Executor = {
      name: executor.name,
      describe: () => executor.describe(),
      dispose: () => executor.dispose(),
      prepare: (...given) => {
        opened++;
        return executor.prepare(...given);
      },
    };
    const found = await measureOnSets({ executor: counting }, networks, sets, { ensemble: true });
    expect(opened).toBe(2 * 3);
    const scores = found.map(measured => measured.map(({ model, metric }) => [model, metric.score()]));
    for (const [i, data] of sets.entries()) {
      const alone = await measureNetworks({ executor }, networks, data, { ensemble: true });
      expect(scores[i]).toEqual(alone.map(({ model, metric }) => [model, metric.score()]));
    }
    expect(new Set(scores.map(rows => JSON.stringify(rows))).size).toBe(sets.length);
  });
});
