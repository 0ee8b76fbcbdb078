/** The paper's experiments on one's own data: `suture study`. */
import { spawn } from 'node:child_process';
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import type { WorkOptions } from '../execution/progress.ts';
import { jsonText, makeFolder, writeOutput } from '../files/output.ts';
import { isFolder, isThere } from '../files/there.ts';
import { type KeptRun, keepForTensorBoard, keepInMlflow } from '../report/keep.ts';
import { type MetricsLine, metricsLineSchema } from '../report/stored.ts';
import { type Writer, withNewLock, writerOf } from '../run/lock.ts';
import { type CellState, type CellStatus, StudyFolder } from '../study/folder.ts';
import { studyPage } from '../study/page.ts';
import type { CellPage } from '../study/pair-section.ts';
import { type StudyReport, studyReportOf, studyText } from '../study/report.ts';
import { readStudy, type StudyRequest } from '../study/request.ts';
import { experimentOf, trackedCell, trackedStudy } from '../study/tracked.ts';
import type { CellTraining } from '../study/training-part.ts';
import { cancelStudy, queueOf, type SubmittedJob, submitStudy } from './study-slurm.ts';

/** Computes a cell somewhere, whatever becomes of it. */
export type Launcher = (folder: StudyFolder, key: string, signal: AbortSignal | undefined) => Promise<void>;

export interface StudyOptions extends WorkOptions {
  /** The folder to make, or to go on in; absent where that is named itself. */
  readonly output?: string | undefined;
  /** Cells at once. Default 1. */
  readonly jobs?: number | undefined;
  /** Default: each in a process of its own. */
  readonly launch?: Launcher | undefined;
}

/** A cell in a table. */
export interface CellFacts {
  readonly key: string;
  /** The cells that it needs. */
  readonly needs: readonly string[];
  readonly status: CellStatus;
  /** Of one that a job of Slurm has: in its words, as `PENDING`. */
  readonly queue: string | undefined;
  /** The process that works on it, or has left it without a word, as `process 12 on node7`. */
  readonly process: string | undefined;
  readonly seconds: number | undefined;
  readonly peakBytes: number | undefined;
  readonly error: string | undefined;
}

export interface StudyStatus {
  readonly study: string;
  /** Why nobody knows what Slurm has of the study; absent where that is known, or nothing was handed over. */
  readonly queueProblem?: string;
  /** The process that computes the study or hands it over, or that began to and is gone without a word. */
  readonly writer?: Writer;
  readonly cells: readonly CellFacts[];
  /** Of a study that has ended in a folder that cannot be written any more: that, and what of its report would be another one. */
  readonly warnings?: readonly string[];
}

const statusOf = (
  folder: StudyFolder,
  states: readonly CellState[],
  queue: ReadonlyMap<string, string> = new Map(),
): StudyStatus => ({
  study: folder.path,
  cells: states.map(({ cell, status, record, writer }) => ({
    key: cell.key,
    needs: cell.needs,
    status,
    queue: queue.get(cell.key),
    process: writer?.name,
    seconds: record?.seconds,
    peakBytes: record?.peakBytes,
    error: record?.status === 'failed' ? record.error : undefined,
  })),
});

/** A study that is there, in whose folder nothing is described anew, or one that a file describes. */
type Described = { readonly path: string; readonly request?: StudyRequest };

async function described(file: string, output: string | undefined): Promise<Described> {
  if (await isFolder(file)) {
    if (output === undefined) return { path: (await StudyFolder.open(file)).path };
    throw new SutureError('option-invalid', `${printable(file)} is a study's folder already: leave out -o.`);
  }
  if (output === undefined) throw new SutureError('option-invalid', 'Name the folder of the study, -o DIR.');
  return { path: output, request: await readStudy(file) };
}

/** Does work on a study while no other process computes it or hands it over. Cells have locks of their own, and may be with Slurm. */
async function withLockedStudy<T>({ path, request }: Described, work: (folder: StudyFolder) => Promise<T>): Promise<T> {
  let isBegun = false;
  try {
    return await withNewLock(path, async () => {
      isBegun = true;
      return work(request ? await StudyFolder.make(path, request, true) : await StudyFolder.open(path));
    });
  } catch (error) {
    if (isBegun || !(error instanceof SutureError) || error.code !== 'run-locked') throw error;
    const details = [`\`suture study status ${printable(path)}\` says where its cells are.`];
    throw new SutureError(error.code, error.message, { cause: error, details });
  }
}

