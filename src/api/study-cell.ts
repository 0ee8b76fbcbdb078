/** One cell of a study, from where it was to its scores: `suture study cell`. */
import { isAbsolute, join, relative } from 'node:path';
import { printable, SutureError } from '../../ir/errors.ts';
import { loadDataset } from '../data/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { onProcessor, withExecutor } from '../execution/open.ts';
import { type Execution, type TrainingWork, workOptions } from '../execution/progress.ts';
import { isThere } from '../files/there.ts';
import { classDifferences, differenceOf, groupsOf } from '../metrics/bootstrap.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { measureNetworks } from '../metrics/score-networks.ts';
import { loadModels } from '../network/models.ts';
import { type Parent, parentOf } from '../network/parent.ts';
import { usualWeight } from '../options/kinds.ts';
import { labelsOfRun } from '../run/config.ts';
import { type LoadedRun, loadRun } from '../run/load.ts';
import { withNewLock } from '../run/lock.ts';
import { possibleRules, type Rule } from '../selection/select.ts';
import { type Sweep, sweepPositions, sweepSchema } from '../selection/sweep.ts';
import { type Cell, otherWay, siteNamed } from '../study/cells.ts';
import { type CellRecord, type CellResult, StudyFolder, type TestScores } from '../study/folder.ts';
import { dataFor } from '../study/folds.ts';
import { type CellLabels, labelsFor } from '../study/sites.ts';
import { curve } from './curve.ts';
import { distill, resumeDistill } from './distill.ts';
import { type Choice, choosePosition, exportNetwork } from './export.ts';
import { writePositionPage } from './report.ts';
import { search } from './search.ts';
import { resumeStitch, stitch } from './stitch.ts';
import { sweep } from './sweep.ts';
import { resumeTrain, type TrainOptions, train } from './train.ts';

/** A cell that is computed. */
interface Work extends CellLabels {
  readonly folder: StudyFolder;
  readonly cell: Cell;
  /** Where its files are. */
  readonly at: string;
  readonly executor: ExecutorOptions;
  readonly training: TrainingWork;
}

/**
 * Computes a cell whose needs have ended, or goes on with it, and keeps what came of it in its folder. A cell that has ended is left as it is.
 *
 * @throws SutureError `study-invalid` for a cell that is not there or must wait; `run-locked` where another process computes it; whatever
 * the work throws, which is kept as well.
 */
export async function studyCell(path: string, key: string, training: TrainingWork = {}): Promise<CellRecord> {
  const folder = await StudyFolder.open(path);
  const cell = folder.cell(key);
  const { task, labels = {}, executor } = folder.request;
  const at = folder.folderOf(cell);
  return withNewLock(at, async () => {
    const before = await folder.record(cell);
    if (before?.status === 'done') return before;
    for (const needed of cell.needs) {
      if ((await folder.record(folder.cell(needed)))?.status === 'done') continue;
      throw new SutureError(
        'study-invalid',
        `The cell ${printable(key)} needs ${printable(needed)}, which has not ended.`,
      );
    }
    const since = performance.now();
    const keep = (found: Pick<CellRecord, 'status' | 'error' | 'result'>): Promise<void> =>
      folder.write(cell, {
        seconds: (before?.seconds ?? 0) + (performance.now() - since) / 1000,
        peakBytes: Math.max(before?.peakBytes ?? 0, process.resourceUsage().maxRSS * 1024),
        ...found,
      });
    await keep({ status: 'begun' });
    try {
      await requireNeeds(folder, cell);
      const said = task === undefined ? labels : labelsOfRun({ task }, labels);
      const both = await labelsFor(folder.request, cell, said);
      const result = await resultOf({ folder, cell, at, ...both, executor: { executor }, training });
      await keep({ status: 'done', result });
    } catch (error) {
      const isStopped = error instanceof SutureError && error.code === 'interrupted';
      const message = error instanceof Error ? error.message : String(error);
      await keep(isStopped ? { status: 'begun' } : { status: 'failed', error: message });
      throw error;
    }
    return (await folder.record(cell))!;
  });
}

/** @throws SutureError `study-invalid` where what a cell is made of was removed since it was made. */
async function requireNeeds(folder: StudyFolder, cell: Cell): Promise<void> {
  for (const needed of cell.needs.map(key => folder.cell(key))) {
    const at = folder.folderOf(needed);
    const { network } = (await folder.record(needed))?.result ?? {};
    const made = needed.kind === 'run' ? join(at, 'run', 'parameters.npz') : network && join(folder.path, network);
    // A site's own network is named where it is, and read there.
    if (!made || (network !== undefined && isAbsolute(network)) || (await isThere(made))) continue;
    throw new SutureError(
      'study-invalid',
      `${printable(made)} is gone, of which this cell is made; remove ${printable(at)} to compute that again.`,
    );
  }
}

