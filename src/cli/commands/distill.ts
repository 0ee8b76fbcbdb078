import { Command } from 'commander';
import { type DistillOptions, type DistillSummary, distill, resumeDistill } from '../../api/distill.ts';
import { path } from '../../options/kinds.ts';
import { optional, type ValuesOf } from '../../options/option.ts';
import { distillationOptions } from '../../training/distill.ts';
import { checkpointEvery, executor, force, json, labelOptions, labels, maybeOutputPath, metric } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { missing } from '../resume.ts';
import type { Terminal } from '../terminal.ts';
import { requireTarget, showTrained, wholeAction } from '../whole.ts';

const options = {
  data: optional(path, 'file', 'an .npz file or a folder with images; labels, where it has some, teach the own branch'),
  val: optional(path, 'file', 'an .npz file or a folder with images and labels, on which all are scored'),
  output: maybeOutputPath('student', 'the directory to make'),
  force,
  resume: optional(path, 'student', 'go on with a training that was interrupted, as it was begun'),
  teacher: optional(path, 'which', 'what is learned from: gated, mean, a parent as b, a position, or setting:3', {
    otherwise: 'gated where the parents can be, else mean',
  }),
  student: optional(path, 'which', 'what is trained: a parent as b, mean, a position, setting:3, or 65%: a trunk', {
    otherwise: "a partner's trunk, or a parent",
  }),
  ...distillationOptions,
  metric,
  ...labels,
  executor,
  checkpointEvery,
  json,
};

type Flags = ValuesOf<typeof options>;

export const distillCommand = (context: Context): Command =>
  addOptions(
    new Command('distill')
      .description('train one network to give the answers of several, on images under shift')
      .argument('[run]', 'a run directory'),
    options,
  ).action(
    wholeAction(context, {
      from: 'the run whose networks are to be distilled',
      begin: (run, flags: Flags, work) => distill(run, requestOf(flags), work),
      resume: resumeDistill,
      show,
    }),
  );

function requestOf(flags: Flags): DistillOptions & Pick<Flags, 'executor'> {
  const { data } = flags;
  if (data === undefined) throw missing('the images to train on, --data TRAIN.npz');
  return { ...flags, ...requireTarget(flags, 'STUDENT'), labels: labelOptions(flags), data };
}

function show(summary: DistillSummary, terminal: Terminal): void {
  const { from, teacher, training, executor } = summary;
  terminal.line(
    `Trained ${from} on the answers of ${teacher}: ${training.steps} steps of ${training.batch}, ${executor}.`,
  );
  showTrained(summary, network => titleOf(network, from), terminal);
}

const titles: Readonly<Record<string, (from: string) => string>> = {
  start: from => `${from}, before it was trained`,
  student: () => 'the student',
  teacher: () => 'the teacher',
};

const titleOf = (network: string, from: string): string => titles[network]?.(from) ?? `parent ${network}`;
