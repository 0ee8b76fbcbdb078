/** What a run keeps of single cases: a table of all, and counts as nnU-Net has them. */
import { join } from 'node:path';
import type { Dataset } from '../data/dataset.ts';
import { makeFolder, writeOutput } from '../files/output.ts';
import { caseName } from '../metrics/by-case.ts';
import type { Metric } from '../metrics/metric.ts';
import { summaryOfScores, summaryText } from '../metrics/summary.ts';
import { ensembleName, parentName } from '../network/names.ts';
import type { RunDirectory } from '../run/directory.ts';
import { caseTable, type ListedCase, listedCases } from './cases.ts';

/** A test set, and what networks answer on it, by their names. */
interface MeasuredSet {
  readonly name: string;
  readonly dataset: Dataset;
  readonly metrics: ReadonlyMap<string, Metric>;
}

/**
 * Lists every class of every case of the test sets, of the exported network, the parents and the plain ensemble, and counts the exported
 * network's as nnU-Net does, a file for each test set. Scores that are not of pixels have neither.
 */
export async function writeCaseFiles(
  directory: RunDirectory,
  exported: string,
  sets: readonly MeasuredSet[],
): Promise<void> {
  const shown = [...new Set([exported, ...Object.keys(directory.config.parents).map(parentName), ensembleName])];
  const rows: ListedCase[] = [];
  const folder = directory.file('summaries');
  const files = fileNames(sets.map(({ name }) => name));
  for (const [i, { name, dataset, metrics }] of sets.entries()) {
    const cases = metrics.get(exported)!.cases();
    if (cases.length === 0) continue;
    rows.push(...shown.flatMap(model => listedCases({ set: name, model, metric: metrics.get(model)! }, dataset)));
    const summary = summaryOfScores(cases, key => caseName(dataset, key));
    await makeFolder(folder);
    await writeOutput(join(folder, `${files[i]}.json`), summaryText(summary), { force: true });
  }
  if (rows.length > 0) await directory.write('cases', caseTable(rows));
}

/** Names for files, each once, whatever test sets are called: what is no letter, number, hyphen or underscore becomes one. */
function fileNames(names: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return names.map(name => {
    const stem = name.replace(/[^\p{L}\p{N}_-]+/gu, '_');
    let free = stem;
    for (let i = 2; taken.has(free.toLowerCase()); i++) free = `${stem}_${i}`;
    taken.add(free.toLowerCase());
    return free;
  });
}
