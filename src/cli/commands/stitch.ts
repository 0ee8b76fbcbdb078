import { Command } from 'commander';
import { meaningText } from '../../../passes/index.ts';
import { resumeStitch, type Stitched, stitch, stitchFurther } from '../../api/stitch.ts';
import type { GraphProfile } from '../../execution/profiling.ts';
import { budget, numberOrName, path, repeated } from '../../options/kinds.ts';
import { optional, repeatable, type ValuesOf } from '../../options/option.ts';
import type { FurtherStitchRequest } from '../../run/further.ts';
import type { StitchRequest } from '../../run/plan.ts';
import type { RunSummary } from '../../run/summary.ts';
import {
  classRequest,
  json,
  labelOptions,
  maybeOutputPath,
  outputRequest,
  profile,
  training,
  trainingRequest,
  tune,
} from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { showProfiles } from '../profile.ts';
import { missing, refuseBesides, resumable } from '../resume.ts';
import { name, type Terminal } from '../terminal.ts';
import { tuning } from '../tune.ts';

const options = {
  data: optional(path, 'file', 'an .npz file or a folder with images; labels are not needed'),
  output: maybeOutputPath('run', 'the run directory to make'),
  resume: optional(path, 'run', 'go on with a training that was interrupted, as it was begun'),
  setting: repeatable(
    repeated(numberOrName),
    'which',
    'of a run, in place of networks: train further for what `suture search` found; may be repeated',
  ),
  budget: optional(budget, 'share', 'the same for the best that was found at this share of the cost, as in 65%'),
  ...training,
  profile,
  tune,
  json,
};

type Flags = ValuesOf<typeof options>;

export const stitchCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('stitch')
      .description('join networks at all matched positions and train the stitches')
      .argument('[networks...]', 'ONNX files: the own network, and one or more partners; with --setting, a run'),
    options,
  ).action(async (networks: readonly string[], flags: Flags, command: Command) => {
    const work = { signal, onProgress: terminal.progress, checkpointSeconds: flags.checkpointEvery };
    let profiles: readonly GraphProfile[] | undefined;
    const onProfile = (found: readonly GraphProfile[]) => {
      profiles = found;
    };
    const profile = flags.profile ? { onProfile } : {};
    const begin = (): Promise<Stitched> => {
      const more = { ...profile, ...tuning(flags, terminal) };
      return flags.setting === undefined && flags.budget === undefined
        ? stitch({ ...requestOf(networks, flags), ...more }, work)
        : stitchFurther({ ...furtherRequestOf(networks, flags, command), ...more }, work);
    };
    const { summary, warnings } =
      flags.resume === undefined
        ? await begin()
        : { summary: await resumeStitch(resumable(flags.resume, command), { ...work, ...profile }), warnings: [] };
    for (const message of warnings) terminal.warning(message);
    terminal.result({ ...summary, warnings, ...(profiles && { profiles }) }, () => {
      showSummary(summary, terminal);
      terminal.wrote(summary.run, 'the run');
    });
    showProfiles(profiles ?? [], terminal);
  });

/** What may be said of a training that goes on from a run; all else is as it is there. */
const further = [
  ...['data', 'output', 'force', 'setting', 'budget', 'executor', 'checkpointEvery', 'json', 'profile', 'tune'],
  ...['steps', 'batch', 'learningRate', 'seed', 'loss', 'normalize', 'probabilityWeight', 'memory'],
];

/** The same for settings of a run. */
function furtherRequestOf(paths: readonly string[], flags: Flags, command: Command): FurtherStitchRequest {
  const { data, output, force, executor, setting = [], budget } = flags;
  refuseBesides(command, further, 'What a search found is trained from the stitches of its run');
  const [run, ...others] = paths;
  if (run === undefined || others.length > 0) throw missing('the run that was searched, and nothing else');
  if (data === undefined) throw missing('the images to train on, --data TRAIN.npz');
  if (output === undefined) throw missing('the run directory to make, -o RUN');
  const settings = [...setting.map(which => ({ setting: which })), ...(budget === undefined ? [] : [{ budget }])];
  const { steps, batch, learningRate, seed, loss, normalize, probabilityWeight, memory } = flags;
  const training = { steps, batch, learningRate, seed, loss, normalize, probabilityWeight, memory };
  return { run, settings, data, output, force, executor, training };
}

/** What is given on the command line as the API's request; networks, data and output have no default. */
function requestOf(networks: readonly string[], flags: Flags): StitchRequest {
  const { data, output } = flags;
  if (networks.length < 2) throw missing('two networks, A.onnx and B.onnx, or more');
  if (data === undefined) throw missing('the images to train on, --data TRAIN.npz');
  if (output === undefined) throw missing('the run directory to make, -o RUN');
  return {
    networks,
    ...flags,
    labels: labelOptions(flags),
    ...outputRequest(flags),
    ...classRequest(flags),
    data,
    output,
    training: trainingRequest(flags),
  };
}

/** With fewer steps, a loss says more of its batch than of the training. */
const tellingSteps = 20;

/** What became of the training, in a few lines, with a warning where it went the wrong way. */
export function showSummary(summary: RunSummary, terminal: Pick<Terminal, 'line' | 'warning'>): void {
  const { method, steps, executor, firstLoss, lastLoss, outputs, positions, settings = [] } = summary;
  terminal.line(`${positions} positions, ${method}, ${steps} steps, ${executor}`);
  for (const setting of settings) terminal.line(`Trained for ${name(setting, 200)}.`);
  terminal.line(`Outputs: ${outputsText(outputs)}.`);
  if (firstLoss !== undefined && lastLoss !== undefined) {
    terminal.line(`Loss ${firstLoss.toPrecision(4)} at the first step, ${lastLoss.toPrecision(4)} at the last.`);
    if (method === 'double-batched' && steps >= tellingSteps && lastLoss >= firstLoss) {
      terminal.warning('The loss did not fall: train with a lower --lr, a tenth of it first.');
    }
  }
}

/** What the outputs mean: the first parent's, and those of partners that say something else. */
function outputsText(outputs: RunSummary['outputs']): string {
  const [own, ...partners] = Object.entries(outputs).map(([tag, meaning]) => ({ tag, text: meaningText(meaning) }));
  const others = partners.filter(({ text }) => text !== own.text).map(({ tag, text }) => `${tag}: ${text}`);
  return [own.text, ...others].join('; ');
}