/**
 * Computes every cell of a study that has not ended, each after those that it needs, and writes the report of all. Cells that failed are
 * computed again; one that fails does not end the study. Nothing but the folder says what is done: the same call goes on.
 *
 * @throws SutureError `study-invalid`, `output-exists`; `run-locked` where another process computes the study; `study-incomplete` where cells
 * failed, when all others have ended, or where jobs of Slurm work on some; `output-unwritable` where there is something to write; `interrupted`.
 */
export async function study(file: string, { launch = inProcess, ...options }: StudyOptions = {}): Promise<StudyStatus> {
  const named = await described(file, options.output);
  let isChanged = false;
  const launched: Launcher = (...cell) => {
    isChanged = true;
    return launch(...cell);
  };
  try {
    return await withLockedStudy(named, folder => studyLocked(folder, { ...options, launch: launched }));
  } catch (error) {
    if (isChanged || !(error instanceof SutureError) || error.code !== 'output-unwritable') throw error;
    const ended = await endedAsItIs(named, error.message);
    if (!ended) throw error;
    return ended;
  }
}

/** A study whose folder cannot be written, and need not be, for every cell has ended. @param problem why it cannot. */
async function endedAsItIs({ path, request }: Described, problem: string): Promise<StudyStatus | undefined> {
  const folder = await StudyFolder.open(path).catch(() => undefined);
  if (!folder || (request && !(await folder.isOf(request)))) return undefined;
  const states = await folder.states();
  if (states.some(({ status }) => status !== 'done')) return undefined;
  const { stale } = await reportFor(folder);
  const rest =
    stale.size === 0 ? 'so there was nothing to do' : `and ${[...stale.keys()].join(', ')} would be another now`;
  return { ...statusOf(folder, states), warnings: [`${problem} Every cell has ended, ${rest}.`] };
}

/** By whom cells are computed is decided. */
type LaunchedStudy = StudyOptions & { readonly launch: Launcher };

async function studyLocked(folder: StudyFolder, options: LaunchedStudy): Promise<StudyStatus> {
  await computeAll(folder, options);
  await writeReport(folder);
  const status = statusOf(folder, await folder.states());
  const failed = status.cells.filter(({ status: now }) => now === 'failed');
  const [blocked, done] = (['blocked', 'done'] as const).map(
    wanted => status.cells.filter(c => c.status === wanted).length,
  );
  const total = status.cells.length;
  if (done === total) return status;
  throw new SutureError(
    'study-incomplete',
    failed.length > 0
      ? `${failed.length} of ${total} cells failed, and ${blocked} wait for them; the same command computes them again.`
      : `${total - done} of ${total} cells have not ended: other processes work on this study; when those have ended, the same command goes on.`,
    { details: failed.map(({ key, error }) => `${key}: ${error}`) },
  );
}

/** Makes the folder of a study, or changes what it is of, and computes nothing. @throws SutureError as {@link study}. */
export async function studyPlan(file: string, output?: string): Promise<StudyStatus> {
  const { path, request } = await described(file, output);
  const folder = request ? await StudyFolder.make(path, request) : await StudyFolder.open(path);
  return statusOf(folder, await folder.states());
}

async function computeAll(folder: StudyFolder, { jobs = 1, launch, onProgress, signal }: LaunchedStudy) {
  const stage = 'computing cells';
  const total = folder.cells.length;
  const running = new Map<string, Promise<void>>();
  const tried = new Set<string>();
  let stop = (): void => undefined;
  const stopped = new Promise<void>(resolve => {
    stop = () => resolve();
  });
  signal?.addEventListener('abort', stop, { once: true });
  try {
    for (;;) {
      if (signal?.aborted)
        throw new SutureError(
          'interrupted',
          `The study was interrupted; go on with \`suture study ${printable(folder.path)}\`.`,
          { cause: signal.reason },
        );
      const states = await folder.states();
      const done = states.filter(({ status }) => status === 'done').length;
      const isOpen = ({ cell, status }: CellState): boolean =>
        !tried.has(cell.key) && (status === 'ready' || status === 'interrupted' || status === 'failed');
      for (const { cell } of states.filter(isOpen)) {
        if (running.size >= jobs) break;
        tried.add(cell.key);
        const ended = launch(folder, cell.key, signal).finally(() => running.delete(cell.key));
        running.set(cell.key, ended);
      }
      onProgress?.({ stage, done, total, note: [...running.keys()].join(', ') });
      if (running.size === 0) return;
      await Promise.race([...running.values(), stopped]);
      // Those that run were told to stop as well, and leave a checkpoint.
      if (signal?.aborted) await Promise.all(running.values());
    }
  } finally {
    signal?.removeEventListener('abort', stop);
  }
}

