/** A study from its description to its report: in order, in parts, with a cell that fails. */
import { getEventListeners } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { writeRawFolder } from '../../../fixtures/raw-folder.ts';
import { evaluate } from '../../../src/api/evaluate.ts';
import { type Launcher, type StudyStatus, study, studyPlan, studyReport, studyStatus } from '../../../src/api/study.ts';
import { studyCell } from '../../../src/api/study-cell.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { npyArray } from '../../../src/data/npy.ts';
import { formatNpz, parseNpz } from '../../../src/data/npz.ts';
import type { ProgressEvent } from '../../../src/execution/progress.ts';
import { isThere } from '../../../src/files/there.ts';
import { withNewLock } from '../../../src/run/lock.ts';
import { cellsOf } from '../../../src/study/cells.ts';
import { StudyFolder } from '../../../src/study/folder.ts';
import { dataFor } from '../../../src/study/folds.ts';
import { parseStudy, readStudy } from '../../../src/study/request.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { shared, suture } from '../cli/support.ts';
import { launch } from '../study/program.ts';

const folder = shared();

const settings = {
  train: { steps: 3, batch: 2 },
  finetune: { steps: 2, batch: 2 },
  fedavg: { rounds: 2, localSteps: 2, batch: 2 },
  stitch: { steps: 2, batch: 2, init: 'kaiming', closingImages: 0 },
  distill: { steps: 2, batch: 2 },
  evaluations: 8,
  budget: 1,
  executor: 'ort',
};

const data = { train: 'data.npz', validation: 'data.npz', test: 'data.npz' };
/** Sites whose networks are there, and need no training. */
const trainedSites = ['a', 'b'].map(name => ({ name, ...data, network: `${name}.onnx` }));

async function described(file: string, more: object = {}): Promise<string> {
  const sites = ['a', 'b'].map(name => ({ name, ...data }));
  const path = join(folder(), file);
  await writeFile(path, JSON.stringify({ sites, architecture: 'a.onnx', ...settings, ...more }));
  return path;
}

beforeAll(async () => {
  await smallParents(folder(), [[3], [2, 3]]);
  await smallData(join(folder(), 'data.npz'));
});

const statuses = ({ cells }: StudyStatus): Record<string, string> =>
  Object.fromEntries(cells.map(({ key, status }) => [key.replace(/-\w{8}$/, ''), status]));

