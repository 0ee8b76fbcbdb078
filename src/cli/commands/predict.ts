import { Command } from 'commander';
import { SutureError } from '../../../ir/index.ts';
import { type Prediction, predict } from '../../api/predict.ts';
import { axes, path, shareAboveZero } from '../../options/kinds.ts';
import { optional, required, type ValuesOf } from '../../options/option.ts';
import { activation, batch, executor, force, json, onlyOutput, outputPath, outputRequest } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { name, type Terminal } from '../terminal.ts';

const options = {
  data: required(path, 'folder', 'images: a folder, an nnU-Net data set (its imagesTs), or an .npz file'),
  plans: optional(path, 'file', "nnU-Net's plans.json, by which cases are prepared and labels brought back", {
    otherwise: 'those in the file of the network, or none',
  }),
  configuration: optional(path, 'name', 'of the plans', { otherwise: '3d_fullres, or 2d' }),
  dataset: optional(path, 'file', 'dataset.json, for the values of labels', {
    otherwise: 'what the file of the network says, or that of the data',
  }),
  mirror: optional(axes, 'axes', 'also look at windows mirrored over these axes, as in 0,1,2, or none', {
    otherwise: 'what the plans allow, or none',
  }),
  step: optional(shareAboveZero, 'share', 'from window to window, as a share of a window', { otherwise: '0.5' }),
  ...onlyOutput,
  activation,
  batch,
  executor,
  output: outputPath('folder', 'the folder for labels; what is there already of the same prediction is kept'),
  force,
  json,
};

export const predictCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('predict')
      .description('label every case of a folder, in its own grid, window by window as nnU-Net does')
      .argument('<network>', 'an ONNX file, or a run directory for the network that it exported'),
    options,
  ).action(async (model: string, { json: _, ...flags }: ValuesOf<typeof options>) => {
    const found = await predict(
      { model, ...flags, ...outputRequest(flags) },
      { signal, onProgress: terminal.progress },
    );
    for (const message of found.warnings) terminal.warning(message);
    terminal.result(found, () => show(found, flags.data, terminal));
    const lost = found.cases.filter(({ problem }) => problem !== undefined);
    if (lost.length === 0) return;
    throw new SutureError('data-invalid', `${lost.length} of ${found.cases.length} cases have no labels:`, {
      details: lost.map(({ problem = '' }) => problem),
    });
  });

/** @param data files of arrays have no plans: what is in them is prepared. */
function show({ model, output, configuration, mirror, cases }: Prediction, data: string, terminal: Terminal): void {
  const made = cases.filter(({ already, problem }) => !already && problem === undefined).length;
  const there = cases.filter(({ already }) => already).length;
  if (configuration !== undefined) terminal.line(`Cases were prepared as the plans say (${name(configuration)}).`);
  else if (!data.endsWith('.npz')) terminal.line('There are no plans: intensities were taken as they are.');
  if (mirror.length > 0) terminal.line(`Windows were mirrored over the axes ${mirror.join(', ')}.`);
  const earlier = there > 0 ? `, and of ${there} that were there` : '';
  terminal.wrote(output, `labels of ${made} ${made === 1 ? 'case' : 'cases'}${earlier}, by ${name(model)}`);
}