async function resultOf(work: Work): Promise<CellResult> {
  const { cell } = work;
  switch (cell.kind) {
    case 'alone': {
      const { network } = siteNamed(work.folder.request, cell.sites[0]);
      return scored(work, network ?? (await trained(work)));
    }
    case 'merged':
    case 'fedavg':
    case 'finetune':
    case 'finetune-shift':
      return scored(work, await trained(work));
    case 'run':
    case 'direct':
    case 'all':
      return stitched(work);
    case 'ensemble':
      return ensembled(work);
    case 'gated':
    case 'stitched':
    case 'trunk':
      return exported(work);
    case 'distilled':
      return scored(work, await distilled(work));
    default:
      return cell.kind satisfies never;
  }
}

/** The network of a site alone, as its cell has it. */
async function networkOfSite({ folder, cell }: Work, name: string): Promise<string> {
  const alone = cell.needs
    .map(key => folder.cell(key))
    .find(({ kind, sites }) => kind === 'alone' && sites[0] === name)!;
  const { network } = (await folder.record(alone))!.result!;
  return isAbsolute(network!) ? network! : join(folder.path, network!);
}

/** What a cell trains and chooses on: data of the own site. */
const ownDataOf = ({ folder, cell }: Work) => dataFor(folder, siteNamed(folder.request, cell.sites[0]), cell);

/** Whether something was begun in a folder that a command of this program makes. */
const isBegun = async (path: string): Promise<boolean> => isThere(join(path, 'config.json'));

/** A network trained on labels. */
async function trained(work: Work): Promise<string> {
  const { folder, cell, at, labels, executor, training } = work;
  const { request } = folder;
  const output = join(at, 'net');
  const file = join(output, 'network.onnx');
  if (await isThere(join(output, 'scores.json'))) return file;
  if (await isBegun(output)) return (await resumeTrain(output, training)).file;
  const { train: data, validation } = await ownDataOf(work);
  const common = {
    validation,
    output,
    labels,
    seed: cell.seed,
    metric: request.metric,
    task: request.task,
    ...executor,
  };
  const begin = (network: string, options: Partial<TrainOptions>) =>
    train(network, { ...common, ...options }, training);
  switch (cell.kind) {
    case 'alone':
      await begin(request.architecture!, { ...request.train, data, fresh: true });
      break;
    case 'finetune':
    case 'finetune-shift': {
      const shift = cell.kind === 'finetune-shift' ? (request.finetune.shift ?? 1) : 0;
      await begin(await networkOfSite(work, cell.sites[1]), { ...request.finetune, data, shift });
      break;
    }
    default: {
      const sites = [];
      for (const name of cell.sites) {
        sites.push({ name, file: (await dataFor(folder, siteNamed(request, name), cell)).train });
      }
      const { steps: _, ...others } = request.train;
      const settings = cell.kind === 'fedavg' ? { ...others, ...request.fedavg, federate: true } : request.train;
      await begin(request.architecture!, { ...settings, sites, fresh: true });
    }
  }
  return file;
}

/** Both parents, the own one first. */
const parentsOf = async (work: Work): Promise<[string, string]> => [
  await networkOfSite(work, work.cell.sites[0]),
  await networkOfSite(work, work.cell.sites[1]),
];

/** Stitches trained, and the score against how many of them are used at once; of those that more is made of also each position. */
async function stitched(work: Work): Promise<CellResult> {
  const { folder, cell, at, labels, testLabels, executor, training } = work;
  const { request } = folder;
  const { train: data, validation } = await ownDataOf(work);
  const output = join(at, 'run');
  if (!(await isThere(join(output, 'parameters.npz')))) {
    if (await isBegun(output)) await resumeStitch(output, training);
    else {
      const other = otherWay(request.stitch);
      const ways = {
        run: request.stitch,
        all: { ...other, settings: 'all' },
        direct: { ...other, method: 'direct' },
      } as const;
      await stitch(
        {
          ...{ networks: await parentsOf(work), data, output, labels, ...executor },
          ...(request.task && { task: request.task }),
          training: { ...ways[cell.kind as keyof typeof ways], seed: cell.seed },
        },
        training,
      );
    }
  }
  const scoring = { metric: request.metric, ...executor, ...workOptions(training) };
  const { runs } = await curve([output], siteNamed(request, cell.sites[0]).test, { ...scoring, labels: testLabels });
  const result = { curve: runs[0].scores.map(({ count, value }) => ({ count, value })) };
  if (cell.kind !== 'run') return result;
  const swept = await sweep(output, validation, { ...scoring, labels });
  const run = await loadRun(output);
  const tests = new Map<string, Sweep>();
  const sets = new Map<string, LabelledData>();
  await withExecutor(executor, async opened => {
    const execution = { executor: opened, ...workOptions(training) };
    for (const name of cell.sites) {
      const dataset = await loadDataset(siteNamed(request, name).test, labelsOfRun(run.directory.config, testLabels));
      const test = LabelledData.for(run.parents, dataset, request.metric);
      tests.set(name, await sweepPositions(execution, run, test));
      sets.set(name, test);
    }
    const position = await choosePosition(run, await usualRule(run));
    await writePositionPage(execution, output, { position, sets });
  });
  const positions = swept.positions.map(({ position, depth, value }, i) => ({
    position,
    ...(depth !== undefined && { depth }),
    validation: value,
    tests: Object.fromEntries(Array.from(tests, ([name, found]) => [name, found.positions[i].value])),
  }));
  return { ...result, metric: swept.metric, higherIsBetter: swept.higherIsBetter, positions };
}