describe('a study', () => {
  it('of every method ends with a table of all', async () => {
    const output = join(folder(), 'whole');
    const status = await study(await described('whole.json', { pairs: [['a', 'b']] }), { output, launch });
    const kinds = [
      'alone-a',
      'alone-b',
      'merged-a-b',
      'fedavg-a-b',
      'finetune-a-b',
      'finetune-shift-a-b',
      'ensemble-a-b',
    ];
    const ofRun = ['run-a-b', 'direct-a-b', 'all-a-b', 'gated-a-b', 'stitched-a-b', 'trunk-a-b', 'distilled-a-b'];
    expect(statuses(status)).toEqual(Object.fromEntries([...kinds, ...ofRun].map(kind => [`${kind}-s0`, 'done'])));
    const text = await readFile(join(output, 'study.md'), 'utf8');
    for (const title of ['alone a', 'merged data', 'FedAvg', 'ensemble', 'distilled', 'rule 3', 'sampled']) {
      expect(text).toContain(`| ${title} |`);
    }
    // With what was chosen.
    expect(text).toMatch(/\| stitched \(position \d, by rule \d\) \|/);
    expect(text).toMatch(/\| shared trunk \([^|]+\) \|/);
    const report = await studyReport(output);
    const page = await readFile(join(output, 'report.html'), 'utf8');
    expect(page).toContain('14 of 14 cells');
    // The page of the stitches has the match, and answers over images of both sites.
    const [, link] = /<a href="(cells[^"]+)">seed 0<\/a>/.exec(page)!;
    const runPage = await readFile(join(output, link), 'utf8');
    expect([...runPage.matchAll(/<h3>Test set (.)<\/h3>/g)].map(([, name]) => name)).toEqual(['a', 'b']);
    const [, position] = /stitched \(position (\d+), by rule/.exec(text)!;
    expect(runPage).toContain(`The best, the median and the worst case of <strong>stitched at ${position}</strong>`);
    for (const title of ['The match', 'Case by case', 'what output ensemble answers', 'what parent b answers'])
      expect(runPage).toContain(title);
    const [{ rows, positions, curves }] = report.pairs;
    expect(rows.map(({ method, of }) => of ?? method)).toEqual([
      'a',
      'b',
      'merged',
      'fedavg',
      'finetune',
      'finetune-shift',
      'ensemble',
      'gated',
      'stitched',
      'trunk',
      'distilled',
    ]);
    expect(positions.length).toBeGreaterThan(0);
    expect(curves.map(({ way }) => way)).toEqual(['direct', 'double-batched, all on', 'sampled']);
    // What stands in the table is what the files score.
    const states = JSON.parse(
      await readFile(join(output, 'cells', await keyOf(output, 'distilled'), 'cell.json'), 'utf8'),
    );
    const { rows: scored } = await evaluate([join(output, states.result.network)], join(folder(), 'data.npz'), {
      executor: 'ort',
    });
    expect(rows.at(-1)!.sites[0].mean).toBeCloseTo(scored[0].score.value, 6);
    // The same for other programs.
    const [mlflow, tensorboard] = ['mlruns', 'events'].map(name => join(output, '..', name));
    await studyReport(output, { mlflow, tensorboard });
    const [, experiment] = (await readdir(mlflow)).toSorted();
    const found = new Map<string, string>();
    for (const id of (await readdir(join(mlflow, experiment))).filter(name => name !== 'meta.yaml')) {
      const at = join(mlflow, experiment, id);
      found.set(await readFile(join(at, 'tags', 'mlflow.runName'), 'utf8'), at);
    }
    expect(found.size).toBe(15);
    const numberOf = async (run: string, ...path: string[]) =>
      Number((await readFile(join(found.get(run)!, 'metrics', ...path), 'utf8')).trim().split(' ')[1]);
    expect(await numberOf('distilled-a-b-s0', 'a', 'score')).toBe(rows.at(-1)!.sites[0].mean);
    expect(await numberOf('study', 'a with b', 'distilled', 'on a')).toBe(rows.at(-1)!.sites[0].mean);
    expect(await readFile(join(found.get('merged-a-b-s0')!, 'params', 'steps'), 'utf8')).toBe('3');
    expect((await readdir(join(found.get('run-a-b-s0')!, 'artifacts'))).toSorted()).toEqual([
      'curve.svg',
      'positions.svg',
    ]);
    expect((await readdir(tensorboard)).toSorted()).toEqual([...found.keys()].toSorted());
    // The own images are the partner's here, so that a network is as good on both, and no better than itself.
    const [{ sites }] = rows;
    expect(sites[0].mean).toBe(sites[1].mean);
    // What it is better by than the ensemble is what that is worse by.
    const [ensemble] = rows.filter(({ method }) => method === 'ensemble');
    const [{ against, mean, low, high, classes }] = sites[0].differences;
    const [other] = ensemble.sites[0].differences.filter(difference => difference.against === 'alone a');
    expect([against, mean, low, high]).toEqual(['ensemble', -other.mean, -other.high, -other.low]);
    expect(mean).toBeCloseTo(sites[0].mean - ensemble.sites[0].mean, 12);
    // There is one class.
    expect(classes).toEqual([{ mean, low, high }]);
  });

  const keyOf = async (path: string, kind: string): Promise<string> =>
    (await readdir(join(path, 'cells'))).find(key => key.startsWith(`${kind}-`))!;

  it('computes nothing again, and what its description changes only', async () => {
    const few = { sites: trainedSites, methods: ['alone', 'finetune', 'ensemble'], pairs: [['a', 'b']] };
    const output = join(folder(), 'again');
    const computed: string[] = [];
    const counting: Launcher = async (at, key, signal) => {
      computed.push(key.replace(/-\w{8}$/, ''));
      await launch(at, key, signal);
    };
    const { signal } = new AbortController();
    await study(await described('again.json', few), { output, launch: counting, signal });
    // Nothing of it waits for the signal any more.
    expect(getEventListeners(signal, 'abort')).toEqual([]);
    expect(computed).toEqual(['alone-a-s0', 'alone-b-s0', 'finetune-a-b-s0', 'ensemble-a-b-s0']);
    await study(await described('again.json', few), { output, launch: counting });
    expect(computed).toHaveLength(4);
    // Nor is anything asked of a folder that cannot be written any more, as on a disk that is read-only.
    const lock = join(output, '.suture-lock');
    await mkdir(lock);
    const ended = await study(output, { launch: counting });
    expect(Object.values(statuses(ended))).toEqual(Array(4).fill('done'));
    expect(ended.warnings).toEqual([
      expect.stringMatching(/\.suture-lock cannot be written: .* Every cell has ended, so there was nothing to do\.$/),
    ]);
    await rm(join(output, 'study.md'));
    expect((await study(output)).warnings).toEqual([expect.stringMatching(/, and study\.md would be another now\.$/)]);
    const more = await described('more.json', { ...few, seeds: [0, 1] });
    await expect(study(more, { output, launch: counting })).rejects.toMatchObject({ code: 'output-unwritable' });
    expect(computed).toHaveLength(4);
    await rm(lock, { recursive: true });
    await study(await described('again.json', { ...few, finetune: { steps: 1, batch: 2 } }), {
      output,
      launch: counting,
    });
    expect(computed.slice(4)).toEqual(['finetune-a-b-s0']);
    const notes: string[] = [];
    const onProgress = ({ note = '' }: ProgressEvent) => void notes.push(note.replaceAll(/-\w{8}(?=,|$)/g, ''));
    const file = await described('again.json', { ...few, seeds: [0, 1] });
    await study(file, { output, launch: counting, jobs: 2, onProgress });
    // What runs is named while it does.
    expect(notes).toContain('alone-a-s1, alone-b-s1');
    // In whatever order they come.
    expect(computed.slice(5).toSorted()).toEqual(['alone-a-s1', 'alone-b-s1', 'ensemble-a-b-s1', 'finetune-a-b-s1']);
  });

  it('scores a network alone again, and trains it not again, where a site comes or has other test data', async () => {
    const sites = [{ name: 'a', ...data }, trainedSites[1]];
    const output = join(folder(), 'sites');
    const withSites = (more: readonly object[]) => described('sites.json', { sites: more, methods: ['alone'] });
    await study(await withSites(sites), { output, launch });
    const key = await keyOf(output, 'alone-a');
    const trainedAt = async () => (await stat(join(output, 'cells', key, 'net', 'network.onnx'))).mtimeMs;
    const before = await trainedAt();
    const others = Object.fromEntries(parseNpz(await readFile(join(folder(), 'data.npz'))));
    const labels = npyArray(new Uint8Array(6 * 64).fill(1), [6, 8, 8]);
    await writeFile(join(folder(), 'full.npz'), formatNpz({ ...others, labels }));
    const changed = [sites[0], { ...sites[1], test: 'full.npz' }, { ...trainedSites[0], name: 'c' }];
    const file = await withSites(changed);
    expect(statuses(await studyPlan(file, output))).toMatchObject({
      'alone-a-s0': 'interrupted',
      'alone-c-s0': 'ready',
    });
    await study(file, { output, launch });
    expect(await trainedAt()).toBe(before);
    const { result } = JSON.parse(await readFile(join(output, 'cells', key, 'cell.json'), 'utf8'));
    const [a, b, c] = result.tests as { site: string; value: number }[];
    expect([a, b, c].map(({ site }) => site)).toEqual(['a', 'b', 'c']);
    expect(c.value).toBe(a.value);
    expect(b.value).not.toBe(a.value);
  });

  it('says what to remove where a network that others are made of is gone', async () => {
    const sites = [trainedSites[0], { name: 'b', ...data }];
    const few = { sites, methods: ['alone', 'finetune'], pairs: [['a', 'b']] };
    const output = join(folder(), 'gone');
    const file = await described('gone.json', few);
    await study(file, { output, launch });
    const [made, user] = await Promise.all(['alone-b', 'finetune-a'].map(kind => keyOf(output, kind)));
    await rm(join(output, 'cells', user), { recursive: true });
    await rm(join(output, 'cells', made, 'net', 'network.onnx'));
    const { details } = await study(file, { output, launch }).catch(error => error);
    expect(details).toEqual([
      expect.stringContaining(`is gone, of which this cell is made; remove ${join(output, 'cells', made)} to compute`),
    ]);
    await rm(join(output, 'cells', made), { recursive: true });
    expect(new Set(Object.values(statuses(await study(file, { output, launch }))))).toEqual(new Set(['done']));
  });

  it('shows a cell whose record is damaged as failed, and computes it again', async () => {
    const file = await described('damaged.json', { sites: trainedSites, methods: ['alone'], pairs: [['a', 'b']] });
    const output = join(folder(), 'damaged');
    const whole = await study(file, { output, launch });
    const key = await keyOf(output, 'alone-a');
    const record = join(output, 'cells', key, 'cell.json');
    const text = await readFile(record, 'utf8');
    await writeFile(record, text.slice(0, text.length / 2));
    const { cells } = await studyStatus(output);
    expect(cells.map(({ status }) => status).toSorted()).toEqual(['done', 'failed']);
    expect(statuses(await study(file, { output, launch }))).toEqual(statuses(whole));
    expect(JSON.parse(await readFile(record, 'utf8')).result).toEqual(JSON.parse(text).result);
  });

  it('of another description is refused while a cell of the one that is there is computed', async () => {
    const few = { methods: ['alone'], pairs: [['a', 'b']] };
    const [file, other] = [await described('one.json', few), await described('other.json', { ...few, seeds: [1] })];
    const output = join(folder(), 'one');
    const { cells } = await studyPlan(file, output);
    const cell = join(output, 'cells', cells[0].key);
    await withNewLock(cell, async () => {
      await expect(studyPlan(other, output)).rejects.toThrow(
        `holds another description, and its cell ${cells[0].key} is being computed by process ${process.pid} on `,
      );
      // The same one may look on.
      expect((await studyPlan(file, output)).cells).toHaveLength(2);
    });
    expect((await StudyFolder.open(output)).request.seeds).toEqual([0]);
    expect((await studyPlan(other, output)).cells[0].key).not.toBe(cells[0].key);
  });

  it('goes on past a cell that fails, says so, and computes it again', async () => {
    const sites = [...trainedSites, { ...trainedSites[1], name: 'c' }];
    const more = {
      sites,
      methods: ['alone', 'ensemble'],
      finetune: {},
      pairs: [
        ['a', 'b'],
        ['a', 'c'],
      ],
    };
    const output = join(folder(), 'failing');
    const file = await described('failing.json', more);
    let isBroken = true;
    const failing: Launcher = async (at, key, signal) => {
      if (!isBroken || !key.startsWith('alone-b')) return launch(at, key, signal);
      await at.write(at.cell(key), { status: 'failed', seconds: 1, peakBytes: 1, error: 'The power went out.' });
    };
    const first = study(file, { output, launch: failing });
    await expect(first).rejects.toThrow('1 of 5 cells failed, and 1 wait for them');
    await expect(first).rejects.toMatchObject({ details: [expect.stringContaining('The power went out.')] });
    expect(statuses(await studyStatus(output))).toEqual({
      ...{ 'alone-a-s0': 'done', 'alone-b-s0': 'failed', 'alone-c-s0': 'done' },
      ...{ 'ensemble-a-b-s0': 'blocked', 'ensemble-a-c-s0': 'done' },
    });
    expect(await readFile(join(output, 'study.md'), 'utf8')).toContain('The power went out.');
    isBroken = false;
    const { cells } = await study(file, { output, launch: failing });
    expect(cells.every(({ status }) => status === 'done')).toBe(true);
  });

  it('refuses folds that no image is of, and files without any, before anything is computed', async () => {
    const output = join(folder(), 'no-fold');
    const planned = async (folds: readonly number[], train = 'data.npz') => {
      const sites = trainedSites.map(site => ({ ...site, train, validation: train }));
      return studyPlan(await described('no-fold.json', { sites, folds }), output);
    };
    await expect(planned([0, 7])).rejects.toThrow(/^Site a: no image is of the fold 7; there are 0, 1/);
    const { images, labels } = Object.fromEntries(parseNpz(await readFile(join(folder(), 'data.npz'))));
    await writeFile(join(folder(), 'unfolded.npz'), formatNpz({ images, labels }));
    await expect(planned([0], 'unfolded.npz')).rejects.toThrow(/unfolded\.npz has no array "fold"/);
    await writeFile(
      join(folder(), 'one-fold.npz'),
      formatNpz({ images, labels, fold: npyArray(new Int32Array(images.shape[0]), [images.shape[0]]) }),
    );
    await expect(planned([0], 'one-fold.npz')).rejects.toThrow('all images are of the fold 0');
    expect(await isThere(output)).toBe(false);
  });

  it('reads the images of a fold again where its file holds others', async () => {
    const more = { methods: ['alone'], folds: [0], curves: [] };
    const output = join(folder(), 'changed');
    const sites = ['a', 'b'].map(name => ({
      ...{ name, train: 'changed.npz', validation: 'changed.npz', test: 'data.npz', network: 'a.onnx' },
    }));
    const heldOut = async (side: number) => {
      await smallData(join(folder(), 'changed.npz'), side);
      const at = await StudyFolder.make(output, await readStudy(await described('changed.json', { ...more, sites })));
      return loadDataset((await dataFor(at, at.request.sites[0], { fold: 0 })).validation);
    };
    expect((await heldOut(8)).imageShape).toEqual([1, 8, 8]);
    expect((await heldOut(12)).imageShape).toEqual([1, 12, 12]);
    expect((await heldOut(8)).imageShape).toEqual([1, 8, 8]);
  });

  describe('of nnU-Net raw folders', () => {
    const names = Array.from({ length: 6 }, (_, i) => `train_000${i}`);
    const held = [names.slice(0, 2), names.slice(2)];
    const sites = ['a', 'b'].map(name => ({ name, train: `RAW${name}`, test: `RAW${name}` }));
    const labels = { folder: { plans: 'RAWa/plans.json' } };

    beforeAll(async () => {
      for (const { train } of sites) {
        const path = join(folder(), train);
        await writeRawFolder(path, join(folder(), 'data.npz'));
        const splits = held.map(val => ({ train: names.filter(name => !val.includes(name)), val }));
        await writeFile(join(path, 'splits_final.json'), JSON.stringify(splits));
      }
    });

    const read = async (...path: string[]) => JSON.parse(await readFile(join(folder(), ...path), 'utf8'));

    it('trains on what each fold of their splits leaves, validates on the rest, and tests on all cases', async () => {
      const networks = sites.map(site => ({ ...site, network: `${site.name}.onnx` }));
      const more = { sites: networks, labels, methods: ['stitched'], curves: [], folds: [0, 1] };
      const output = join(folder(), 'raw');
      await study(await described('raw.json', { ...more, pairs: [['a', 'b']] }), { output, launch });
      const [{ positions, rules, rows }] = (await studyReport(output)).pairs;
      expect(rows.map(({ cells }) => cells)).toEqual([2, 2, 2]);
      expect(positions[0].folds).toHaveLength(2);
      expect(rules.map(({ rule, positions: at }) => [rule, at.length])).toEqual([
        [1, 2],
        [2, 1],
        [3, 1],
      ]);
      const keys = await readdir(join(output, 'cells'));
      for (const [fold, { length }] of held.entries()) {
        const at = (kind: string) => ['raw', 'cells', keys.find(key => key.startsWith(`${kind}-f${fold}`))!];
        expect((await read(...at('run-a-b'), 'run', 'config.json')).data.images).toBe(6 - length);
        expect((await read(...at('run-a-b'), 'run', 'sweep.json')).data.images).toBe(length);
        const { tests } = (await read(...at('stitched-a-b'), 'cell.json')).result;
        expect(tests[0].against[0].groups).toBe(6);
      }
    });

    it('reads them by the plans of each site, whose networks see the same images as in a network that is joined', async () => {
      const plans = await read('RAWb', 'plans.json');
      const channel = plans.foreground_intensity_properties_per_channel['0'];
      Object.assign(channel, { std: 2 * channel.std, percentile_99_5: channel.mean + 1.5 * channel.std });
      await writeFile(join(folder(), 'b-plans.json'), JSON.stringify(plans));
      const [a, b] = [
        { ...sites[0], network: 'a.onnx', plans: 'RAWa/plans.json' },
        { ...sites[1], network: 'b.onnx', plans: 'b-plans.json' },
      ];
      const methods = ['alone', 'finetune', 'ensemble', 'gated'];
      const more = { sites: [a, b], methods, curves: [], pairs: [['a', 'b']] };
      const output = join(folder(), 'planned');
      await study(await described('planned.json', more), { output, launch });
      const { pairs } = await studyReport(output);
      const scoreOf = (title: string, site: string): number =>
        pairs[0].rows.find(({ method, of }) => (of ?? method) === title)!.sites.find(found => found.site === site)!
          .mean;
      const paths = [a, b].map(({ network, test, plans: file }) => ({
        ...{ network: join(folder(), network), test: join(folder(), test), plans: join(folder(), file) },
      }));
      for (const [i, name] of ['a', 'b'].entries()) {
        for (const { test } of paths) {
          const { rows } = await evaluate([paths[i].network], test, {
            ...{ executor: 'ort', labels: { folder: { plans: paths[i].plans } } },
          });
          expect(scoreOf(name, test.endsWith('a') ? 'a' : 'b')).toBe(rows[0].score.value);
        }
      }
      const both = { folder: { plans: paths[0].plans, partners: { b: paths[1].plans } } };
      const networks = paths.map(({ network }) => network);
      const { rows } = await evaluate(networks, paths[1].test, { executor: 'ort', labels: both, ensemble: true });
      expect(scoreOf('ensemble', 'b')).toBe(rows.at(-1)!.score.value);
      // The partner alone, as it sees its own images, and behind the own network's, is the same one.
      expect(rows[1].score.value).toBeCloseTo(scoreOf('b', 'b'), 1);
      const at = (kind: string) => keyOf(output, kind);
      const config = await read('planned', 'cells', await at('run'), 'run', 'config.json');
      expect(config.labels.folder).toMatchObject(both.folder);
      // A network that is tuned sees what it was trained on.
      const tuned = await read('planned', 'cells', await at('finetune'), 'net', 'config.json');
      expect(tuned.labels.folder.plans).toBe(paths[1].plans);
      // Other plans, other cells of that site's networks alone.
      const before = (await studyStatus(output)).cells.map(({ key }) => key);
      await writeFile(join(folder(), 'b-plans.json'), JSON.stringify({ ...plans, dataset_name: 'another' }));
      const after = (await studyStatus(output)).cells.map(({ key }) => key);
      expect(after.filter(key => before.includes(key))).toEqual([await at('alone-a')]);
      const refused = async (changed: object) => cellsOf(await readStudy(await described('refused.json', changed)));
      await expect(refused({ sites: [a, sites[1]] })).rejects.toThrow('site b has no plans, and another has');
      await expect(refused({ sites: [a, { ...b, test: 'data.npz' }] })).rejects.toThrow(
        /Site b: plans are of folders of image files, and .*data\.npz is none/,
      );
    });

    it('validates on their first fold where none is named, and refuses folds that are not there', async () => {
      const output = join(folder(), 'first');
      const { cells } = await studyPlan(await described('first.json', { sites, labels, methods: ['alone'] }), output);
      await studyCell(output, cells[0].key);
      expect((await read('first', 'cells', cells[0].key, 'net', 'config.json')).sites[0].images).toBe(4);
      const refused = async (more: object) => cellsOf(await readStudy(await described('refused.json', more)));
      await expect(refused({ sites, folds: [0, 2] })).rejects.toThrow(
        'RAWa has 2 folds, counted from 0 on, and no fold 2',
      );
      const [a, b] = sites;
      await expect(refused({ sites: [a, { ...b, validation: 'RAWb' }] })).rejects.toThrow(
        'Site b: name validation data',
      );
      await expect(refused({ sites: [{ ...a, train: 'RAWa/imagesTr' }, b] })).rejects.toThrow('no splits_final.json');
      await expect(refused({ sites: [{ ...a, validation: 'RAWa' }, b], folds: [0] })).rejects.toThrow('leave out its');
      await expect(refused({ sites: [{ ...a, train: 'data.npz' }, b] })).rejects.toThrow('no folder with splits');
    });
  });
});

