import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportOnnx } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { type ClassMap, mapClasses } from '../../../passes/index.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { LabelledData } from '../../../src/metrics/labelled.ts';
import { loadRun } from '../../../src/run/load.ts';
import { Candidates } from '../../../src/selection/candidates.ts';
import { smallData, smallNetworks } from '../cli/small.ts';
import { shared } from '../cli/support.ts';
import { fewPairs, firstCases, fixture } from './first-cases.ts';

const folder = shared();
/** What stitches are is not looked at. */
const training = { steps: 0, init: 'identity', closingImages: 0 } as const;
const meaning = { kind: 'logits', activation: 'softmax', channelAxis: 1, channels: 2 } as const;

describe('a partner whose data set names its classes', () => {
  const networks = [fixture('a.onnx'), fixture('b.onnx')] as const;
  const named = async (labels: object): Promise<string> => {
    const partner = join(folder(), 'partner');
    await mkdir(partner, { recursive: true });
    const file = join(partner, 'dataset.json');
    await writeFile(file, JSON.stringify({ channel_names: { 0: 'CT' }, labels }));
    return file;
  };
  const request = (b: string, data: string, output: string) => ({
    ...{ networks, classes: { b }, data, output: join(folder(), output) },
    ...{ executor: 'ort' as const, training },
  });

  it('has them in the own order, and those that lack are named', async () => {
    const file = await named({ background: 0, vessel: 1, Organ: 2 });
    const labels = { folder: { plans: fixture('a/plans.json') } };
    const pairs = await fewPairs(networks, labels, folder());
    const data = join(await firstCases('a', folder()), 'imagesTr');
    const { warnings } = await stitch({ ...request(file, data, 'named'), pairs, labels });
    expect((await loadRun(join(folder(), 'named'))).parents[1].classes).toEqual([0, null, 1]);
    expect(warnings).toContainEqual(expect.stringContaining('has vessel, which the own network has not'));
    expect(warnings).toContainEqual(expect.stringContaining('has no channel of class 2 (lesion)'));
  });

  it('is refused where nothing names the own ones', async () => {
    const data = join(folder(), 'volumes.npz');
    const images = npyArray(new Float32Array(2 * 8 * 16 * 16), [2, 1, 8, 16, 16]);
    await writeFile(data, formatNpz({ images }));
    await expect(stitch(request(await named({ background: 0, organ: 1, lesion: 2 }), data, 'none'))).rejects.toThrow(
      /names the classes of parent b .*, and nothing names the own ones: train on a raw data set/,
    );
  });
});

describe('a partner whose classes are in another order', () => {
  let own: string;
  let data: string;
  /** The own network, its channels put in other places. */
  const other = async (classes: ClassMap, count: number): Promise<string> => {
    const file = join(folder(), `other-${classes.join('')}.onnx`);
    await writeFile(file, exportOnnx(mapClasses(importOnnx(own).graph, meaning, classes, count)));
    return file;
  };
  const stitched = async (partner: string, b: ClassMap, name: string) => {
    const output = join(folder(), name);
    return stitch({ networks: [own, partner], classes: { b }, data, output, executor: 'ort', training });
  };

  beforeAll(async () => {
    [own] = await smallNetworks(folder(), [[3, 4]]);
    data = await smallData(join(folder(), 'data.npz'));
  });

  it.each<[string, ClassMap, number, ClassMap]>([
    ['swapped', [1, 0], 2, [1, 0]],
    ['with one more', [2, 0], 3, [1, null, 0]],
  ])('answers as it would in the own order: %s', async (name, places, count, classes) => {
    const { warnings } = await stitched(await other(places, count), classes, name);
    expect(warnings.filter(text => text.includes('class'))).toEqual([]);
    const run = await loadRun(join(folder(), name));
    expect(run.parents[1]).toMatchObject({ classes, meaning: { channels: 2 } });
    const labelled = LabelledData.for(run.parents, await loadDataset(data, {}));
    const candidates = Candidates.of(run, labelled.dataset, { position: 0 });
    await withExecutor({ executor: 'ort' }, async executor => {
      const [measured] = await candidates.measure({ executor }, [{ name: 'data', data: labelled }]);
      const scoreOf = (network: string): number => measured.get(network)!.score().value;
      expect(scoreOf('parent a')).toBeGreaterThan(0);
      for (const network of ['parent b', 'output ensemble', 'output ensemble, gated']) {
        expect(scoreOf(network), network).toBe(scoreOf('parent a'));
      }
    });
  });

  it('is said to lack classes that none of its channels is', async () => {
    const { warnings } = await stitched(own, [0, 0], 'lacking');
    expect(warnings).toContainEqual(
      `parent b (${own}) has no channel of class 1: it takes such places for something else, so that an ensemble with it finds less of them.`,
    );
  });

  it.each<[ClassMap, string]>([
    [[0], '1 are named, and it has 2 channels; name one for each, or - for none'],
    [[0, 2], 'there is no class 2 of the own network, whose classes are 0 to 1'],
    [[null, null], 'none of them is a class of the own network'],
  ])('is refused with classes that do not fit: %j', async (classes, problem) => {
    await expect(stitched(own, classes, 'refused')).rejects.toThrow(
      `The classes of parent b (${own}) do not fit: ${problem}.`,
    );
  });
});