/** Where the run is that a cell is made of. */
const runOf = ({ folder, cell }: Work): string => {
  const run = cell.needs.map(key => folder.cell(key)).find(({ kind }) => kind === 'run')!;
  return join(folder.folderOf(run), 'run');
};

/** A network that is made of a run without training. */
async function exported(work: Work): Promise<CellResult> {
  const { folder, cell, at, labels, executor, training } = work;
  const { request } = folder;
  const run = runOf(work);
  const file = join(at, 'network.onnx');
  if (cell.kind === 'trunk') {
    const { validation } = await ownDataOf(work);
    await search(run, validation, {
      ...{ labels, metric: request.metric, evaluations: request.evaluations, seed: cell.seed },
      ...executor,
      ...workOptions(training),
    });
  }
  const { found, position, rule } = await exportNetwork(run, file, await choiceOf(work, run), { force: true });
  const note = found?.name ?? (rule === undefined ? undefined : `position ${position}, by rule ${rule}`);
  return scored(work, file, note);
}

async function choiceOf({ folder, cell }: Work, path: string): Promise<Choice> {
  if (cell.kind === 'trunk') return { budget: folder.request.budget };
  if (cell.kind === 'gated') return { combination: { positions: [], weight: usualWeight, gated: true } };
  return usualRule(await loadRun(path));
}

/** Over folds where there are some, else by the scores, else by depth. @param run one that was swept. */
async function usualRule({ directory }: LoadedRun): Promise<{ readonly rule: Rule }> {
  const swept = (await directory.readJson('sweep', sweepSchema))!;
  return { rule: possibleRules(swept.positions).at(-1) ?? 3 };
}

async function distilled(work: Work): Promise<string> {
  const { folder, cell, at, labels, executor, training } = work;
  const output = join(at, 'student');
  const file = join(output, 'student.onnx');
  if (await isThere(join(output, 'scores.json'))) return file;
  if (await isBegun(output)) return (await resumeDistill(output, training)).file;
  const { request } = folder;
  const { train: data, validation } = await ownDataOf(work);
  const common = { data, validation, output, labels, metric: request.metric, seed: cell.seed, ...executor };
  return (await distill(runOf(work), { ...request.distill, ...common }, training)).file;
}

/** The mean of both parents' outputs, which needs no file. */
const ensembled = (work: Work): Promise<CellResult> => scored(work, undefined);

/** Scores a network, or the ensemble of the parents, on the test data of the sites that it is of, beside what stands there already. */
async function scored(work: Work, file: string | undefined, note?: string): Promise<CellResult> {
  const { folder, cell, testLabels, executor, training } = work;
  const { request } = folder;
  const { sites, task, metric } = request;
  const of = cell.kind === 'alone' ? sites.map(({ name }) => name) : cell.sites;
  const parents = cell.kind === 'alone' ? [] : await parentsOf(work);
  return withExecutor(executor, async opened => {
    const execution: Execution = { executor: opened, ...workOptions(training) };
    const tests: TestScores[] = [];
    let by: Pick<CellResult, 'metric' | 'higherIsBetter'> = {};
    for (const name of of) {
      const { test } = siteNamed(request, name);
      const { folder: said } = testLabels;
      const files = [...parents, ...(file === undefined ? [] : [file])];
      const read = await loadModels({ networks: files, folder: said, data: [test] });
      const dataset = await loadDataset(test, { ...testLabels, ...(read.folder && { folder: read.folder }) });
      const networks: Parent[] = [];
      for (const model of read.models) networks.push(await parentOf(onProcessor, model, dataset, { task }));
      const labelled = LabelledData.for(networks, dataset, metric);
      const references = networks.slice(0, parents.length);
      const known =
        parents.length > 0 ? await measureNetworks(execution, references, labelled, { ensemble: true }) : [];
      const names = [...cell.sites.map(site => `alone ${site}`), 'ensemble'];
      const [ours] =
        file === undefined ? known.slice(-1) : await measureNetworks(execution, networks.slice(-1), labelled);
      const score = ours.metric.score();
      by = { metric: score.metric, higherIsBetter: ours.metric.higherIsBetter };
      const groups = groupsOf(dataset);
      const data = cell.testData?.[name];
      tests.push({
        site: name,
        ...(data !== undefined && { data }),
        value: score.value,
        pooled: score.pooled,
        classes: score.classes.map(({ name: title, mean }) => ({ name: title, mean })),
        against: known.map(({ metric: theirs }, i) => ({
          network: names[i],
          ...differenceOf(ours.metric, theirs, groups),
          classes: [...classDifferences(ours.metric, theirs, groups)],
        })),
      });
    }
    return {
      ...by,
      ...(file !== undefined && { network: isInside(folder.path, file) ? relative(folder.path, file) : file }),
      tests,
      ...(note !== undefined && { note }),
    };
  });
}

const isInside = (folder: string, file: string): boolean => !relative(folder, file).startsWith('..');
