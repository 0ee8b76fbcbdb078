/** A whole run on an nnU-Net raw data set of PNG files, held against scores on .npz files; and what it counts, against label files. */
import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { beforeAll, expect, it } from 'vitest';
import { writeRawFolder } from '../../../fixtures/raw-folder.ts';
import { evaluate } from '../../../src/api/evaluate.ts';
import { evaluateFolders } from '../../../src/api/evaluate-folders.ts';
import type { RunResult } from '../../../src/api/follow.ts';
import { predict } from '../../../src/api/predict.ts';
import { type RunRequest, resumeRun, run } from '../../../src/api/run.ts';
import { npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';
import { Random } from '../../../src/data/random.ts';
import type { ProgressEvent } from '../../../src/execution/progress.ts';
import { summaryText } from '../../../src/metrics/summary.ts';
import { planRun } from '../../../src/run/plan.ts';
import { smallParents } from '../cli/small.ts';
import { shared, suture } from '../cli/support.ts';

const kept = shared();
let [raw, plans] = ['', ''];
let [validation, test] = ['', ''];
let onFolder: RunResult;
let request: RunRequest;

/** Images of 8 × 8 pixels at levels that 16 bits keep, so that nothing is lost on the way through PNG files. */
async function images(file: string, count: number, seed: number): Promise<string> {
  const random = Random.seeded(seed, 'images');
  const level = 40 / 65534;
  const data = Float32Array.from({ length: count * 64 }, () => -8 + level * Math.round((8 + random.normal()) / level));
  const labels = Uint8Array.from(data, v => (v > 0.5 ? 1 : 0));
  // The last one has nothing on it, so that some ratios have nothing to go by.
  labels.fill(0, (count - 1) * 64);
  await writeFile(
    file,
    formatNpz({ images: npyArray(data, [count, 1, 8, 8]), labels: npyArray(labels, [count, 8, 8]) }),
  );
  return file;
}

const under = (name: string): RunRequest => ({ ...request, output: join(kept(), name) });

/** Ends the work at a stage. */
function endedAt(stage: string) {
  const controller = new AbortController();
  const onProgress = (event: ProgressEvent) => {
    if (event.stage.startsWith(stage)) controller.abort();
  };
  return { signal: controller.signal, onProgress };
}

beforeAll(async () => {
  const folder = kept();
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const train = await images(join(folder, 'train.npz'), 6, 1);
  validation = await images(join(folder, 'val.npz'), 6, 2);
  test = await images(join(folder, 'test.npz'), 4, 3);
  raw = join(folder, 'RAW');
  plans = join(raw, 'plans.json');
  await writeRawFolder(raw, train, validation, test);
  request = {
    ...{ networks: [a, b], executor: 'ort', stress: false, rule: 1 },
    training: { steps: 2, batch: 2, init: 'identity', closingImages: 0 },
    train: raw,
    validation: raw,
    tests: [{ name: 'a/b Ts', file: join(raw, 'imagesTs') }],
    labels: { folder: { plans, fold: 0 } },
    output: join(folder, 'folder'),
  };
  onFolder = await run(request);
});

it('scores networks as on the .npz files that the folder was made of', async () => {
  const { verdict, tests } = onFolder;
  const [{ rows, images: count }] = tests;
  expect(count).toBe(4);
  const onFile = async (file: string) =>
    (await evaluate(request.networks, file, { ensemble: true, executor: 'ort' })).rows.map(({ score }) => score.value);
  const [own, away] = [await onFile(validation), await onFile(test)];
  for (const [i, network] of ['parent a', 'parent b', 'output ensemble'].entries()) {
    expect(verdict.standings.find(({ name }) => name === network)!.own).toBeCloseTo(own[i], 3);
    expect(rows.find(row => row.network === network)!.score.value).toBeCloseTo(away[i], 3);
  }
});

it('says before a training that there are no plans, and nothing of it where there are', async () => {
  const { networks, training = {} } = request;
  const asked = { networks, training, data: raw, output: join(kept(), 'planned') };
  const about = async (labels: object) =>
    (await planRun({ ...asked, labels })).warnings.filter(text => text.includes('there are no plans'));
  expect(await about({})).toHaveLength(1);
  expect(await about({ folder: { plans } })).toEqual([]);
});

it('goes on where it was interrupted, to the same report; and not with a file that has changed', async () => {
  const again = under('again');
  await expect(run(again, endedAt('training the stitches'))).rejects.toThrow('suture run --resume');
  await expect(resumeRun(again.output, endedAt('scoring settings'))).rejects.toThrow('suture run --resume');
  const changed = join(kept(), 'changed');
  await cp(again.output, changed, { recursive: true });
  await resumeRun(again.output);
  for (const file of ['report.json', 'report.md', 'parameters.npz', 'cases.csv', 'summaries/a_b_Ts.json']) {
    const read = async (from: string) => (await readFile(join(from, file), 'latin1')).replaceAll(from, 'RUN');
    expect(await read(again.output), file).toBe(await read(request.output));
  }
  const [label, image] = [join(raw, 'labelsTr', 'val_0001.png'), join(raw, 'imagesTr', 'val_0001_0000.png')];
  for (const file of [label, image]) {
    const before = await readFile(file);
    const depth = file === label ? 8 : 16;
    const data = depth === 8 ? new Uint8Array(64) : new Uint16Array(64).fill(9);
    await writeFile(file, encode({ width: 8, height: 8, channels: 1, depth, data }));
    await expect(resumeRun(changed)).rejects.toThrow(/RAW.* has changed since the run was started/);
    await writeFile(file, before);
  }
});

it('takes of a folder alone what a fold of it leaves out to compare on, and tests on all of another one', async () => {
  const other = join(kept(), 'OTHER');
  await writeRawFolder(other, await images(join(kept(), 'other.npz'), 3, 4));
  const output = join(kept(), 'alone');
  const asked = ['--plans-a', plans, '--train', raw, '--test', `b=${other}`, '--executor', 'ort', '--no-shift'];
  const small = ['--steps', '0', '--init', 'identity', '--closing-images', '0', '--rule', '1'];
  expect(await suture('run', ...request.networks, ...asked, ...small, '-o', output)).toMatchObject({ code: 0 });
  const report: RunResult = JSON.parse(await readFile(join(output, 'report.json'), 'utf8'));
  expect(report.validation.images).toBe(6);
  expect(report.tests.map(({ images: count }) => count)).toEqual([3]);
  const own = (of: RunResult) => of.verdict.standings.find(({ name }) => name === 'parent a')!.own;
  expect(own(report)).toBeCloseTo(own(onFolder), 12);
});

it("counts every case as nnU-Net's evaluation of the label files does", async () => {
  const labels = join(kept(), 'labels');
  await predict({ model: request.output, data: join(raw, 'imagesTs'), output: labels, executor: 'ort' });
  const byFiles = await evaluateFolders(labels, join(raw, 'labelsTs'));
  expect(byFiles.metric_per_case).toHaveLength(4);
  const numbers = summaryText(byFiles).replaceAll(/ *"(prediction|reference)_file".*\n/g, '');
  const ofRun = await readFile(join(request.output, 'summaries', 'a_b_Ts.json'), 'utf8');
  expect(ofRun.replaceAll(/ *"(prediction|reference)_file".*\n/g, '')).toBe(numbers);
  expect(ofRun).toContain('"prediction_file": "test_0002"');
  // The same by a command, of the network that was exported.
  const summary = join(kept(), 'summary.json');
  const model = join(request.output, 'stitched.onnx');
  const asked = ['evaluate', model, '--data', join(raw, 'imagesTs'), '--plans', plans, '--executor', 'ort'];
  expect(await suture(...asked, '--summary', summary)).toMatchObject({ code: 0 });
  expect(await readFile(summary, 'utf8')).toBe(ofRun);
  expect((await suture(...asked, '--summary', summary)).stderr).toContain('exists already');
  expect((await suture(...asked, model, '--summary', `${summary}2`)).stderr).toContain('is of one network');
  // The exported network has plans in its file, and a parent has not.
  const warningsFor = async (network: string) =>
    (await evaluate([network], join(raw, 'imagesTs'), { executor: 'ort' })).warnings;
  expect(await warningsFor(model)).toEqual([]);
  expect(await warningsFor(request.networks[0])).toEqual([expect.stringContaining('imagesTs: there are no plans')]);
});

it('lists every class of every case of the exported network, the parents and the ensemble', async () => {
  const [head, ...rows] = (await readFile(join(request.output, 'cases.csv'), 'utf8')).trim().split('\r\n');
  expect(head).toBe('test,network,case,class,tp,fp,fn,tn,dice');
  const cells = rows.map(row => row.replace(/"(.*)"/, quoted => quoted.slice(1, -1).replaceAll(',', ';')).split(','));
  const { exported, tests } = onFolder;
  const networks = [...new Set([exported.candidate!, 'parent a', 'parent b', 'output ensemble'])];
  expect(cells.map(row => row.slice(0, 4))).toEqual(
    networks.flatMap(network =>
      [0, 1, 2, 3].map(i => ['a/b Ts', network.replaceAll(',', ';'), `test_000${i}`, 'class 1']),
    ),
  );
  for (const row of cells) expect(row.slice(4, 8).reduce((sum, count) => sum + Number(count), 0)).toBe(64);
  for (const [i, network] of networks.entries()) {
    const dices = cells.slice(4 * i, 4 * i + 4).flatMap(row => (row[8] === '' ? [] : [Number(row[8])]));
    const { score } = tests[0].rows.find(row => row.network === network)!;
    expect(dices.reduce((sum, dice) => sum + dice, 0) / dices.length).toBeCloseTo(score.value, 12);
  }
});
