/** Runs written where other programs that track experiments find them. */
import { readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeFolder, refuseExisting, unwritable, type WriteOptions } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { defaultExperiment, type Experiment, experimentText, mlflowFiles, mlflowFolder } from './mlflow.ts';
import { eventsName, eventsOf } from './tensorboard.ts';
import { type TrackedRun, trackedName } from './tracked.ts';

/** A run with files that are shown beside it, by their names. */
export interface KeptRun {
  readonly run: TrackedRun;
  readonly artifacts: ReadonlyMap<string, string | Uint8Array>;
}

/**
 * Writes runs into a file store of MLflow, each in the place of the same one before.
 *
 * @returns the folders of the runs.
 * @throws SutureError `output-exists` for one that is there already, without `force`; `output-unwritable`.
 */
export async function keepInMlflow(
  folder: string,
  experiment: Experiment,
  runs: readonly KeptRun[],
  options: WriteOptions = {},
): Promise<readonly string[]> {
  const store = resolve(folder);
  const targets = runs.map(({ run }) => join(folder, mlflowFolder(experiment, run)));
  for (const target of targets) await refuseExisting(target, options);
  for (const each of [defaultExperiment(experiment.begun), experiment]) {
    const meta = join(store, each.id, 'meta.yaml');
    // It is that of other runs too.
    if (await isThere(meta)) continue;
    await write(meta, experimentText(store, each));
  }
  for (const [i, { run, artifacts }] of runs.entries()) {
    const target = targets[i];
    await rm(target, { recursive: true, force: true });
    const files = new Map<string, string | Uint8Array>(mlflowFiles(store, experiment, run));
    for (const [name, content] of artifacts) files.set(`artifacts/${name}`, content);
    for (const [name, content] of files) await write(join(target, name), content);
  }
  return targets;
}

/**
 * Writes runs into a folder that TensorBoard reads, each in a folder of its name.
 *
 * @returns the folders of the runs.
 * @throws SutureError as {@link keepInMlflow}.
 */
export async function keepForTensorBoard(
  folder: string,
  runs: readonly TrackedRun[],
  options: WriteOptions = {},
): Promise<readonly string[]> {
  const targets = runs.map(({ name }) => join(folder, trackedName(name.replaceAll('/', ' '))));
  const present: string[] = [];
  for (const target of targets) {
    const names = await readdir(target).catch(() => [] as string[]);
    present.push(...names.filter(name => name.includes('tfevents')).map(name => join(target, name)));
  }
  for (const file of present) await refuseExisting(file, options);
  for (const file of present) await rm(file);
  for (const [i, run] of runs.entries()) await write(join(targets[i], eventsName(run)), eventsOf(run));
  return targets;
}

/** A file among many that are made again as easily: nothing waits until it is on the disk. */
async function write(file: string, content: string | Uint8Array): Promise<void> {
  await makeFolder(dirname(file));
  await writeFile(file, content).catch((cause: unknown) => {
    throw unwritable(file, cause);
  });
}
