/** What the stitches of a run take of this machine's memory, known before anything long begins. */
import {
  type Binding,
  bytesPerElement,
  isStatic,
  printable,
  SutureError,
  sizeOf,
  substitute,
  type Value,
} from '../../ir/index.ts';
import { type FitData, fitBytesOf, lastStitches, type Stitch, type SuperNetwork } from '../../passes/index.ts';
import { LARGE_WEIGHT } from '../../runtime/index.ts';
import type { Dataset } from '../data/dataset.ts';
import { bindingFor } from '../execution/execute.ts';
import { freeBytes, gibibytes } from '../execution/room.ts';
import { featuresOf } from './found.ts';
import type { TrainingSettings } from './settings.ts';

/**
 * Bytes for each parameter, the first values included. While they are trained: parameter and two moments before and after a step, and
 * the gradient; at a checkpoint parameter and moments, their arrays, and the archive of these. A stitch that is not trained has its
 * first value, its array and the archive.
 */
const bytesPerParameter = { trained: 4 + 3 * 3 * 4, fixed: 3 * 4 };

/** In the closing fit each parameter is in so many vectors in double precision, and in six in single. */
const closingVectors = 12;
const bytesPerClosed = closingVectors * 8 + 6 * 4;

/** What a run takes at each of its stages, in bytes. */
export interface StitchMemory {
  readonly parameters: number;
  readonly fitting: number;
  readonly training: number;
  readonly closing: number;
  /** What ONNX Runtime takes beside: see {@link sessionBytes}. */
  readonly session: number;
}

const numbersOf = ({ inputChannels, outputChannels }: Stitch): number => (inputChannels + 1) * outputChannels;

const sum = (numbers: readonly number[]): number => numbers.reduce((x, y) => x + y, 0);

/** What is known of the images that stitches are trained on. */
export type KnownImages = Pick<Dataset, 'count' | 'imageShape'>;

/** An estimate. */
export function stitchMemory(
  network: SuperNetwork,
  settings: TrainingSettings,
  { count, imageShape }: KnownImages,
): StitchMemory {
  const { init, initImages, steps, batch, positions, closingImages } = settings;
  const { stitches, graph } = network;
  const input = graph.input(network.parents[0].inputs[0]);
  const [samples] = input.type.shape;
  const shape = [samples !== undefined && isStatic(samples) ? samples : batch, ...imageShape];
  const data = { binding: bindingFor(graph, { [input.name]: shape }), images: Math.min(count, initImages) };
  const parameters = sum(stitches.map(numbersOf));
  const used = settings.settings === 'found' ? featuresOf(network, settings.found) : undefined;
  const isTrained = ({ position, output }: Stitch): boolean =>
    steps > 0 && (used?.has(output) ?? positions?.includes(position) ?? true);
  const trained = sum(stitches.filter(isTrained).map(numbersOf));
  const { trained: whileTrained, fixed } = bytesPerParameter;
  return {
    parameters,
    fitting: 4 * parameters + fittingBytes(network, init, data),
    training: whileTrained * trained + fixed * (parameters - trained),
    session: sessionBytes(network, stitches.filter(isTrained), data.binding),
    closing: closingImages > 0 ? fixed * parameters + bytesPerClosed * sum(lastStitches(network).map(numbersOf)) : 0,
  };
}

/** What a session makes of a weight that it holds: the message, the model that is read from it, and what kernels make of that. */
const copiesOfWeights = 3;

/**
 * What a training on this machine's processors takes beside the stitches' parameters: the parents' weights, but for those that sessions
 * only view, and what must be there from the forward pass to the gradients in any order of work, sources and results of stitches.
 */
function sessionBytes({ graph }: SuperNetwork, trained: readonly Stitch[], binding: Binding): number {
  const held = graph.constants().map(({ constant }) => constant.data.byteLength);
  const features = new Set(trained.flatMap(({ source, output }) => [source, output]));
  const bytes = ({ type: { dtype, shape } }: Value): number =>
    Number(substitute(sizeOf(shape), binding)) * bytesPerElement[dtype];
  return copiesOfWeights * sum(held.filter(size => size < LARGE_WEIGHT)) + sum(Array.from(features, bytes));
}

/** Least squares hold the statistics of all stitches at once; the fit in sequence those of one position, or few. */
function fittingBytes({ stitches }: SuperNetwork, init: TrainingSettings['init'], data: FitData): number {
  if (init !== 'ridge' && init !== 'sequential') return 0;
  const together = new Map<number, { held: number; solving: number }>();
  for (const stitch of stitches) {
    const group = init === 'ridge' ? 0 : stitch.position;
    const { held, solving } = fitBytesOf(stitch, data);
    const others = together.get(group) ?? { held: 0, solving: 0 };
    together.set(group, { held: others.held + held, solving: Math.max(others.solving, solving) });
  }
  return Math.max(...[...together.values()].map(({ held, solving }) => held + solving));
}

const counted = (count: number): string => (count < 1e6 ? String(count) : `${(count / 1e6).toFixed(1)} million`);

/** No archive is larger, and a checkpoint is one. */
const mostArchived = 2 ** 32;

export interface Room {
  /** Bytes that may be taken. Default: what is free. */
  readonly free?: number;
  /** Is ONNX Runtime to compute? Then its sessions are counted as well. */
  readonly withSession?: boolean;
}

/**
 * Compares what stitches take with what is free, so that no run ends by being killed.
 *
 * @throws SutureError `memory-short`.
 */
export function requireRoom(
  network: SuperNetwork,
  settings: TrainingSettings,
  images: KnownImages,
  { free = freeBytes(), withSession = false }: Room = {},
): void {
  const { parameters, fitting, training, closing, session } = stitchMemory(network, settings, images);
  const beside = withSession ? session : 0;
  const needed = Math.max(fitting, training, closing) + beside;
  const archived = (settings.steps > 0 ? 12 : 4) * parameters;
  if (needed <= free && archived < mostArchived) return;
  const count = network.positions.length;
  const widest = network.stitches.reduce((p, q) => (numbersOf(q) > numbersOf(p) ? q : p));
  const stages = [
    ...(fitting > 4 * parameters ? [`to be fitted ${gibibytes(fitting)}`] : []),
    ...(settings.steps > 0 ? [`to be trained ${gibibytes(training)}`] : []),
    ...(closing > 0 ? [`to be fitted to the outputs ${gibibytes(closing)}`] : []),
  ];
  const [takes, or] =
    needed > free
      ? [
          `which take ${stages.join(', ') || gibibytes(needed - beside)}, ${
            beside > 0 ? `a step of ${settings.batch} images takes ${gibibytes(beside)} besides, ` : ''
          }and ${gibibytes(free)} of memory are free`,
          `${beside > 0 ? ', take a smaller --batch' : ''}, or say with SUTURE_MEMORY_GIB how many GiB may be taken`,
        ]
      : [`which take ${gibibytes(archived)} in a file, and one holds ${gibibytes(mostArchived)}`, ''];
  throw new SutureError(
    'memory-short',
    `The stitches of ${count} position${count === 1 ? '' : 's'} have ${counted(parameters)} parameters, ${takes}; the ` +
      `widest is at position ${widest.position} ('${printable(widest.source.name)}', ${widest.inputChannels} to ` +
      `${widest.outputChannels} channels): take pairs out of what \`suture match -o PAIRS.json\` writes and stitch with --pairs PAIRS.json${or}.`,
  );
}
