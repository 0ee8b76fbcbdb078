import { Command } from 'commander';
import { resumeTrain, type TrainSummary, train } from '../../api/train.ts';
import { namedFiles, path } from '../../options/kinds.ts';
import { optional, repeatable, type ValuesOf } from '../../options/option.ts';
import { networkOptions } from '../../training/network.ts';
import { activation, onlyOutput, outputRequest, task } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { name, type Terminal } from '../terminal.ts';
import { closingOptions, directoryOptions, showTrained, wholeAction } from '../whole.ts';

const options = {
  data: optional(path, 'file', 'an .npz file or a folder with images and labels', { conflicts: ['site'] }),
  site: repeatable(namedFiles, 'name=file', 'the data of one of several sites, instead; may be repeated'),
  val: optional(path, 'file', 'an .npz file or a folder with images and labels, on which the network is scored'),
  ...directoryOptions('net'),
  ...networkOptions,
  ...onlyOutput,
  task,
  activation,
  ...closingOptions,
};

export const trainCommand = (context: Context): Command =>
  addOptions(
    new Command('train')
      .description('train a whole network on labels: fresh, or from the weights that it has')
      .argument('[network]', 'an ONNX file'),
    options,
  ).action(
    wholeAction<ValuesOf<typeof options>, TrainSummary>(context, {
      from: 'the network to train, an ONNX file',
      directory: 'NET',
      begin: (network, request, work) =>
        train(network, { ...request, ...outputRequest(request), sites: request.site }, work),
      resume: resumeTrain,
      show,
    }),
  );

function show(summary: TrainSummary, terminal: Terminal): void {
  const { from, sites, outputs, training, executor } = summary;
  const { steps, batch, rounds, fresh } = training;
  const whose = sites.map(({ source, images }) => `${images} images of ${name(source)}`).join(' and ');
  const how =
    rounds === undefined ? `${steps} steps of ${batch}` : `${rounds} rounds of ${steps / rounds} steps of ${batch}`;
  terminal.line(`Trained ${name(from)}${fresh ? ' afresh' : ''} on ${whose}: ${how}, ${executor}.`);
  if (outputs) terminal.line(`Outputs, the network's own first: ${outputs.map(output => name(output)).join(', ')}.`);
  showTrained(summary, network => (network === 'start' ? 'before it was trained' : 'the network'), terminal);
}