it('on the WebGPU executor comes to what it comes to on ONNX Runtime', async () => {
  const few = { sites: trainedSites, methods: ['alone', 'ensemble'], pairs: [['a', 'b']] };
  const meansOn = async (executor: 'webgpu' | 'ort'): Promise<readonly number[]> => {
    const output = join(folder(), executor);
    await study(await described(`${executor}.json`, { ...few, executor }), { output, launch });
    const [{ rows }] = (await studyReport(output)).pairs;
    return rows.flatMap(row => row.sites.flatMap(({ mean, differences }) => [mean, ...differences.map(d => d.mean)]));
  };
  const [found, wanted] = [await meansOn('webgpu'), await meansOn('ort')];
  expect(found).toHaveLength(wanted.length);
  // A pixel at the border between classes may fall to either side: of 64, with about 20 in the foreground.
  for (const [i, number] of found.entries()) expect(Math.abs(number - wanted[i])).toBeLessThan(0.02);
  expect(new Set(wanted.map(number => number.toFixed(3))).size).toBeGreaterThan(5);
});

describe('cells', () => {
  const request = async (more: object) => readStudy(await described('cells.json', more));

  it('come after what they need', async () => {
    const cells = await cellsOf(await request({ folds: [0, 1], seeds: [0, 3] }));
    const at = new Map(cells.map(({ key }, i) => [key, i]));
    expect(at.size).toBe(cells.length);
    for (const { key, needs } of cells) for (const need of needs) expect(at.get(need)).toBeLessThan(at.get(key)!);
    // Two sites alone; merged data and FedAvg of both; nine cells of each pair beside the three of stitches.
    expect(cells).toHaveLength(4 * (2 + 2 + 2 * (7 + 3)));
  });

  it('wait for their needs, and are none of another study', async () => {
    const output = join(folder(), 'order');
    const file = await described('order.json', { methods: ['alone', 'merged'], pairs: [['a', 'b']] });
    const { cells } = await studyPlan(file, output);
    const merged = cells.find(({ key }) => key.startsWith('merged'))!;
    expect(merged.status).toBe('waiting');
    await expect(studyCell(output, merged.key)).rejects.toThrow(/needs alone-a-s0-\w+, which has not ended/);
    await expect(studyCell(output, 'nowhere')).rejects.toThrow('has no cell nowhere');
  });
});

