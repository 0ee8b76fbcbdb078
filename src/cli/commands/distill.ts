import { Command } from 'commander';
import { type DistillSummary, distill, resumeDistill } from '../../api/distill.ts';
import { parentName } from '../../network/names.ts';
import { path } from '../../options/kinds.ts';
import { optional, type ValuesOf } from '../../options/option.ts';
import { distillationOptions } from '../../training/distill.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { missing } from '../resume.ts';
import type { Terminal } from '../terminal.ts';
import { closingOptions, directoryOptions, showTrained, wholeAction } from '../whole.ts';

const options = {
  data: optional(path, 'file', 'an .npz file or a folder with images; labels, where it has some, teach the own branch'),
  val: optional(path, 'file', 'an .npz file or a folder with images and labels, on which all are scored'),
  ...directoryOptions('student'),
  teacher: optional(path, 'which', 'what is learned from: gated, mean, a parent as b, a position, or setting:3', {
    otherwise: 'gated where the parents can be, else mean',
  }),
  student: optional(path, 'which', 'what is trained: a parent as b, mean, a position, setting:3, or 65%: a trunk', {
    otherwise: "a partner's trunk, or a parent",
  }),
  ...distillationOptions,
  ...closingOptions,
};

export const distillCommand = (context: Context): Command =>
  addOptions(
    new Command('distill')
      .description('train one network to give the answers of several, on images under shift')
      .argument('[run]', 'a run directory'),
    options,
  ).action(
    wholeAction<ValuesOf<typeof options>, DistillSummary>(context, {
      from: 'the run whose networks are to be distilled',
      directory: 'STUDENT',
      begin(run, { data, ...request }, work) {
        if (data === undefined) throw missing('the images to train on, --data TRAIN.npz');
        return distill(run, { ...request, data }, work);
      },
      resume: resumeDistill,
      show,
    }),
  );

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

const titleOf = (network: string, from: string): string => titles[network]?.(from) ?? parentName(network);
