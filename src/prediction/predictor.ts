/** A network that is asked about whole cases. */
import { printable, SutureError, typeText } from '../../ir/index.ts';
import { leastExtent } from '../../passes/index.ts';
import type { Runnable } from '../execution/execute.ts';
import { fixedBatch } from '../execution/fixed-batch.ts';
import { gateScopeOf } from '../network/gate.ts';
import type { Network } from '../network/network.ts';
import { channelsFirst, thresholdOf } from '../network/outputs.ts';
import { type DatasetNames, decisionFor } from '../preprocessing/dataset-json.ts';
import type { Plans } from '../preprocessing/plans.ts';
import type { Decision } from '../preprocessing/preprocess.ts';
import { type Field, type SlidingOptions, slide } from './sliding.ts';

export interface Looking extends Pick<SlidingOptions, 'step' | 'mirrorAxes' | 'signal' | 'onLook'> {
  /** Windows at a time; absent: one, or as many as the network takes. */
  readonly batch?: number | undefined;
}

/** Axes of space that a network's images have. */
export const axesOf = ({ inputType }: Pick<Network, 'inputType'>): number => inputType.shape.length - 2;

/** Checks that a network says something of every place. @throws SutureError `model-unsupported`. */
export function requireDense(network: Network): void {
  const { name, meaning, inputType, outputType } = network;
  const fail = (problem: string): never => {
    throw new SutureError('model-unsupported', `${printable(name)} ${problem}.`);
  };
  if (meaning.kind === 'values') fail('gives values, and labels are made of what classes or regions are given');
  const places = outputType.shape.length - (meaning.channelAxis === undefined ? 1 : 2);
  const axes = axesOf(network);
  if (axes < 1 || axes > 3) fail(`takes ${typeText(inputType)}, and images have one to three axes of space`);
  if (places !== axes)
    fail(`gives ${typeText(outputType)} for ${typeText(inputType)}: it does not say something of every place`);
}

/** The window that a network sees at a time: what it takes and no other, what plans say, or else a whole image. */
function windowFor({ inputType }: Network, plans: Plans | undefined, extents: readonly number[]): readonly number[] {
  const dims = inputType.shape.slice(2);
  return dims.map((dim, axis) =>
    leastExtent(dim, plans?.patchSize[axis] ?? extents[extents.length - dims.length + axis]),
  );
}

/** A network that stands ready, and by which plans its images are prepared. */
export interface Predictor {
  readonly runnable: Runnable;
  readonly network: Network;
  readonly plans: Plans | undefined;
}

/** What a network says of a case [C, ...spatial] that is as the network wants it, for each of its channels. */
export function predict(
  { runnable, network, plans }: Predictor,
  field: Field,
  { batch, ...looking }: Looking,
): Promise<Field> {
  const { input, output, meaning, name } = network;
  const window = windowFor(network, plans, field.shape.slice(1));
  const ask = async (images: Parameters<Parameters<typeof slide>[1]>[0]) => {
    const said = channelsFirst((await runnable.run({ [input]: images }, [output]))[output], meaning);
    if (String(said.shape.slice(2)) === String(images.shape.slice(2))) return said;
    throw new SutureError(
      'model-unsupported',
      `${printable(name)} gives ${said.shape.slice(2).join('×')} places for ${images.shape.slice(2).join('×')}: it does not say something of every place.`,
    );
  };
  // A network whose gate is for a case wants all of it at once.
  const together = gateScopeOf(network.graph) === 'case' ? 'all' : (batch ?? fixedBatch(network.graph) ?? 1);
  return slide(field, ask, { ...looking, window, together });
}

/** How labels are made of what a network says. @throws SutureError `data-invalid` as {@link decisionFor}. */
export const decisionOf = ({ meaning, name }: Network, names: DatasetNames | undefined): Decision =>
  decisionFor(
    names,
    { channels: meaning.channels, regions: meaning.activation === 'sigmoid', threshold: thresholdOf(meaning) },
    name,
  );
