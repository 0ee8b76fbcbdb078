/** Runs written where other programs that track experiments find them. */
import { readdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { makeFolder, refuseExisting, unwritable, type WriteOptions, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import { defaultExperiment, type Experiment, experimentText, mlflowFiles, mlflowFolder } from './mlflow.ts';
import { eventsName, eventsOf, isEventsName } from './tensorboard.ts';
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
    const files = new Map<string, string | Uint8Array>(mlflowFiles(store, experiment, run));
    for (const [name, content] of artifacts) files.set(`artifacts/${name}`, content);
    await replaceFolder(targets[i], files);
  }
  return targets;
}

/** Writes a folder beside the one that it takes the place of, which stays until the new one is whole. @throws SutureError `output-unwritable`. */
async function replaceFolder(target: string, files: ReadonlyMap<string, string | Uint8Array>): Promise<void> {
  const [made, old] = [`${target}.new`, `${target}.old`];
  try {
    // Of a process that was ended.
    await remove(made);
    for (const [name, content] of files) await write(join(made, name), content);
    if (await isThere(target)) {
      await remove(old);
      await rename(target, old);
    }
    await rename(made, target);
    await remove(old);
  } catch (cause) {
    await remove(made).catch(() => undefined);
    throw unwritable(target, cause);
  }
}

const remove = (path: string): Promise<void> => rm(path, { recursive: true, force: true });

/**
 * Writes runs into a folder that TensorBoard reads, each in a folder of its name. Events that other programs wrote there stay.
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
    present.push(...names.filter(isEventsName).map(name => join(target, name)));
  }
  for (const file of present) await refuseExisting(file, options);
  const written = runs.map((run, i) => join(targets[i], eventsName(run)));
  for (const [i, run] of runs.entries()) {
    await makeFolder(targets[i]);
    await writeOutput(written[i], eventsOf(run), { force: true });
  }
  for (const file of present.filter(before => !written.includes(before))) {
    await rm(file, { force: true }).catch((cause: unknown) => {
      throw unwritable(file, cause);
    });
  }
  return targets;
}

/** A file among many that are made again as easily: nothing waits until it is on the disk. */
async function write(file: string, content: string | Uint8Array): Promise<void> {
  await makeFolder(dirname(file));
  await writeFile(file, content).catch((cause: unknown) => {
    throw unwritable(file, cause);
  });
}
