/** A finished run in memory: the super-network and the trained parameters of its stitches. */
import { printable, SutureError, type Tensor, type TensorType } from '../../ir/index.ts';
import type { StitchParameters, SuperNetwork } from '../../passes/index.ts';
import { joinParents } from '../network/join.ts';
import { loadModel } from '../network/load.ts';
import { fromStored } from '../network/meaning.ts';
import { fronted } from '../network/model.ts';
import type { Network, TrainedNetwork } from '../network/network.ts';
import { type Parent, parentWith, withClasses } from '../network/parent.ts';
import { stitchTypes } from '../training/stitches.ts';
import { RunDirectory } from './directory.ts';

/** A run that is open, trained or not: its parents as they are joined. */
export interface OpenRun {
  readonly directory: RunDirectory;
  readonly parents: readonly Parent[];
  readonly network: SuperNetwork;
}

export interface LoadedRun extends OpenRun, TrainedNetwork {}

/** Opens a run up to its super-network, trained or not. @throws SutureError `run-invalid`. */
export const openNetwork = async (path: string): Promise<OpenRun> => joinOpened(await RunDirectory.open(path));

/** Joins the parents of a run whose directory is open. @throws SutureError `run-invalid`. */
export async function joinOpened(directory: RunDirectory): Promise<OpenRun> {
  const pairs = await directory.readPairs();
  const parents: Parent[] = [];
  for (const [tag, { output, meaning, axes, front, grid, classes }] of Object.entries(directory.config.parents)) {
    const known = fromStored(meaning);
    const own = { ...known, channels: classes?.length ?? known.channels };
    const model = await loadModel(directory.parentFile(tag), output);
    const parent = parentWith(fronted(model, { axes, front, grid }, `network ${tag}`), own);
    parents.push(withClasses(parent, classes, known.channels, `network ${tag}`));
  }
  return { directory, parents, network: joinParents(parents, pairs, directory.config) };
}

/** The parents of a run joined as they are, and a network that was distilled from them: its answer comes behind theirs. */
export async function joinStudent(
  { directory, parents }: OpenRun,
  { graph, meaning }: Pick<Network, 'graph' | 'meaning'>,
): Promise<SuperNetwork> {
  const student = { tag: 'student', graph, meaning };
  return joinParents(parents, await directory.readPairs(), directory.config, [student]);
}

/** Opens a run whose stitches are trained. @throws SutureError `run-invalid`. */
export async function loadRun(path: string): Promise<LoadedRun> {
  const opened = await openNetwork(path);
  const parameters = await trainedParameters(opened);
  if (!parameters) {
    throw new SutureError(
      'run-invalid',
      `${printable(path)} has no trained stitches yet: its training did not end; \`suture stitch --resume\` goes on with it.`,
    );
  }
  return { ...opened, parameters };
}

/** The parameters of a run's stitches; undefined where its training has not ended. @throws SutureError `run-invalid`. */
export async function trainedParameters({ directory, network }: OpenRun): Promise<StitchParameters | undefined> {
  const stored = await directory.readTensors('parameters');
  if (stored) requireTensors(stored.tensors, stitchTypes(network), directory.file('parameters'));
  return stored?.tensors;
}

/** Checks that a file holds what is wanted, and nothing else. @throws SutureError `run-invalid`. */
export function requireTensors(
  tensors: ReadonlyMap<string, Tensor>,
  wanted: ReadonlyMap<string, TensorType>,
  file: string,
): void {
  for (const name of new Set([...wanted.keys(), ...tensors.keys()])) {
    const [expected, found] = [wanted.get(name)?.shape, tensors.get(name)?.shape].map(s => s && `[${s.join(', ')}]`);
    if (found === expected) continue;
    throw new SutureError(
      'run-invalid',
      `${printable(file)} does not fit the network: '${printable(name)}' is ${found ?? 'missing'}, ` +
        `and must be ${expected ?? 'absent'}.`,
    );
  }
}
