/** Two networks of different spacings: one network on the own grid, resized in front of and behind the partner's branch. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportOnnx, tensor } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { permuteSpace } from '../../../passes/index.ts';
import { evaluate } from '../../../src/api/evaluate.ts';
import { evaluateFolders } from '../../../src/api/evaluate-folders.ts';
import { exportNetwork } from '../../../src/api/export.ts';
import type { RunResult } from '../../../src/api/follow.ts';
import { match } from '../../../src/api/match.ts';
import { predict } from '../../../src/api/predict.ts';
import { type RunRequest, run } from '../../../src/api/run.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';
import { loadRun } from '../../../src/run/load.ts';
import { readVolume } from '../../../src/volumes/files.ts';
import { resized, within } from '../../passes/fields.ts';
import { relativeError, runOrt } from '../../passes/ort.ts';
import { shared } from '../cli/support.ts';
import { fewPairs, firstCases, fixture } from './first-cases.ts';

const networks = [fixture('a.onnx'), fixture('coarse.onnx')] as const;
const labels = { folder: { plans: fixture('a/plans.json'), partners: { b: fixture('coarse.json') } } };

describe('networks of different spacings', () => {
  const folder = shared();
  const output = (): string => join(folder(), 'run');
  let result: RunResult;
  let request: Omit<RunRequest, 'networks' | 'labels' | 'output'>;
  let other = '';
  beforeAll(async () => {
    const own = await firstCases('a', folder());
    other = join(await firstCases('b', folder()), 'imagesTs');
    request = {
      pairs: await fewPairs(networks, labels, folder()),
      train: join(own, 'imagesTr'),
      validation: join(own, 'imagesTs'),
      tests: [{ name: 'b', file: other }],
      training: { steps: 1, batch: 1, init: 'identity', closingImages: 0 },
      stress: false,
      executor: 'ort',
    };
    result = await run({ ...request, networks, labels, output: output() });
  });

  it('become one network that is right in ONNX Runtime', () => {
    expect(result.agreement.agrees).toBe(true);
  });

  it('are stitched between places of equal stride', async () => {
    // On arrays, of which it is warned where they were cut before at bounds that are narrower than the widest.
    const images = npyArray(
      Float32Array.from({ length: 8 * 16 * 16 }, (_, i) => Math.sin(i)),
      [1, 1, 8, 16, 16],
    );
    const data = join(folder(), 'data.npz');
    await writeFile(data, formatNpz({ images }));
    const training = { steps: 0, init: 'identity', closingImages: 0 } as const;
    const arrays = join(folder(), 'arrays');
    const { warnings } = await stitch({ networks, data, labels, training, output: arrays, executor: 'ort' });
    expect(warnings).toContainEqual(
      expect.stringContaining('what lies beyond is lost to networks whose bounds are wider'),
    );
    const { network, parents, directory } = await loadRun(arrays);
    expect(parents[1].grid).toMatchObject({ shared: [8, 16, 16], resized: [6, 13, 13], taken: [8, 16, 16] });
    expect(directory.config.parents.b.grid).toEqual({ shared: [8, 16, 16], resized: [6, 13, 13] });
    expect(network.positions.length).toBeGreaterThan(10);
    for (const { features } of network.switches) {
      const [first, ...others] = features.map(({ type }) => type.shape.slice(2));
      for (const other of others) expect(other).toEqual(first);
    }
  });

  it('say what resizing costs the partner alone', () => {
    expect(result.grids?.map(({ parent, set }) => [parent, set])).toEqual([
      ['parent b', 'own'],
      ['parent b', 'b'],
    ]);
    const [, onOther] = result.grids ?? [];
    expect(onOther.own).toBeGreaterThan(0.9);
    expect(onOther.shared).toBeGreaterThan(0.7);
    expect(onOther.shared).toBeLessThan(onOther.own ?? 0);
  });

  it('hold the partner as resizing, padding and cutting around its file by hand give it', async () => {
    const model = join(folder(), 'b.onnx');
    await exportNetwork(output(), model, { combination: { positions: [], weight: 1, output: 0 } });
    const data = Float32Array.from({ length: 8 * 16 * 16 }, (_, i) => Math.sin(i / 7) + Math.cos(i / 31));
    const x = tensor('float32', [1, 1, 8, 16, 16], data);
    const found = (await runOrt(importOnnx(model).graph, { x })).logits;
    // The intensities of the other plans: (x·48 + 82) HU, cut at b's bounds, standardised by its figures.
    const hu = data.map(v => (Math.min(Math.max(v * 48 + 82, -20), 310) - 150) / 62);
    const small = resized({ data: hu, shape: [1, 8, 16, 16] }, [6, 13, 13]);
    const given = within(small, [8, 16, 16]);
    const said = (await runOrt(importOnnx(networks[1]).graph, { x: tensor('float32', [1, 1, 8, 16, 16], given.data) }))
      .logits;
    const cut = within({ data: Float32Array.from(said.data), shape: [3, 8, 16, 16] }, [6, 13, 13]);
    const expected = resized(cut, [8, 16, 16]);
    expect(found.shape).toEqual([1, 3, 8, 16, 16]);
    expect(relativeError(found.data, expected.data)).toBeLessThan(1e-4);
  });

  it('label cases by the run alone', async () => {
    const made = join(folder(), 'labels');
    const { cases } = await predict({ model: output(), data: other, output: made, executor: 'ort' });
    expect(cases.map(({ problem }) => problem)).toEqual([undefined]);
    const found = await readVolume(join(made, 'bTs0.nii.gz'), 'labels');
    const truth = await readVolume(fixture('b/labelsTs/bTs0.nii.gz'), 'labels');
    const organ = truth.data.filter(Boolean).length;
    const both = truth.data.filter((label, i) => label > 0 && found.data[i] > 0).length;
    expect(both / organ).toBeGreaterThan(0.5);
  });

  it('are scored and matched by the same plans', async () => {
    const { rows } = await evaluate(networks, other, { labels, executor: 'ort' });
    expect(rows[1].score.value).toBeCloseTo(result.grids?.[1].shared ?? 0, 10);
    const alike = await match([...networks], { labels, similarity: 'cka', images: 4, data: other, executor: 'ort' });
    expect(alike.pairs.length).toBeGreaterThan(10);
    // Zero where features are not at the same places.
    for (const { score } of alike.pairs) expect(score).toBeGreaterThan(0.5);
  });

  it('see the grid of the partner where that is chosen', async () => {
    const data = fixture('b/imagesTs');
    const tile = [4, 12, 12];
    const chosen = { folder: { ...labels.folder, grid: 'b', tile } };
    const { rows } = await evaluate(networks, data, { labels: chosen, executor: 'ort' });
    const alone = { folder: { plans: fixture('coarse.json'), tile } };
    const own = await evaluate([networks[1]], data, { labels: alone, executor: 'ort' });
    // But for what is cut off before resampling here and after it there.
    expect(rows[1].score.value).toBeCloseTo(own.rows[0].score.value, 2);
    // Small tiles show little around each place.
    expect(rows[1].score.value).toBeGreaterThan(0.4);
  });

  it('may have their axes of space in another order', async () => {
    const model = join(folder(), 'turned.onnx');
    await writeFile(model, exportOnnx(permuteSpace(importOnnx(networks[1]).graph, [2, 0, 1], 'coarse')));
    const document = JSON.parse(await readFile(fixture('coarse.json'), 'utf8'));
    const configuration = document.configurations['3d_fullres'];
    configuration.spacing = [1.25, 2.5, 1.25];
    configuration.patch_size = [16, 8, 16];
    document.transpose_forward = [2, 0, 1];
    const plans = join(folder(), 'turned.json');
    await writeFile(plans, JSON.stringify(document));
    const both = [networks[0], model] as const;
    const how = (of: object) => ({ labels: { folder: { ...labels.folder, ...of } }, executor: 'ort' as const });
    const partners = { b: plans };
    const asTurned = await evaluate(both, other, how({ partners }));
    for (const [i, name] of ['parent a', 'parent b'].entries()) {
      const asItIs = result.tests[0].rows.find(({ network }) => network === name)?.score.value;
      expect(asTurned.rows[i].score.value).toBeCloseTo(asItIs ?? Number.NaN, 3);
    }
    // On the partner's grid, where windows one beside the other are the tiles that the report scores.
    const directory = join(folder(), 'turned');
    const onTheirs = { grid: 'b', tile: [4, 12, 12] };
    const turned = how({ ...onTheirs, partners });
    const pairs = await fewPairs(both, turned.labels, folder());
    const { tests, grids, exported } = await run({ ...request, ...turned, networks: both, pairs, output: directory });
    expect(grids?.map(({ parent, set }) => [parent, set])).toEqual([
      ['parent a', 'own'],
      ['parent a', 'b'],
    ]);
    const opened = await loadRun(directory);
    expect(opened.parents[1]).toMatchObject({ axes: [1, 2, 0] });
    const featuresOf = ({ network }: typeof opened) => network.positions.map(({ features }) => features);
    expect(featuresOf(opened)).toEqual(featuresOf(await loadRun(output())));
    const made = join(folder(), 'turned-labels');
    const predicted = await predict({ model: directory, data: other, output: made, step: 1, executor: 'ort' });
    expect(predicted.cases.map(({ problem }) => problem)).toEqual([undefined]);
    const [found, image] = await Promise.all([
      readVolume(join(made, 'bTs0.nii.gz'), 'labels'),
      readVolume(join(other, 'bTs0_0000.nii.gz'), 'image'),
    ]);
    expect(found).toMatchObject({ shape: image.shape, spacing: image.spacing });
    const affineOf = ({ geometry }: typeof image) => (geometry.kind === 'nifti' ? geometry.affine : undefined);
    expect(affineOf(image)).toBeDefined();
    expect(affineOf(found)).toEqual(affineOf(image));
    const [{ rows }] = tests;
    const expected = await evaluate(networks, other, how(onTheirs));
    for (const [i, { score }] of expected.rows.entries()) expect(rows[i].score.value).toBeCloseTo(score.value, 3);
    const reported = rows.find(({ network }) => network === exported.candidate)?.score.value;
    const summary = await evaluateFolders(made, join(folder(), 'b', 'labelsTs'));
    expect(summary.foreground_mean.Dice).toBeCloseTo(reported ?? Number.NaN, 6);
  });
});