const program = fileURLToPath(new URL('../cli/main.js', import.meta.url));

/** A process that computes a cell, so that nothing that befalls it befalls the study; what it says is in the log of the cell. */
async function inProcess(folder: StudyFolder, key: string, signal?: AbortSignal): Promise<void> {
  const cell = folder.cell(key);
  await makeFolder(folder.folderOf(cell));
  const log = await open(folder.logOf(cell), 'a');
  try {
    // In a group of its own: a Ctrl-C of the terminal reaches it once, through this process, and asks for a checkpoint. By the channel it
    // knows when this process is gone.
    const child = spawn(process.execPath, [program, 'study', 'cell', folder.path, key], {
      stdio: ['ignore', log.fd, log.fd, 'ipc'],
      detached: true,
    });
    const stop = (): void => void child.kill('SIGTERM');
    signal?.addEventListener('abort', stop, { once: true });
    const how = await new Promise<string>(resolve => {
      child.on('error', ({ message }) => resolve(`did not start: ${message}`));
      child.on('close', (code, by) => resolve(by === null ? `ended with the exit code ${code}` : `was ended by ${by}`));
    });
    signal?.removeEventListener('abort', stop);
    if (!signal?.aborted) await requireEnd(folder, key, how);
  } finally {
    await log.close();
  }
}

/** Keeps of a cell whose process ended without a word, killed for its memory say, that it failed. */
async function requireEnd(folder: StudyFolder, key: string, how: string): Promise<void> {
  const cell = folder.cell(key);
  const keep = async (): Promise<void> => {
    const { status, seconds = 0, peakBytes = 0 } = (await folder.record(cell)) ?? {};
    if (status === 'done' || status === 'failed') return;
    const error = `Its process ${how}; ${printable(folder.logOf(cell))} has what it said.`;
    await folder.write(cell, { status: 'failed', seconds, peakBytes, error });
  };
  try {
    await withNewLock(folder.folderOf(cell), keep);
  } catch (error) {
    // A job of Slurm came first, and computes it.
    if (!(error instanceof SutureError) || error.code !== 'run-locked') throw error;
  }
}

/** Where the cells of a study are. @throws SutureError `study-invalid`. */
export async function studyStatus(path: string): Promise<StudyStatus> {
  const folder = await StudyFolder.open(path);
  const states = await folder.states();
  const writer = await writerOf(path);
  const found = (queue?: ReadonlyMap<string, string>): StudyStatus => ({
    ...statusOf(folder, states, queue),
    ...(writer && { writer }),
  });
  try {
    return found((await queueOf(folder))?.cells);
  } catch (error) {
    // The state on disk can be read where no Slurm answers.
    if (!(error instanceof SutureError)) throw error;
    return { ...found(), queueProblem: error.message };
  }
}

/**
 * Hands the cells of a study that have not ended to Slurm, as array jobs: see `docs/study.md`.
 *
 * @throws SutureError as {@link study}, also where one that hands it over has not ended; `option-invalid` without Slurm.
 */
export async function studyOnSlurm(
  file: string,
  { output, jobs }: Pick<StudyOptions, 'output' | 'jobs'> = {},
): Promise<{ readonly study: string; readonly jobs: readonly SubmittedJob[] }> {
  return withLockedStudy(await described(file, output), async folder => {
    const submitted = await submitStudy(folder, [process.execPath, program], { jobs });
    return { study: folder.path, jobs: submitted };
  });
}

/** Cancels what a study has submitted. @returns the numbers of its jobs. */
export const studyCancel = async (path: string): Promise<readonly string[]> =>
  cancelStudy(await StudyFolder.open(path));

