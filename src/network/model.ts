/** Networks as files, each read once. */
import { type Graph, type Imported, type ImportWarning, printable, SutureError } from '../../ir/index.ts';
import {
  type BranchGrid,
  type ChannelMap,
  freeBatch,
  type GridChange,
  mapChannels,
  onOtherGrid,
  permuteSpace,
  type Tag,
  widen,
  widenRounded,
  withDemandedSizes,
} from '../../passes/index.ts';
import { batchText, fixedBatch } from '../execution/fixed-batch.ts';
import { parentName } from './names.ts';
import { takenText, withOneOutput } from './one-output.ts';
import { tagOf } from './tags.ts';

/** A network and the file that it came from. */
export interface Model {
  /** As it was given: the name for messages and reports. */
  readonly path: string;
  /** SHA-256 of the model file, in hexadecimal. External data is not part of it. */
  readonly sha256: string;
  /** What the file holds. */
  readonly file: Graph;
  /**
   * What is computed with: the file's graph in float32, with an open batch where it can be proven that samples stay apart, and open sizes
   * as the multiples that the layers demand; of several outputs with the one that is used, where that is clear.
   */
  readonly graph: Graph;
  /** Of the file's axes of space, which one each axis of the images that networks share is; absent where their order is the same. */
  readonly axes?: readonly number[] | undefined;
  /** What `graph` does first with the images that networks share; absent where its own are the same. */
  readonly front?: readonly ChannelMap[] | undefined;
  /** Where its features lie, if that is another grid than that of the images that networks share. */
  readonly grid?: BranchGrid | undefined;
  /** Files beside it that hold tensors of it, relative to its folder. */
  readonly external: readonly string[];
  readonly warnings: readonly (ImportWarning | ModelWarning)[];
}

/** What is said of a network whose batch is fixed and stays so, or some of whose outputs are not used. */
interface ModelWarning {
  readonly code: 'fixed-batch' | 'outputs-unused';
  readonly message: string;
}

/** The warnings of some files, each with the file that it is about. */
export const warningsOf = (models: readonly Model[]): readonly string[] =>
  models.flatMap(({ path, warnings }) => warnings.map(({ message }) => `${printable(path)}: ${message}`));

/** What messages call one of the networks that are to be joined: `parent a (A.onnx)`. */
export const roleOf = ({ path }: Pick<Model, 'path'>, tag: Tag): string => `${parentName(tag)} (${printable(path)})`;

/** How many images networks that are joined take at a time, as `fixedBatch`. @throws SutureError `parents-incompatible` where they differ. */
export function sharedBatch(models: readonly Model[]): number | undefined {
  const fixed = models.flatMap((model, i) => {
    const batch = fixedBatch(model.graph);
    return batch === undefined ? [] : [{ role: roleOf(model, tagOf(i)), batch }];
  });
  const [first, ...others] = fixed;
  const other = others.find(({ batch }) => batch !== first?.batch);
  if (!first || !other) return first?.batch;
  throw new SutureError(
    'parents-incompatible',
    `${first.role} takes ${first.batch} at a time and ${other.role} ${other.batch}, and neither can be shown to take another number: ` +
      'export both with an open batch axis, or with the same number.',
  );
}

/**
 * A network that was read.
 *
 * @param options `output`: the name of the one that is used, of several; default: the one that is as large as the image. `rounds`: whether features of 16 bits keep their roundings, as for scoring the file; without, they are computed in float32.
 * @throws SutureError as {@link withOneOutput}.
 */
export function modelOf(
  path: string,
  sha256: string,
  { graph: file, warnings, external }: Imported,
  { output, rounds = false }: { readonly output?: string | undefined; readonly rounds?: boolean } = {},
): Model {
  const used = withOneOutput(file, path, output);
  const graph = computable(used, { rounds });
  return {
    path,
    sha256,
    file,
    graph,
    external,
    warnings: [
      ...warnings,
      ...(output === undefined && used !== file
        ? [{ code: 'outputs-unused' as const, message: takenText(file, used.outputs[0]) }]
        : []),
      ...fixedBatchWarning(graph),
    ],
  };
}

/** What of a file is computed with: see {@link Model.graph}. */
export function computable(graph: Graph, { rounds = false } = {}): Graph {
  const wide = rounds ? widenRounded(graph) : widen(graph);
  return withDemandedSizes(freeBatch(wide) ?? wide);
}

/** What makes a network's own images of those that networks share; absent where they are the same. */
export interface Front {
  /** Of axes of space, as `permuteSpace` has it. */
  readonly axes?: readonly number[] | undefined;
  /** Of intensities. */
  readonly front?: readonly ChannelMap[] | undefined;
  /** Of places, along the axes of the shared images; then its answer is brought back too. */
  readonly grid?: GridChange | undefined;
}

/**
 * A network behind what makes its own images of those that networks share.
 *
 * @param role what messages call it.
 * @throws SutureError as {@link permuteSpace}, {@link onOtherGrid}.
 */
export function fronted(model: Model, { axes, front, grid }: Front, role: string): Model {
  const turned = axes ? { ...model, graph: permuteSpace(model.graph, axes, role), axes } : model;
  const placed = grid ? { ...turned, ...onOtherGrid(turned.graph, grid, role) } : turned;
  return front ? { ...placed, graph: mapChannels(placed.graph, front), front } : placed;
}

function fixedBatchWarning(graph: Graph): readonly ModelWarning[] {
  const batch = fixedBatch(graph);
  // Of networks that images can be given to.
  if (batch === undefined || graph.inputs.length !== 1 || graph.inputs[0].type.shape.length < 2) return [];
  return [{ code: 'fixed-batch', message: `${batchText(batch)}: --batch ${batch} is used` }];
}
