/** What a training takes of this machine's memory, known before anything long begins. */
import {
  ancestors,
  type Binding,
  bytesPerElement,
  type Graph,
  isStatic,
  printable,
  SutureError,
  sizeOf,
  substitute,
  type Value,
} from '../../ir/index.ts';
import { sum } from '../../ir/numbers.ts';
import {
  type FitData,
  fitBytesOf,
  lastStitches,
  type Stitch,
  type SuperNetwork,
  type TrainingStep,
} from '../../passes/index.ts';
import { LARGE_WEIGHT } from '../../runtime/index.ts';
import type { Dataset } from '../data/dataset.ts';
import { bindingFor } from '../execution/execute.ts';
import { freeBytes, gibibytes } from '../execution/room.ts';
import { featuresOf } from './found.ts';
import type { Training } from './options.ts';

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

/** What is known of the images that stitches are trained on. */
export type KnownImages = Pick<Dataset, 'count' | 'imageShape'>;

/** An estimate. */
export function stitchMemory(
  network: SuperNetwork,
  training: Training,
  { count, imageShape }: KnownImages,
): StitchMemory {
  const { init, initImages, steps, batch, positions, closingImages } = training;
  const { stitches, graph } = network;
  const input = graph.input(network.parents[0].inputs[0]);
  const [samples] = input.type.shape;
  const shape = [samples !== undefined && isStatic(samples) ? samples : batch, ...imageShape];
  const data = { binding: bindingFor(graph, { [input.name]: shape }), images: Math.min(count, initImages) };
  const parameters = sum(stitches.map(numbersOf));
  const used = training.settings === 'found' ? featuresOf(network, training.found) : undefined;
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
  const kept = Array.from(features, value => bytesOf(value, binding));
  return copiesOfWeights * sum(held.filter(size => size < LARGE_WEIGHT)) + sum(kept);
}

const numbersIn = ({ type: { shape } }: Value, binding: Binding): number => Number(substitute(sizeOf(shape), binding));

const bytesOf = (value: Value, binding: Binding): number =>
  numbersIn(value, binding) * bytesPerElement[value.type.dtype];

/** Least squares hold the statistics of all stitches at once; the fit in sequence those of one position, or few. */
function fittingBytes({ stitches }: SuperNetwork, init: Training['init'], data: FitData): number {
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

/** What a training takes, as it is compared with what is free, and said. */
interface Taken {
  /** `The stitches of 3 positions`. */
  readonly what: string;
  readonly parameters: number;
  /** `to be trained`, in bytes, one after another. */
  readonly stages: ReadonlyMap<string, number>;
  /** Bytes of a step of so many images besides. */
  readonly beside: number;
  readonly batch: number;
  /** Bytes in one file. */
  readonly archived: number;
  /** Of what is too large: where, and what to do. */
  readonly widest?: string;
  readonly advice?: string;
}

/** @throws SutureError `memory-short`. */
function requireFree({ what, parameters, stages, beside, batch, archived, widest, advice }: Taken, free: number): void {
  const needed = Math.max(...stages.values()) + beside;
  if (needed <= free && archived < mostArchived) return;
  const texts = Array.from(stages, ([stage, bytes]) => `${stage}${gibibytes(bytes)}`);
  const [takes, ways] =
    needed > free
      ? [
          `which take ${texts.join(', ')}, ${
            beside > 0 ? `a step of ${batch} images takes ${gibibytes(beside)} besides, ` : ''
          }and ${gibibytes(free)} of memory are free`,
          [...(beside > 0 ? ['take a smaller --batch'] : []), 'say with SUTURE_MEMORY_GIB how many GiB may be taken'],
        ]
      : [`which take ${gibibytes(archived)} in a file, and one holds ${gibibytes(mostArchived)}`, []];
  const all = [...(advice === undefined ? [] : [advice]), ...ways];
  const todo = all.length > 1 ? `${all.slice(0, -1).join(', ')}, or ${all.at(-1)}` : all.join('');
  throw new SutureError(
    'memory-short',
    `${what} have ${counted(parameters)} parameters, ${takes}${widest === undefined ? '' : `; ${widest}`}${todo === '' ? '' : `: ${todo}`}.`,
  );
}

/**
 * Compares what stitches take with what is free, so that no run ends by being killed.
 *
 * @throws SutureError `memory-short`.
 */
export function requireRoom(
  network: SuperNetwork,
  training: Training,
  images: KnownImages,
  { free = freeBytes(), withSession = false }: Room = {},
): void {
  const { parameters, fitting, training: trained, closing, session } = stitchMemory(network, training, images);
  const count = network.positions.length;
  const widest = network.stitches.reduce((p, q) => (numbersOf(q) > numbersOf(p) ? q : p));
  const stages = new Map<string, number>([
    ...(fitting > 4 * parameters ? [['to be fitted ', fitting] as const] : []),
    ...(training.steps > 0 ? [['to be trained ', trained] as const] : []),
    ...(closing > 0 ? [['to be fitted to the outputs ', closing] as const] : []),
  ]);
  // Stitches that are neither fitted nor trained are written.
  if (stages.size === 0) stages.set('', Math.max(fitting, trained));
  requireFree(
    {
      what: `The stitches of ${count} position${count === 1 ? '' : 's'}`,
      parameters,
      stages,
      beside: withSession ? session : 0,
      batch: training.batch,
      archived: (training.steps > 0 ? 12 : 4) * parameters,
      widest:
        `the widest is at position ${widest.position} ('${printable(widest.source.name)}', ${widest.inputChannels} to ` +
        `${widest.outputChannels} channels)`,
      advice: 'take pairs out of what `suture match -o PAIRS.json` writes and stitch with --pairs PAIRS.json',
    },
    free,
  );
}

/** A step in which all weights of a network are trained, as `wholeStep` plans it. */
export interface WholeTraining {
  readonly step: TrainingStep;
  readonly binding: Binding;
  /** Whose layers they are, for messages: `The student`. */
  readonly what?: string;
  /** What else has a session. */
  readonly teacher?: Graph | undefined;
  readonly batch: number;
  readonly optimizer: 'adamw' | 'sgd';
}

/**
 * As {@link requireRoom}, for a network whose weights are all trained.
 *
 * @throws SutureError `memory-short`.
 */
export function requireRoomForWhole(
  { step, binding, what = 'The network', teacher, batch, optimizer }: WholeTraining,
  { free = freeBytes(), withSession = false }: Room = {},
): void {
  const { graph } = step;
  const parameters = sum(step.parameters.map(name => numbersIn(graph.input(name), binding)));
  const forward = new Set(ancestors(graph.nodes, [graph.output(step.loss)]));
  const made = graph.nodes.filter(node => forward.has(node)).flatMap(({ outputs }) => outputs);
  // What a session on processors keeps for the gradients.
  const kept = made.filter(value => graph.consumers(value).some(reader => !forward.has(reader)));
  const weights = (teacher?.constants() ?? []).map(({ constant }) => constant.data.byteLength);
  const session = sum(kept.map(value => bytesOf(value, binding))) + copiesOfWeights * sum(weights);
  // Momentum has one moment for AdamW's two.
  const moments = optimizer === 'sgd' ? 1 : 2;
  requireFree(
    {
      ...{ what: `${what}'s layers`, parameters, batch },
      stages: new Map([['to be trained ', (4 + (1 + moments) * 3 * 4) * parameters]]),
      beside: withSession ? session : 0,
      archived: 12 * parameters,
    },
    free,
  );
}
