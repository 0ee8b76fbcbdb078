/** What a network takes and gives, and what data fits it. */
import { type Dim, type Graph, isStatic, printable, SutureError, type TensorType, typeText } from '../../ir/index.ts';
import type { OutputMeaning } from '../../passes/index.ts';
import { type Dataset, requireImageShape } from '../data/dataset.ts';
import { namesOf, openText } from './one-output.ts';

/** What a network takes and gives, where it is of the form that data files fit: one input, one output, batch first. */
export interface NetworkInterface {
  readonly input: string;
  /** [N, C, spatial...] */
  readonly inputType: TensorType;
  readonly output: string;
  readonly outputType: TensorType;
}

/** The extents of an output but for batch and channels; undefined where any will do. */
export const spatialExtents = (
  { shape }: TensorType,
  { channelAxis }: OutputMeaning,
): readonly (number | undefined)[] => shape.filter((_, i) => i > 0 && i !== channelAxis).map(known);

/**
 * The interface of a network that data files can be used with.
 *
 * @param what how messages name the network.
 * @throws SutureError `model-unsupported` when it takes or gives more than one tensor, or other than float32.
 */
export function interfaceOf(graph: Graph, what: string): NetworkInterface {
  const fail = (problem: string): never => {
    throw new SutureError('model-unsupported', `${printable(what)} ${problem}.`);
  };
  const [input, ...moreInputs] = graph.inputs;
  const [output, ...moreOutputs] = graph.outputs;
  if (input === undefined || output === undefined) return fail('has no input or no output, and needs one of each');
  if (moreInputs.length > 0) {
    fail(`takes ${graph.inputs.length} inputs (${namesOf(graph.inputs)}); data files serve networks with one`);
  }
  if (moreOutputs.length > 0) fail(openText(graph));
  for (const [name, type] of [
    [input.name, input.type],
    [output.name, output.value.type],
  ] as const) {
    if (type.dtype !== 'float32') fail(`has '${printable(name)}' as ${typeText(type)}; it must be float32`);
    if (type.shape.length < 2) fail(`has '${printable(name)}' as ${typeText(type)}; it must be [N, C, ...]`);
  }
  return {
    input: input.name,
    inputType: input.type,
    output: output.name,
    outputType: output.value.type,
  };
}

const known = (dim: Dim): number | undefined => (isStatic(dim) ? dim : undefined);

/** Checks that a network takes the images. @throws SutureError `data-invalid`. */
export function requireFittingImages(dataset: Dataset, graph: Graph, what: string): void {
  requireImageShape(dataset, interfaceOf(graph, what).inputType.shape.slice(1).map(known), what);
}

/** Checks that a network takes images of so many channels. @throws SutureError `data-invalid`. */
export function requireFittingChannels(
  { inputType, name }: NetworkInterface & { readonly name: string },
  channels: number,
  source: string,
): void {
  const expected = known(inputType.shape[1]);
  if (expected === undefined || expected === channels) return;
  throw new SutureError(
    'data-invalid',
    `${printable(source)} has ${channels} channel${channels === 1 ? '' : 's'}, and ${printable(name)} takes ${expected}.`,
  );
}
