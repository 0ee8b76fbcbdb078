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
  teacher: optional(path, 'which', 'the answers to learn: of all, gated or mean; of b; at position 17; setting:3', {
    otherwise: 'gated where the parents can be, else mean',
  }),
  student: optional(
    path,
    'which',
    'what is trained: a parent, as b; all, as mean; position 17; setting:3; 65%: a trunk',
    {
      otherwise: "a partner's trunk, or a parent",
    },
  ),
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
  const lesson = isOfBranches(teacher)
    ? `, each branch to answer as its own parent (${teacher})`
    : ` to answer as ${namedText(teacher)}`;
  terminal.line(`Trained ${namedText(from)}${lesson}: ${training.steps} steps of ${training.batch}, ${executor}.`);
  showTrained(summary, network => titleOf(network, summary), terminal);
}

/** What a teacher or a student is of the run, by what it is called on the command line. */
function namedText(said: string): string {
  if (said === 'mean') return 'the mean of all parents';
  if (said === 'gated') return 'the gated ensemble of all parents';
  if (/^\d+$/.test(said)) return `the parents stitched at position ${said}`;
  return /^[a-z]$/.test(said) ? parentName(said) : said;
}

/** Branches that learn side by side have their parents for teachers, and are scored beside the gate over these. */
const isOfBranches = (teacher: string): boolean => /^[a-z](, [a-z])+$/.test(teacher);

type Roles = Pick<DistillSummary, 'from' | 'teacher'>;

const titles: Readonly<Record<string, (roles: Roles) => string>> = {
  start: ({ from }) => `${namedText(from)}, before it was trained`,
  student: () => 'the student',
  teacher: ({ teacher }) => `the teacher: ${namedText(isOfBranches(teacher) ? 'gated' : teacher)}`,
};

const titleOf = (network: string, roles: Roles): string => titles[network]?.(roles) ?? parentName(network);
