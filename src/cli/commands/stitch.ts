import { Command } from 'commander';
import { meaningText } from '../../../passes/index.ts';
import { resumeStitch, stitch } from '../../api/stitch.ts';
import type { GraphProfile } from '../../execution/profiling.ts';
import { path } from '../../options/kinds.ts';
import { optional, type ValuesOf } from '../../options/option.ts';
import type { StitchRequest } from '../../run/plan.ts';
import type { RunSummary } from '../../run/summary.ts';
import { json, labelOptions, maybeOutput, profile, training, trainingRequest, tune } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { showProfiles } from '../profile.ts';
import { missing, resumable } from '../resume.ts';
import { name, type Terminal } from '../terminal.ts';
import { tuning } from '../tune.ts';

const options = {
  data: optional(path, 'file', 'an .npz file with images; labels are not needed'),
  output: maybeOutput('run', 'the run directory to make'),
  resume: optional(path, 'run', 'go on with a training that was interrupted, as it was begun'),
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
      .argument('[networks...]', 'ONNX files: the own network, and one or more partners'),
    options,
  ).action(async (networks: readonly string[], flags: Flags, command: Command) => {
    const work = { signal, onProgress: terminal.progress, checkpointSeconds: flags.checkpointEvery };
    let profiles: readonly GraphProfile[] | undefined;
    const onProfile = (found: readonly GraphProfile[]) => {
      profiles = found;
    };
    const profile = flags.profile ? { onProfile } : {};
    const { summary, warnings } =
      flags.resume === undefined
        ? await stitch({ ...requestOf(networks, flags), ...profile, ...tuning(flags, terminal) }, work)
        : { summary: await resumeStitch(resumable(flags.resume, command), { ...work, ...profile }), warnings: [] };
    for (const message of warnings) terminal.warning(message);
    terminal.result({ ...summary, warnings, ...(profiles && { profiles }) }, () => showSummary(summary, terminal));
    showProfiles(profiles ?? [], terminal);
  });

/** What is given on the command line as the API's request; networks, data and output have no default. */
function requestOf(networks: readonly string[], flags: Flags): StitchRequest {
  const { data, output } = flags;
  if (networks.length < 2) throw missing('two networks, A.onnx and B.onnx, or more');
  if (data === undefined) throw missing('the images to train on, --data TRAIN.npz');
  if (output === undefined) throw missing('the run directory to make, -o RUN');
  return { networks, ...flags, labels: labelOptions(flags), data, output, training: trainingRequest(flags) };
}

/** With fewer steps, a loss says more of its batch than of the training. */
const tellingSteps = 20;

/** What became of the training, in a few lines, with a warning where it went the wrong way. */
export function showSummary(summary: RunSummary, terminal: Pick<Terminal, 'line' | 'warning'>): void {
  const { method, steps, executor, firstLoss, lastLoss, outputs, positions, run } = summary;
  terminal.line(`${positions} positions, ${method}, ${steps} steps, ${executor}`);
  terminal.line(`Outputs: ${outputsText(outputs)}.`);
  if (firstLoss !== undefined && lastLoss !== undefined) {
    terminal.line(`Loss ${firstLoss.toPrecision(4)} at the first step, ${lastLoss.toPrecision(4)} at the last.`);
    if (method === 'double-batched' && steps >= tellingSteps && lastLoss >= firstLoss) {
      terminal.warning('The loss did not fall: train with a lower --lr, a tenth of it first.');
    }
  }
  terminal.line(`Run directory: ${name(run)}`);
}

/** What the outputs mean: the first parent's, and those of partners that say something else. */
function outputsText(outputs: RunSummary['outputs']): string {
  const [own, ...partners] = Object.entries(outputs).map(([tag, meaning]) => ({ tag, text: meaningText(meaning) }));
  const others = partners.filter(({ text }) => text !== own.text).map(({ tag, text }) => `${tag}: ${text}`);
  return [own.text, ...others].join('; ');
}
