import { join } from 'node:path';
import { Command } from 'commander';
import { SutureError, someOf } from '../../../ir/index.ts';
import { type Evaluation, evaluate } from '../../api/evaluate.ts';
import { evaluateFolders } from '../../api/evaluate-folders.ts';
import type { GraphProfile } from '../../execution/profiling.ts';
import { checkOutputFile, writeOutput } from '../../files/output.ts';
import { isFolder } from '../../files/there.ts';
import { isSummaryOf, summaryText } from '../../metrics/summary.ts';
import type { SurfaceOptions } from '../../metrics/surface.ts';
import { distances, nonNegative, path } from '../../options/kinds.ts';
import { flag, optional, type ValuesOf } from '../../options/option.ts';
import { caseTable } from '../../report/cases.ts';
import { fixed } from '../../report/decimals.ts';
import {
  activation,
  batch,
  executor,
  force,
  json,
  labelOptions,
  labels,
  metric,
  outputNames,
  outputRequest,
  partnerPlans,
  profile,
  stress,
  stressRequest,
  task,
  tune,
} from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { showProfiles } from '../profile.ts';
import { scoreTable, stressTable, surfaceTable } from '../scores.ts';
import { name, type Terminal } from '../terminal.ts';
import { tuning } from '../tune.ts';

const options = {
  data: optional(path, 'file', 'an .npz file or a folder with images and labels'),
  summary: optional(path, 'file', "also count every case as nnU-Net's summary.json does, in this file", {
    otherwise: 'of two folders: in the first',
  }),
  ensemble: flag('also score the mean of their outputs'),
  task,
  cases: optional(path, 'file', 'also list every class of every case in this CSV file'),
  surface: flag('also measure how near boundaries are: normalised surface Dice and HD95'),
  tolerance: optional(
    nonNegative,
    'x',
    'how far a boundary may be off to be right, in mm or, without a spacing, pixels',
    {
      otherwise: '1',
    },
  ),
  spacing: optional(distances, 'list', 'mm from pixel to pixel along each axis, as in 0.5,0.5', {
    otherwise: 'the array `spacing` of the file, or pixels',
  }),
  ...stress,
  shiftEach: flag('show the score under each change, or on each data set of elsewhere'),
  ...outputNames,
  ...labels,
  ...partnerPlans,
  metric,
  activation,
  executor,
  batch,
  profile,
  tune,
  force,
  json,
};

type Flags = ValuesOf<typeof options>;

/** What is asked of surfaces; undefined where nothing is. @throws SutureError `option-invalid`. */
function surfaceOf({ surface, tolerance, spacing }: Flags): SurfaceOptions | undefined {
  if (surface) return { tolerance, spacing };
  if (tolerance === undefined && !spacing) return undefined;
  throw new SutureError('option-invalid', 'A tolerance and a spacing are for surfaces: say --surface too.');
}

export const evaluateCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('evaluate')
      .description("score networks on labelled data, or a folder of labels by another as nnU-Net's summary.json")
      .argument('<models...>', 'ONNX files; or two folders: predicted and reference'),
    options,
  ).action(async (paths: readonly string[], flags: Flags) => {
    const { data, cases: file, force = false } = flags;
    if (data === undefined) {
      await compareFolders(paths, flags, { terminal, signal });
      return;
    }
    const surface = surfaceOf(flags);
    for (const output of [file, flags.summary]) if (output !== undefined) await checkOutputFile(output, { force });
    let profiles: readonly GraphProfile[] | undefined;
    const { stress: _, ...rest } = flags;
    const { warnings, cases, summary, ...evaluation } = await evaluate(paths, data, {
      ...rest,
      ...outputRequest(flags),
      ...stressRequest({ ...flags, shift: flags.shift ?? (flags.shiftEach && !flags.stress) }),
      cases: file !== undefined,
      summary: flags.summary !== undefined,
      surface,
      labels: { ...labelOptions(flags), ...(flags.task && { task: flags.task }) },
      ...tuning(flags, terminal),
      ...(flags.profile && {
        onProfile: found => {
          profiles = found;
        },
      }),
      signal,
      onProgress: terminal.progress,
    });
    if (file !== undefined) await writeOutput(file, caseTable(cases ?? []), { force });
    if (flags.summary !== undefined && summary) await writeOutput(flags.summary, summaryText(summary), { force });
    for (const message of warnings) terminal.warning(message);
    terminal.result({ ...evaluation, ...(profiles && { profiles }) }, () => {
      show(evaluation, terminal, flags.shiftEach ?? false);
      if (file !== undefined) terminal.wrote(file, 'every case');
      if (flags.summary !== undefined) terminal.wrote(flags.summary, countsText);
    });
    showProfiles(profiles ?? [], terminal);
  });

const countsText = 'all counts, as nnU-Net has them';

/** Labels by labels: no networks. */
async function compareFolders(
  [predicted, reference, ...more]: readonly string[],
  flags: Flags,
  { terminal, signal }: Pick<Context, 'terminal' | 'signal'>,
): Promise<void> {
  if (reference === undefined || more.length > 0) {
    throw new SutureError(
      'option-invalid',
      'Name the data that networks are scored on by --data, or two folders of label files.',
    );
  }
  for (const path of [predicted, reference]) {
    if (await isFolder(path)) continue;
    throw new SutureError(
      'option-invalid',
      `${name(path)} is no folder: name two folders of label files, or the data that networks are scored on by --data.`,
    );
  }
  const file = flags.summary ?? join(predicted, 'summary.json');
  // Predictions are compared again and again; what suture found of the same two folders before is nothing to keep.
  const force = flags.force === true || (await isSummaryOf(file, predicted, reference));
  await checkOutputFile(file, { force });
  const summary = await evaluateFolders(predicted, reference, {
    labels: labelOptions(flags),
    signal,
    onProgress: terminal.progress,
    onUnpredicted: files => {
      terminal.warning(
        `${files.length} files of ${name(reference)} have no prediction in ${name(predicted)} and are in no mean: ${someOf(files)}.`,
      );
    },
  });
  await writeOutput(file, summaryText(summary), { force });
  terminal.result({ summary: file, cases: summary.metric_per_case.length, mean: summary.mean }, () => {
    terminal.heading(`${name(predicted)}: ${summary.metric_per_case.length} cases`);
    for (const [label, { Dice }] of Object.entries(summary.mean)) terminal.line(`${label}: Dice ${fixed(Dice)}`);
    terminal.wrote(file, countsText);
  });
}

function show(evaluation: Evaluation, terminal: Terminal, each: boolean): void {
  terminal.heading(`${name(evaluation.data)}: ${evaluation.images} images, ${evaluation.executor}`);
  terminal.line(`Labels: ${evaluation.labels}.`);
  terminal.line();
  scoreTable(
    terminal,
    evaluation.rows.map(({ model, score }) => ({ label: name(model), score })),
  );
  surfaceTable(terminal, evaluation.rows);
  stressTable(terminal, evaluation, each);
}
