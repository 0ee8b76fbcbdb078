import { Command } from 'commander';
import { resumeTrain, type TrainOptions, type TrainSummary, train } from '../../api/train.ts';
import { metricTitles } from '../../metrics/metric.ts';
import { namedFiles, path } from '../../options/kinds.ts';
import { optional, repeatable, type ValuesOf } from '../../options/option.ts';
import { networkOptions } from '../../training/network.ts';
import {
  activation,
  checkpointEvery,
  executor,
  force,
  json,
  labelOptions,
  labels,
  maybeOutput,
  metric,
  onlyOutput,
  outputRequest,
  task,
} from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { missing, resumable } from '../resume.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

const options = {
  data: optional(path, 'file', 'an .npz file or a folder with images and labels', { conflicts: ['site'] }),
  site: repeatable(namedFiles, 'name=file', 'the data of one of several sites, instead; may be repeated'),
  val: optional(path, 'file', 'an .npz file or a folder with images and labels, on which the network is scored'),
  output: maybeOutput('net', 'the directory to make'),
  force,
  resume: optional(path, 'net', 'go on with a training that was interrupted, as it was begun'),
  ...networkOptions,
  ...onlyOutput,
  task,
  activation,
  metric,
  ...labels,
  executor,
  checkpointEvery,
  json,
};

type Flags = ValuesOf<typeof options>;

export const trainCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('train')
      .description('train a whole network on labels: fresh, or from the weights that it has')
      .argument('[network]', 'an ONNX file'),
    options,
  ).action(async (network: string | undefined, flags: Flags, command: Command) => {
    const work = { signal, onProgress: terminal.progress, checkpointSeconds: flags.checkpointEvery };
    const summary =
      flags.resume === undefined
        ? await train(networkNamed(network), requestOf(flags), work)
        : await resumeTrain(resumable(flags.resume, command), work);
    terminal.result(summary, () => show(summary, terminal));
  });

function networkNamed(network: string | undefined): string {
  if (network === undefined) throw missing('the network to train, an ONNX file');
  return network;
}

/** What is given on the command line as the API's request; validation data and output have no default. */
function requestOf(flags: Flags): TrainOptions & Pick<Flags, 'executor'> {
  const { site: sites, val, output } = flags;
  if (val === undefined) throw missing('the labelled images to score on, --val VAL.npz');
  if (output === undefined) throw missing('the directory to make, -o NET');
  return { ...flags, ...outputRequest(flags), sites, labels: labelOptions(flags), validation: val, output };
}

function show(summary: TrainSummary, terminal: Terminal): void {
  const { from, sites, outputs, training, executor, firstLoss, lastLoss, scores, metric, file } = summary;
  const { steps, batch, rounds, fresh } = training;
  const whose = sites.map(({ name, images }) => `${images} images of ${name}`).join(' and ');
  const how =
    rounds === undefined ? `${steps} steps of ${batch}` : `${rounds} rounds of ${steps / rounds} steps of ${batch}`;
  terminal.line(`Trained ${name(from)}${fresh ? ' afresh' : ''} on ${whose}: ${how}, ${executor}.`);
  if (outputs) terminal.line(`Outputs, the network's own first: ${outputs.map(output => name(output)).join(', ')}.`);
  if (firstLoss !== undefined && lastLoss !== undefined) {
    terminal.line(`Loss ${firstLoss.toPrecision(4)} at the first step, ${lastLoss.toPrecision(4)} at the last.`);
  }
  terminal.line();
  terminal.table(
    ['on the validation data', metricTitles[metric], 'under shift'],
    scores.map(({ network, value, shift }) => [
      network === 'start' ? 'before it was trained' : 'the network',
      fixed(value),
      fixed(shift),
    ]),
  );
  terminal.line();
  terminal.line(`${name(file)}: the network.`);
}
