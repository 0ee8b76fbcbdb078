import { Command } from 'commander';
import { type Evaluation, evaluate } from '../../api/evaluate.ts';
import type { GraphProfile } from '../../execution/profiling.ts';
import { warningsOf } from '../../network/model.ts';
import { flag, type ValuesOf } from '../../options/option.ts';
import {
  activation,
  batch,
  dataOf,
  executor,
  json,
  labelOptions,
  labels,
  metric,
  profile,
  task,
  tune,
} from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { showProfiles } from '../profile.ts';
import { scoreTable } from '../scores.ts';
import { name, type Terminal } from '../terminal.ts';
import { tuning } from '../tune.ts';

const options = {
  data: dataOf('images and labels'),
  ensemble: flag('also score the mean of their outputs'),
  task,
  ...labels,
  metric,
  activation,
  executor,
  batch,
  profile,
  tune,
  json,
};

export const evaluateCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('evaluate').description('score networks on labelled data').argument('<models...>', 'ONNX files'),
    options,
  ).action(async (paths: readonly string[], { data, ...flags }: ValuesOf<typeof options>) => {
    let profiles: readonly GraphProfile[] | undefined;
    const { models, ...evaluation } = await evaluate(paths, data, {
      ...flags,
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
    for (const message of warningsOf(models)) terminal.warning(message);
    terminal.result({ ...evaluation, ...(profiles && { profiles }) }, () => show(evaluation, terminal));
    showProfiles(profiles ?? [], terminal);
  });

function show(evaluation: Evaluation, terminal: Terminal): void {
  terminal.heading(`${name(evaluation.data)}: ${evaluation.images} images, ${evaluation.executor}`);
  terminal.line(`Labels: ${evaluation.labels}.`);
  terminal.line();
  scoreTable(
    terminal,
    evaluation.rows.map(({ model, score }) => ({ label: name(model), score })),
  );
}
