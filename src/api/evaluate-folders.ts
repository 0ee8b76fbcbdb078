/** Folders of label files compared, as nnU-Net does. */
import { dirname, join, resolve } from 'node:path';
import { printable, SutureError, someOf } from '../../ir/errors.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { readLabels } from '../data/raw/case.ts';
import { type Description, readDescription } from '../data/raw/description.ts';
import { byStem, casesError, imagesIn } from '../data/raw/open.ts';
import { throwIfInterrupted, type WorkOptions } from '../execution/progress.ts';
import { type Compared, type ComparedCase, compareCase, keyOf, type Summary, summaryOf } from '../metrics/summary.ts';

/** `dataset.json` of predictions, of the reference, or beside the latter's folder. */
async function descriptionOf(predicted: string, reference: string): Promise<Description | undefined> {
  for (const folder of [reference, dirname(resolve(reference)), predicted]) {
    const found = await readDescription(folder);
    if (found) return found;
  }
  return undefined;
}

/** What there is but for the background, where nothing says what is compared. */
async function labelsIn(files: readonly string[], ignore: number | undefined): Promise<readonly Compared[]> {
  const found = new Set<number>();
  for (const file of files) for (const label of (await readLabels(file)).labels) found.add(label);
  return [...found]
    .filter(label => label !== 0 && label !== ignore)
    .sort((a, b) => a - b)
    .map(label => [label]);
}

export interface CompareOptions extends WorkOptions {
  readonly labels?: LabelOptions;
  /** Told the reference files of which no prediction is there, where there are some: no mean counts them. */
  readonly onUnpredicted?: (files: readonly string[]) => void;
}

/**
 * Compares all label files of a folder with those of the same cases in another, whatever the endings of their names.
 *
 * @throws SutureError `data-unreadable`, `data-invalid` naming every case that cannot be compared; `interrupted`.
 */
export async function evaluateFolders(
  predicted: string,
  reference: string,
  { labels: said = {}, onUnpredicted, onProgress, signal }: CompareOptions = {},
): Promise<Summary> {
  const unclear: SutureError[] = [];
  const filesIn = async (folder: string): Promise<ReadonlyMap<string, string>> =>
    byStem(await imagesIn(folder), (name, problem) => {
      unclear.push(new SutureError('data-invalid', `${printable(folder)}: case ${printable(name)} ${problem}.`));
    });
  const [found, known] = [await filesIn(predicted), await filesIn(reference)];
  if (found.size === 0) throw new SutureError('data-invalid', `${printable(predicted)}: there are no label files.`);
  if (unclear.length > 0) throw casesError(predicted, 'not every case has one file', unclear);
  const pairs = Array.from(found, ([stem, name]) => ({ name, right: known.get(stem) }));
  const alone = pairs.filter(({ right }) => right === undefined);
  if (alone.length > 0) {
    throw new SutureError(
      'data-invalid',
      `${printable(predicted)}: ${alone.length} of ${pairs.length} files have none of their name in ${printable(reference)}: ` +
        `${someOf(alone.map(({ name }) => name))}.`,
    );
  }
  const unpredicted = Array.from(known, ([stem, name]) => (found.has(stem) ? [] : [name])).flat();
  if (unpredicted.length > 0) onUnpredicted?.(unpredicted);
  const files = pairs.map(({ name, right = name }) => [join(predicted, name), join(reference, right)] as const);
  const description = await descriptionOf(predicted, reference);
  const ignore = said.ignoreLabel ?? description?.ignore;
  const named = description && [...description.names.keys()].sort((a, b) => a - b);
  const all =
    said.regions ??
    description?.regions ??
    named?.filter(label => label !== 0 && label !== ignore).map(label => [label]) ??
    (await labelsIn(
      files.map(([, right]) => right),
      ignore,
    ));
  if (all.length === 0)
    throw new SutureError('data-invalid', `${printable(reference)}: there is nothing but background.`);
  const cases: ComparedCase[] = [];
  const problems: SutureError[] = [];
  for (const [done, [answer, right]] of files.entries()) {
    throwIfInterrupted(signal, 'The comparison');
    onProgress?.({ stage: 'comparing', done, total: files.length });
    try {
      cases.push(await compareCase(answer, right, all, { ignore, description }));
    } catch (cause) {
      if (!(cause instanceof SutureError)) throw cause;
      problems.push(cause);
    }
  }
  onProgress?.({ stage: 'comparing', done: files.length, total: files.length });
  if (problems.length > 0)
    throw casesError(predicted, `${problems.length} of ${files.length} cases cannot be compared`, problems);
  return summaryOf(cases, all.map(keyOf));
}
