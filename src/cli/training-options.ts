/** The options of `stitch` and `run` that say how stitches are trained. Their defaults are the API's. */
import { type Command, Option } from 'commander';
import type { Activation, Task } from '../../passes/index.ts';
import type { ExecutorChoice } from '../execution/executors.ts';
import { outputMeans, tasks } from '../run/config.ts';
import {
  type Initialisation,
  initialisations,
  type Method,
  methods,
  settingsOfTraining,
  type TrainingSettings,
  trainingDefaults,
} from '../training/settings.ts';
import { checkpointInterval } from '../training/train.ts';
import {
  activationOption,
  choiceOption,
  countOption,
  executorOption,
  forceOption,
  ignoreLabelOption,
  type LabelFlags,
  memoryOption,
  naturalOption,
  nonNegativeOption,
  positions,
  positiveOption,
  regionsOption,
  share,
} from './options.ts';

export interface TrainingFlags extends LabelFlags {
  readonly pairs?: string;
  readonly method: Method;
  readonly steps: number;
  readonly batch?: number;
  readonly settings?: TrainingSettings['settings'];
  readonly positions?: readonly number[];
  readonly weight?: number;
  readonly outputWeight?: number;
  readonly lr?: number;
  readonly init?: Initialisation;
  readonly initImages?: number;
  readonly closingImages?: number;
  readonly probabilityWeight?: number;
  readonly averaged?: number;
  readonly seed: number;
  readonly normalize: boolean;
  readonly memory?: number;
  readonly task?: Task;
  readonly activation?: Activation;
  readonly outputMean: (typeof outputMeans)[number];
  readonly executor: ExecutorChoice;
  readonly checkpointEvery: number;
  readonly force?: boolean;
}

const defaults = trainingDefaults;

export const addTrainingOptions = (command: Command): Command =>
  command
    .option('--pairs <file>', 'pairs from `suture match -o`, instead of matching anew')
    .addOption(choiceOption('--method <name>', 'how the stitches are trained', methods, defaults.method))
    .addOption(naturalOption('--steps <n>', 'training steps; 0 keeps the initialisation', defaults.steps))
    .addOption(countOption('--batch <n>', `images in a step (default: ${defaults.batch}, or what the networks take)`))
    .addOption(
      choiceOption(
        '--settings <which>',
        'stitched positions: a choice drawn for each sample, all, or those of --positions (default: sampled; direct: all)',
        settingsOfTraining,
      ),
    )
    .addOption(
      new Option(
        '--positions <list>',
        'train for the setting that is deployed: these positions, as in 38,41',
      ).argParser(positions),
    )
    .addOption(
      new Option('--weight <w>', 'with --positions: share of the original feature (default: 0.5)').argParser(share),
    )
    .addOption(
      new Option(
        '--output-weight <v>',
        "with --method task: the first network's share of the output (default: 0.5)",
      ).argParser(share),
    )
    .addOption(
      nonNegativeOption(
        '--averaged <share>',
        'of the stitched positions of a sample, the share that is averaged with the original (default: 0)',
      ),
    )
    .addOption(
      positiveOption(
        '--lr <x>',
        'learning rate at the start; it falls by a cosine (default: 0.003, without pixels 0.0003; all or direct: 0.01)',
      ),
    )
    .addOption(
      choiceOption(
        '--init <how>',
        'how the stitches start (default: sequential; all or direct: ridge)',
        initialisations,
      ),
    )
    .addOption(
      countOption('--init-images <n>', 'images that a closed form looks at (default: sequential 80, ridge 40)'),
    )
    .addOption(
      naturalOption(
        '--closing-images <n>',
        'images that the last stitches are fitted to the outputs on, when all are trained (default: sampled 160, else 0)',
      ),
    )
    .addOption(
      nonNegativeOption(
        '--probability-weight <x>',
        'what errors of output probabilities count for in the loss (default: sampled 20, all 0)',
      ),
    )
    .addOption(naturalOption('--seed <s>', 'seed of batches and initialisation', defaults.seed))
    .addOption(new Option('--no-normalize', 'weigh loss terms as they are, not by the variance of their features'))
    .addOption(memoryOption('what a step may keep on WebGPU: 800MB, or 50%; the rest is computed again'))
    .addOption(choiceOption('--task <name>', 'what the networks do (default: what outputs and labels tell)', tasks))
    .addOption(ignoreLabelOption())
    .addOption(regionsOption())
    .addOption(activationOption())
    .addOption(choiceOption('--output-mean <what>', 'what of the outputs is averaged', outputMeans, 'probabilities'))
    .addOption(executorOption())
    .addOption(nonNegativeOption('--checkpoint-every <s>', 'seconds from checkpoint to checkpoint', checkpointInterval))
    .addOption(forceOption());

/** The flags as the API's settings. */
export const trainingSettings = (flags: TrainingFlags): Partial<TrainingSettings> => ({
  method: flags.method,
  steps: flags.steps,
  seed: flags.seed,
  normalize: flags.normalize,
  ...(flags.batch !== undefined && { batch: flags.batch }),
  ...(flags.settings !== undefined && { settings: flags.settings }),
  ...(flags.positions !== undefined && { positions: [...flags.positions] }),
  ...(flags.weight !== undefined && { weight: flags.weight }),
  ...(flags.outputWeight !== undefined && { output: flags.outputWeight }),
  ...(flags.lr !== undefined && { learningRate: flags.lr }),
  ...(flags.init !== undefined && { init: flags.init }),
  ...(flags.initImages !== undefined && { initImages: flags.initImages }),
  ...(flags.closingImages !== undefined && { closingImages: flags.closingImages }),
  ...(flags.averaged !== undefined && { averaged: flags.averaged }),
  ...(flags.probabilityWeight !== undefined && { probabilityWeight: flags.probabilityWeight }),
  ...(flags.memory !== undefined && { memory: flags.memory }),
});
