import { Command } from 'commander';
import { SutureError } from '../../../ir/index.ts';
import { resumeWeigh, type WeighSummary, weigh } from '../../api/weigh.ts';
import { path } from '../../options/kinds.ts';
import { flag, optional, type ValuesOf } from '../../options/option.ts';
import { learningOptions } from '../../run/learned.ts';
import { checkpointEvery, executor, json, labelOptions, labels } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { refuseBesides } from '../resume.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

const options = {
  data: optional(path, 'file', "an .npz file or a folder with the own site's training images and labels"),
  resume: flag('go on with what was interrupted, as it was begun'),
  ...learningOptions,
  ...labels,
  executor,
  checkpointEvery,
  json,
};

export const weighCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('weigh')
      .description('learn the weights of switches and outputs of a run from labels, all else frozen')
      .argument('<run>', 'a run directory'),
    options,
  ).action(async (run: string, { data, ...flags }: ValuesOf<typeof options>, command: Command) => {
    const work = { signal, onProgress: terminal.progress, checkpointSeconds: flags.checkpointEvery };
    const asked = { ...flags, labels: labelOptions(flags) };
    if (flags.resume) refuseBesides(command, ['resume', 'json', 'checkpointEvery']);
    else if (data === undefined) {
      throw new SutureError('option-invalid', 'Name the labelled images to learn from, --data TRAIN.npz; or --resume.');
    }
    const summary = data === undefined ? await resumeWeigh(run, work) : await weigh(run, data, asked, work);
    terminal.result(summary, () => show(summary, terminal));
  });

function show(summary: WeighSummary, terminal: Terminal): void {
  const { learned: what, steps, firstLoss, lastLoss, switches, output, run } = summary;
  terminal.line(`Learned ${what.join(', ')} in ${steps} steps on ${name(summary.data.source)}.`);
  terminal.line(`Loss ${firstLoss.toPrecision(4)} over the first steps, ${lastLoss.toPrecision(4)} over the last.`);
  terminal.line(
    typeof output === 'number'
      ? `Parent a's share of the output: ${fixed(output, 3)}.`
      : `The parents' shares of the output: ${output.map(share => fixed(share, 3)).join(', ')}.`,
  );
  if (switches.length > 0) {
    terminal.line();
    const tags = [...new Set(switches.flatMap(Object.keys))].filter(key => key !== 'position');
    terminal.table(
      ['position', ...tags.map(tag => `original in ${tag}`)],
      switches.map(({ position, ...own }) => [position, ...tags.map(tag => fixed(own[tag], 3))]),
    );
    terminal.line();
  }
  terminal.wrote(`${run}/weights.npz`, 'the weights, which `suture export --learned` and `suture sweep --learned` use');
}
