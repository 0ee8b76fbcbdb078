import { Command } from 'commander';
import type { Activation, Task } from '../../../passes/index.ts';
import { type Evaluation, evaluate } from '../../api/evaluate.ts';
import type { ExecutorChoice } from '../../execution/executors.ts';
import type { GraphProfile } from '../../execution/profiling.ts';
import { warningsOf } from '../../network/model.ts';
import { tasks } from '../../run/config.ts';
import type { Context } from '../context.ts';
import {
  activationOption,
  batchOption,
  choiceOption,
  executorOption,
  ignoreLabelOption,
  jsonOption,
  type LabelFlags,
  labelOptions,
  regionsOption,
} from '../options.ts';
import { profileOption, showProfiles } from '../profile.ts';
import { scoreTable } from '../scores.ts';
import { name, type Terminal } from '../terminal.ts';
import { type TuneFlags, tuneOption, tuning } from '../tune.ts';

interface Flags extends TuneFlags, LabelFlags {
  readonly task?: Task;
  readonly data: string;
  readonly ensemble?: boolean;
  readonly activation?: Activation;
  readonly executor: ExecutorChoice;
  readonly batch?: number;
  readonly profile?: boolean;
}

export const evaluateCommand = ({ terminal, signal }: Context): Command =>
  new Command('evaluate')
    .description('score networks on labelled data')
    .argument('<models...>', 'ONNX files')
    .requiredOption('--data <file>', 'an .npz file with images and labels')
    .option('--ensemble', 'also score the mean of their outputs')
    .addOption(choiceOption('--task <name>', 'what the networks do (default: what outputs and labels tell)', tasks))
    .addOption(ignoreLabelOption())
    .addOption(regionsOption())
    .addOption(activationOption())
    .addOption(executorOption())
    .addOption(batchOption())
    .addOption(profileOption())
    .addOption(tuneOption())
    .addOption(jsonOption())
    .action(async (paths: readonly string[], { data, ...flags }: Flags) => {
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
      for (const message of warningsOf(...models)) terminal.warning(message);
      terminal.result({ ...evaluation, ...(profiles && { profiles }) }, () => show(evaluation, terminal));
      showProfiles(profiles ?? [], terminal);
    });

function show(evaluation: Evaluation, terminal: Terminal): void {
  terminal.heading(`${name(evaluation.data)}: ${evaluation.images} images, ${evaluation.executor}`);
  terminal.line();
  scoreTable(
    terminal,
    evaluation.rows.map(({ model, score }) => ({ label: name(model), score })),
  );
}
