import { Command } from 'commander';
import { type DistillOptions, type DistillSummary, distill, resumeDistill } from '../../api/distill.ts';
import { metricTitles } from '../../metrics/metric.ts';
import { path } from '../../options/kinds.ts';
import { optional, type ValuesOf } from '../../options/option.ts';
import { distillationOptions } from '../../training/distill.ts';
import { checkpointEvery, executor, force, json, labelOptions, labels, maybeOutput, metric } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { missing, resumable } from '../resume.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

const options = {
  data: optional(path, 'file', 'an .npz file or a folder with images; labels are needed for --labels only'),
  val: optional(path, 'file', 'an .npz file or a folder with images and labels, on which all are scored'),
  output: maybeOutput('student', 'the directory to make'),
  force,
  resume: optional(path, 'student', 'go on with a training that was interrupted, as it was begun'),
  teacher: optional(path, 'which', 'what is learned from: gated, mean, a parent as b, a position, or setting:3', {
    otherwise: 'gated where the parents can be, else mean',
  }),
  student: optional(path, 'which', 'what is trained: a parent as b, mean, a position, or setting:3', {
    otherwise: 'the parent with the best score under shift',
  }),
  ...distillationOptions,
  metric,
  ...labels,
  executor,
  checkpointEvery,
  json,
};

type Flags = ValuesOf<typeof options>;

export const distillCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('distill')
      .description('train one network to give the answers of several, on images under shift')
      .argument('[run]', 'a run directory'),
    options,
  ).action(async (run: string | undefined, flags: Flags, command: Command) => {
    const work = { signal, onProgress: terminal.progress, checkpointSeconds: flags.checkpointEvery };
    const summary =
      flags.resume === undefined
        ? await distill(runOf(run), requestOf(flags), work)
        : await resumeDistill(resumable(flags.resume, command), work);
    terminal.result(summary, () => show(summary, terminal));
  });

function runOf(run: string | undefined): string {
  if (run === undefined) throw missing('the run whose networks are to be distilled');
  return run;
}

/** What is given on the command line as the API's request; data and output have no default. */
function requestOf(flags: Flags): DistillOptions & Pick<Flags, 'executor'> {
  const { data, val, output } = flags;
  if (data === undefined) throw missing('the images to train on, --data TRAIN.npz');
  if (val === undefined) throw missing('the labelled images to score on, --val VAL.npz');
  if (output === undefined) throw missing('the directory to make, -o STUDENT');
  return { ...flags, labels: labelOptions(flags), data, validation: val, output };
}

function show(summary: DistillSummary, terminal: Terminal): void {
  const { from, teacher, training, executor, firstLoss, lastLoss, scores, metric, file } = summary;
  terminal.line(
    `Trained ${from} on the answers of ${teacher}: ${training.steps} steps of ${training.batch}, ${executor}.`,
  );
  if (firstLoss !== undefined && lastLoss !== undefined) {
    terminal.line(`Loss ${firstLoss.toPrecision(4)} at the first step, ${lastLoss.toPrecision(4)} at the last.`);
  }
  terminal.line();
  terminal.table(
    ['on the validation data', metricTitles[metric], 'under shift'],
    scores.map(({ network, value, shift }) => [titleOf(network, from), fixed(value), fixed(shift)]),
  );
  terminal.line();
  terminal.line(`${name(file)}: the network.`);
}

const titles: Readonly<Record<string, (from: string) => string>> = {
  start: from => `${from}, before it was trained`,
  student: () => 'the student',
  teacher: () => 'the teacher',
};

const titleOf = (network: string, from: string): string => titles[network]?.(from) ?? `parent ${network}`;
