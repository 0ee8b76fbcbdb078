import { Command } from 'commander';
import { SutureError } from '../../../ir/errors.ts';
import {
  type StudyStatus,
  study,
  studyCancel,
  studyOnSlurm,
  studyPlan,
  studyReport,
  studyStatus,
} from '../../api/study.ts';
import { studyCell } from '../../api/study-cell.ts';
import { count, path } from '../../options/kinds.ts';
import { flag, optional, type ValuesOf } from '../../options/option.ts';
import { json, maybeOutputPath } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { showKept } from '../kept.ts';
import { addOptions } from '../options.ts';
import { durationText } from '../progress.ts';
import { name, type Terminal } from '../terminal.ts';

const options = {
  output: maybeOutputPath('dir', 'the folder of the study, to make or to go on in'),
  jobs: optional(count, 'n', 'cells at once, each in a process of its own', {
    otherwise: '1; with --slurm as many as the cluster will have',
  }),
  slurm: flag('hand the cells to Slurm, as array jobs'),
  plan: flag('make the folder and compute nothing', { conflicts: ['slurm', 'jobs'] }),
  mlflow: optional(path, 'dir', "with report: also keep the cells in this folder as MLflow's file store does"),
  tensorboard: optional(path, 'dir', 'with report: also keep the cells in this folder as TensorBoard reads it'),
  json,
};

type Flags = ValuesOf<typeof options>;

/** What may be done with a study that is there; anything else is a file that describes one. */
const actions = ['status', 'report', 'cancel', 'cell'];

export const studyCommand = (context: Context): Command =>
  addOptions(
    new Command('study')
      .description('compute a grid of trainings, stitchings and rivals over sites, and report on it')
      .argument('<what>', 'a file that describes a study, or its folder; or status, report, cancel or cell')
      .argument('[dir]', 'with status, report, cancel or cell: the folder of a study')
      .argument('[key]', 'with cell: which cell is to be computed'),
    options,
  ).action(async (what: string, dir: string | undefined, key: string | undefined, flags: Flags) => {
    if (what !== 'report' && (flags.mlflow ?? flags.tensorboard) !== undefined) {
      throw new SutureError('option-invalid', '--mlflow and --tensorboard go with `suture study report DIR`.');
    }
    if (!actions.includes(what)) return compute(context, what, dir, flags);
    const { terminal, signal } = context;
    if (dir === undefined)
      throw new SutureError('option-invalid', `Name the folder of the study: suture study ${what} DIR.`);
    if (what === 'status') {
      const status = await studyStatus(dir);
      return terminal.result(status, () => show(status, terminal));
    }
    if (what === 'report') {
      const kept = keptOf(flags);
      const report = await studyReport(dir, kept);
      return terminal.result(report, () => {
        terminal.wrote(`${dir}/report.html`, reportText(` of ${report.done} of ${report.cells} cells`));
        showKept(kept, terminal);
      });
    }
    if (what === 'cancel') {
      const jobs = await studyCancel(dir);
      return terminal.result({ jobs }, () =>
        terminal.line(
          jobs.length === 0
            ? 'No job of it waits or runs.'
            : `Cancelled ${jobs.length} ${jobs.length === 1 ? 'job' : 'jobs'}.`,
        ),
      );
    }
    if (key === undefined) throw new SutureError('option-invalid', 'Name the cell: suture study cell DIR KEY.');
    const record = await studyCell(dir, key, { signal: orLeft(signal), onProgress: terminal.progress });
    return terminal.result(record, () =>
      terminal.line(`${name(key)}: ${record.status} in ${durationText(record.seconds)}.`),
    );
  });

/** @param cells of how many cells it is. */
const reportText = (cells = ''): string => `the report${cells}, beside it study.md and study.json`;

const keptOf = ({ mlflow, tensorboard }: Flags) => ({ mlflow, tensorboard });

/** Also stops when the study that started this process is gone. */
function orLeft(signal: AbortSignal): AbortSignal {
  if (!process.connected) return signal;
  const left = new AbortController();
  process.once('disconnect', () => left.abort('the study has ended'));
  // Listening keeps no process alive.
  process.channel?.unref();
  return AbortSignal.any([signal, left.signal]);
}

async function compute({ terminal, signal }: Context, file: string, extra: string | undefined, flags: Flags) {
  const { output, jobs, slurm, plan } = flags;
  if (extra !== undefined) {
    throw new SutureError('option-invalid', `One file describes a study: leave out ${name(extra)}.`);
  }
  if (slurm) {
    const handed = await studyOnSlurm(file, { output, jobs });
    return terminal.result(handed, () => {
      if (handed.jobs.length === 0)
        terminal.line('There is nothing to hand over: every cell has ended, or is with a job.');
      else
        terminal.table(
          ['job', 'cells', 'time', 'memory', 'script'],
          handed.jobs.map(({ job, cells, demand: { minutes, mebibytes }, script }) => [
            ...[job, String(cells.length), durationText(60 * minutes), `${mebibytes} MiB`],
            name(script),
          ]),
        );
      terminal.line();
      terminal.line(`suture study status ${name(handed.study)} says where they are.`);
    });
  }
  if (plan) {
    const planned = await studyPlan(file, output);
    return terminal.result(planned, () => show(planned, terminal));
  }
  const status = await study(file, { output, jobs, signal, onProgress: terminal.progress });
  for (const message of status.warnings ?? []) terminal.warning(message);
  terminal.result(status, () => {
    show(status, terminal);
    terminal.line();
    terminal.wrote(`${status.study}/report.html`, reportText());
  });
}

function show({ study: path, cells, writer, queueProblem }: StudyStatus, terminal: Terminal): void {
  const size = (bytes: number | undefined) => (bytes === undefined ? '' : `${(bytes / 2 ** 20).toFixed(0)} MiB`);
  terminal.table(
    ['cell', 'status', 'time', 'memory'],
    cells.map(({ key, status, queue, process, seconds, peakBytes }) => [
      key,
      [
        status,
        ...(queue === undefined ? [] : [`${queue.toLowerCase()} in Slurm`]),
        ...(process === undefined ? [] : [`${name(process)}${status === 'running' ? '' : ' is gone'}`]),
      ].join(', '),
      seconds === undefined ? '' : durationText(seconds),
      size(peakBytes),
    ]),
  );
  const failed = cells.filter(({ error }) => error !== undefined);
  if (failed.length > 0) terminal.line();
  for (const { key, error } of failed) terminal.line(`${key}: ${error}`);
  if (writer) {
    terminal.line();
    terminal.line(
      writer.isGone
        ? `${name(writer.name)}, which computed it, is gone: \`suture study ${name(path)}\` goes on.`
        : `${name(writer.name)} computes it.`,
    );
  }
  if (queueProblem !== undefined)
    terminal.warning(`This is the state on disk; what jobs have is not known: ${queueProblem}`);
}