describe('refuses', () => {
  const oneSite = (site: object) => ({ sites: [{ train: 't', test: 't', ...site }] });

  it.each<readonly [string | object, string]>([
    ['{', 'it is no JSON document: '],
    ['[]', 'the document: { … } is expected'],
    ['{}', 'sites'],
    [{ sites: [] }, 'two sites or more'],
    [{ architecture: undefined }, 'site a has no network'],
    [{ methods: ['alnoe'] }, 'methods.0'],
    [{ pairs: [['a', 'c']] }, 'there is no site c'],
    [{ pairs: [['a', 'a']] }, 'no partner of itself'],
    [{ pairs: [] }, 'pairs: one or more are expected'],
    [{ pairs: [['a', 'b', 'a']] }, 'pairs.0.2: ["own", "partner"] is expected'],
    [{ seeds: [0, 1, 0] }, 'seeds: something is there twice'],
    [{ train: { step: 3 } }, 'train.step: there is no such member'],
    [{ train: { lr: 0.1 } }, 'train.lr: it is called learningRate here'],
    [{ distill: { 'label-share': 0.5 } }, 'distill.label-share: it is called labelShare here'],
    [{ train: [] }, 'train: { … } is expected'],
    [{ train: { learningRate: -1 } }, 'train.learningRate: a number greater than 0 is expected'],
    [{ labels: { ignorelabel: 3 } }, 'labels.ignorelabel: there is no such member'],
    [{ labels: { folder: { plan: 'plans.json' } } }, 'labels.folder.plan: there is no such member'],
    [{ labels: [1] }, 'labels: { … } is expected'],
    [{ stitch: { method: 'direct', settings: 'sampled' } }, 'stitch: Direct matching fits clean features'],
    [{ seeds: [-1] }, 'seeds.0: a whole number from 0 on is expected'],
    [oneSite({ name: 'a', test: undefined }), 'sites.0.test: it is missing'],
    ...['', '..', 'a/b', 'a-b', 'ü', '__proto__', 'constructor', 'x'.repeat(61)].map(
      name => [oneSite({ name }), 'sites.0.name: a name of at most 60'] as const,
    ),
    [{ architecture: '' }, 'architecture: a path is expected'],
  ])('%o', async (given, message) => {
    const text = typeof given === 'string' ? given : await readFile(await described('bad.json', given), 'utf8');
    expect(() => parseStudy(text, 'bad.json')).toThrow(message);
  });

  it('a number that is too large to be one, which would be null in the copy of its folder', async () => {
    const text = await readFile(await described('bad.json', { budget: 2 }), 'utf8');
    expect(() => parseStudy(text.replace('"budget":2', '"budget":1e400'), 'bad.json')).toThrow('budget: a share');
  });

  it.each<readonly [object, RegExp]>([
    [{ architecture: 'nowhere.onnx' }, /nowhere\.onnx: there is no such file\.$/],
    [{ architecture: '.' }, /: it is a directory, not a file\.$/],
    [{ architecture: 'a\0.onnx' }, /a\\x00\.onnx: its name is none that a file can have\.$/],
    ...(['train', 'validation', 'test', 'network'] as const).map(
      use => [{ [use]: 'nowhere' }, /nowhere: there is no such file\.$/] as const,
    ),
  ])('files that are not there: %o', async (given, message) => {
    const data = { train: 'data.npz', validation: 'data.npz', test: 'data.npz' };
    const sites = ['a', 'b'].map(name => ({ name, ...data, ...(!('architecture' in given) && given) }));
    const file = await described('absent.json', { sites, ...('architecture' in given && given) });
    const output = join(folder(), 'absent');
    const { code, stderr } = await suture('study', file, '-o', output, '--plan');
    expect({ code, stderr: stderr.trim() }).toEqual({ code: 1, stderr: expect.stringMatching(message) });
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(await isThere(output)).toBe(false);
  });

  it('a description that is not there, and reads one with a mark before it', async () => {
    for (const file of [join(folder(), 'nowhere.json'), join(folder(), '\0')])
      await expect(readStudy(file)).rejects.toMatchObject({ code: 'study-invalid' });
    const file = await described('mark.json');
    await writeFile(file, `\ufeff${await readFile(file, 'utf8')}`);
    expect((await readStudy(file)).seeds).toEqual([0]);
  });

  it('a folder that holds something else, and one that is no study', async () => {
    const file = await described('elsewhere.json');
    await expect(study(file, { output: folder(), launch })).rejects.toThrow("holds other files than a study's");
    await expect(studyStatus(folder())).rejects.toThrow('is no study');
    const { code, stderr } = await suture('study', file);
    expect(code).toBe(2);
    expect(stderr).toContain('-o DIR');
  });
});
