import { Command, InvalidArgumentError, Option } from 'commander';
import { SutureError } from '../../../ir/index.ts';
import { resumeWeigh, type WeighSummary, weigh } from '../../api/weigh.ts';
import type { ExecutorChoice } from '../../execution/executors.ts';
import { type Learnable, learnable } from '../../run/learned.ts';
import { usualBatch } from '../../training/settings.ts';
import { checkpointInterval } from '../../training/train.ts';
import type { Context } from '../context.ts';
import {
  countOption,
  executorOption,
  ignoreLabelOption,
  jsonOption,
  type LabelFlags,
  labelOptions,
  naturalOption,
  nonNegativeOption,
  positions as parsePositions,
  positiveOption,
  regionsOption,
  share,
} from '../options.ts';
import { refuseBesides } from '../resume.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

interface Flags extends LabelFlags {
  readonly data?: string;
  readonly resume?: boolean;
  readonly checkpointEvery: number;
  readonly learn: readonly Learnable[];
  readonly positions?: readonly number[];
  readonly weight: number;
  readonly outputWeight: number;
  readonly steps: number;
  readonly batch?: number;
  readonly lr?: number;
  readonly seed: number;
  readonly executor: ExecutorChoice;
}

function learned(text: string): readonly Learnable[] {
  return text.split(',').map(part => {
    const found = learnable.find(what => what === part.trim());
    if (!found) throw new InvalidArgumentError(`It must be of ${learnable.join(', ')}, separated by commas.`);
    return found;
  });
}

export const weighCommand = ({ terminal, signal }: Context): Command =>
  new Command('weigh')
    .description('learn the weights of switches and outputs of a run from labels, all else frozen')
    .argument('<run>', 'a run directory')
    .option('--data <file>', "an .npz file with the own site's training images and labels")
    .option('--resume', 'go on with what was interrupted, as it was begun')
    .addOption(
      new Option('--learn <what>', `${learnable.join(', ')}: several separated by commas`)
        .argParser(learned)
        .default(['switches'], 'switches'),
    )
    .addOption(
      new Option(
        '--positions <list>',
        'where features are averaged, as in 38,41,44-47 (default: everywhere)',
      ).argParser(parsePositions),
    )
    .addOption(
      new Option('--weight <w>', 'share of the original feature: to start from, or kept').argParser(share).default(0.9),
    )
    .addOption(
      new Option('--output-weight <v>', "parent a's share of the output: to start from, or kept")
        .argParser(share)
        .default(0.5),
    )
    .addOption(countOption('--steps <n>', 'training steps', 100))
    .addOption(countOption('--batch <n>', `images in a step (default: ${usualBatch}, or what the networks take)`))
    .addOption(positiveOption('--lr <x>', 'learning rate at the start (default: 0.05)'))
    .addOption(naturalOption('--seed <s>', 'seed of the batches', 0))
    .addOption(ignoreLabelOption())
    .addOption(regionsOption())
    .addOption(executorOption())
    .addOption(nonNegativeOption('--checkpoint-every <s>', 'seconds from checkpoint to checkpoint', checkpointInterval))
    .addOption(jsonOption())
    .action(async (run: string, { data, lr, outputWeight, ...flags }: Flags, command: Command) => {
      const work = { signal, onProgress: terminal.progress, checkpointSeconds: flags.checkpointEvery };
      const options = {
        ...flags,
        labels: labelOptions(flags),
        output: outputWeight,
        ...(lr !== undefined && { learningRate: lr }),
      };
      if (flags.resume) refuseBesides(command, ['resume', 'json', 'checkpointEvery']);
      else if (data === undefined) {
        throw new SutureError(
          'option-invalid',
          'Name the labelled images to learn from, --data TRAIN.npz; or --resume.',
        );
      }
      const summary = data === undefined ? await resumeWeigh(run, work) : await weigh(run, data, options, work);
      terminal.result(summary, () => show(summary, terminal));
    });

function show(summary: WeighSummary, terminal: Terminal): void {
  const { learned: what, steps, firstLoss, lastLoss, switches, output, run } = summary;
  terminal.line(`Learned ${what.join(', ')} in ${steps} steps on ${name(summary.data.source)}.`);
  terminal.line(`Loss ${firstLoss.toPrecision(4)} over the first steps, ${lastLoss.toPrecision(4)} over the last.`);
  terminal.line(`Parent a's share of the output: ${fixed(output, 3)}.`);
  if (switches.length > 0) {
    terminal.line();
    terminal.table(
      ['position', 'original in a', 'original in b'],
      switches.map(({ position, a, b }) => [position, fixed(a, 3), fixed(b, 3)]),
    );
    terminal.line();
  }
  terminal.line(`Kept in ${name(run)}; \`suture export --learned\` and \`suture sweep --learned\` use it.`);
}
