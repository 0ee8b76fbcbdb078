import { Command } from 'commander';
import { resumeTrain, type TrainOptions, type TrainSummary, train } from '../../api/train.ts';
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
  maybeOutputPath,
  metric,
  onlyOutput,
  outputRequest,
  task,
} from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { name, type Terminal } from '../terminal.ts';
import { requireTarget, showTrained, wholeAction } from '../whole.ts';

const options = {
  data: optional(path, 'file', 'an .npz file or a folder with images and labels', { conflicts: ['site'] }),
  site: repeatable(namedFiles, 'name=file', 'the data of one of several sites, instead; may be repeated'),
  val: optional(path, 'file', 'an .npz file or a folder with images and labels, on which the network is scored'),
  output: maybeOutputPath('net', 'the directory to make'),
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

export const trainCommand = (context: Context): Command =>
  addOptions(
    new Command('train')
      .description('train a whole network on labels: fresh, or from the weights that it has')
      .argument('[network]', 'an ONNX file'),
    options,
  ).action(
    wholeAction(context, {
      from: 'the network to train, an ONNX file',
      begin: (network, flags: Flags, work) => train(network, requestOf(flags), work),
      resume: resumeTrain,
      show,
    }),
  );

const requestOf = (flags: Flags): TrainOptions & Pick<Flags, 'executor'> => ({
  ...flags,
  ...outputRequest(flags),
  ...requireTarget(flags, 'NET'),
  sites: flags.site,
  labels: labelOptions(flags),
});

function show(summary: TrainSummary, terminal: Terminal): void {
  const { from, sites, outputs, training, executor } = summary;
  const { steps, batch, rounds, fresh } = training;
  const whose = sites.map(({ name, images }) => `${images} images of ${name}`).join(' and ');
  const how =
    rounds === undefined ? `${steps} steps of ${batch}` : `${rounds} rounds of ${steps / rounds} steps of ${batch}`;
  terminal.line(`Trained ${name(from)}${fresh ? ' afresh' : ''} on ${whose}: ${how}, ${executor}.`);
  if (outputs) terminal.line(`Outputs, the network's own first: ${outputs.map(output => name(output)).join(', ')}.`);
  showTrained(summary, network => (network === 'start' ? 'before it was trained' : 'the network'), terminal);
}