/** Where other programs find a study too. */
export interface KeepOptions {
  /** A folder that is, or becomes, a file store of MLflow (`mlruns`), in which the study is an experiment. */
  readonly mlflow?: string | undefined;
  /** A folder for TensorBoard. */
  readonly tensorboard?: string | undefined;
}

/**
 * Writes `study.json`, `study.md` and `report.html` of what has ended. What other programs keep of the study is replaced.
 *
 * @throws SutureError `study-invalid`, `output-unwritable`.
 */
export async function studyReport(path: string, { mlflow, tensorboard }: KeepOptions = {}): Promise<StudyReport> {
  const folder = await StudyFolder.open(path);
  const report = await writeReport(folder);
  if (mlflow === undefined && tensorboard === undefined) return report;
  const { experiment, runs } = await trackedRuns(folder, report);
  if (mlflow !== undefined) await keepInMlflow(mlflow, experiment, runs, { force: true });
  if (tensorboard !== undefined) {
    const ofCells = runs.map(({ run }) => run);
    await keepForTensorBoard(tensorboard, ofCells, { force: true });
  }
  return report;
}

const reportFiles = ['study.json', 'study.md', 'report.html'] as const;

async function writeReport(folder: StudyFolder): Promise<StudyReport> {
  const { report, stale } = await reportFor(folder);
  for (const [name, text] of stale) await writeOutput(join(folder.path, name), text, { force: true });
  return report;
}

/** The report of what has ended, and what it changes in its files. */
async function reportFor(
  folder: StudyFolder,
): Promise<{ readonly report: StudyReport; readonly stale: ReadonlyMap<string, string> }> {
  const { path, request } = folder;
  const states = await folder.states();
  const report = studyReportOf(request, states);
  const trainings: CellTraining[] = [];
  for (const { cell, record } of states)
    if (record) trainings.push({ cell, lines: await trainingOf(folder.folderOf(cell)) });
  const pages: CellPage[] = [];
  for (const { cell } of states) {
    const page = folder.pageOf(cell);
    if (page !== undefined && (await isThere(join(path, page)))) pages.push({ cell, path: page });
  }
  const texts = [jsonText(report), studyText(report), studyPage({ path, request, states, report, trainings, pages })];
  const stale = new Map<string, string>();
  for (const [i, name] of reportFiles.entries()) {
    const kept = await readFile(join(path, name), 'utf8').catch(() => undefined);
    if (kept !== texts[i]) stale.set(name, texts[i]);
  }
  return { report, stale };
}

async function trackedRuns(folder: StudyFolder, report: StudyReport) {
  const timeOf = async (file: string): Promise<number> => Math.round((await stat(file)).mtimeMs);
  const begun = await timeOf(folder.requestFile);
  const experiment = experimentOf(folder.path, begun);
  const runs: KeptRun[] = [];
  for (const state of await folder.states()) {
    const { cell, record } = state;
    if (!record) continue;
    const parts = { request: folder.request, state, experiment, ended: await timeOf(folder.recordOf(cell)) };
    const log = await readFile(folder.logOf(cell), 'utf8').catch(() => undefined);
    const run = trackedCell({ ...parts, training: await trainingOf(folder.folderOf(cell)), log });
    if (run) runs.push(run);
  }
  const files = new Map<string, string>();
  for (const name of reportFiles) files.set(name, await readFile(join(folder.path, name), 'utf8'));
  const ended = runs.reduce((last, { run }) => Math.max(last, run.ended), begun);
  return { experiment, runs: [...runs, trackedStudy(report, experiment, ended, files)] };
}

/** What a cell's training wrote of its steps; nothing of one that trains nothing. A line that is being written is left out. */
async function trainingOf(folder: string): Promise<readonly MetricsLine[]> {
  for (const name of ['net', 'run', 'student']) {
    const text = await readFile(join(folder, name, 'metrics.jsonl'), 'utf8').catch(() => undefined);
    if (text === undefined) continue;
    return text
      .slice(0, text.lastIndexOf('\n') + 1)
      .split('\n')
      .filter(line => line !== '')
      .map(line => v.parse(metricsLineSchema, JSON.parse(line)));
  }
  return [];
}
