/** Which layers of two networks correspond: `suture match`. */
import { SutureError } from '../../ir/index.ts';
import { type MatchOptions as GraphMatchOptions, match as matchGraphs } from '../../passes/index.ts';
import { loadDataset } from '../data/dataset.ts';
import { withExecutor } from '../execution/execute.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { type WorkOptions, workOptions } from '../execution/progress.ts';
import { checkOutputFile, jsonText, type OutputOptions, writeOutput } from '../files/output.ts';
import { loadModel, type Model, rolesOf, sharedBatch, warningsOf } from '../network/model.ts';
import type { PairsDocument } from '../network/pairs.ts';
import { ckaSimilarity, type Similarity } from '../network/similarity.ts';

export interface MatchOptions
  extends WorkOptions,
    ExecutorOptions,
    OutputOptions,
    Pick<GraphMatchOptions, 'matcher' | 'timeLimit' | 'metric'> {
  /** Also score how alike features are on data. */
  readonly similarity?: (typeof similarities)[number];
  /** The images that a similarity is measured on; labels are not needed. */
  readonly data?: string;
  /** How many of them are looked at. Default 64. */
  readonly images?: number;
  /** Where the pairs are written, for `stitch`. */
  readonly output?: string;
}

/** Linear centred kernel alignment. */
export const similarities = ['cka'] as const;

export interface MatchResult extends PairsDocument {
  /** What is to be said of the files, and of layers that were left out. */
  readonly warnings: readonly string[];
}

/**
 * Matches the layers of two network files.
 *
 * @throws SutureError as `loadModel` and `loadDataset`, `option-invalid`, `output-exists`, `output-unwritable`.
 */
export async function match(a: string, b: string, options: MatchOptions = {}): Promise<MatchResult> {
  const { matcher, timeLimit, metric, output, force } = options;
  const overwrite = force ? { force } : {};
  if (output !== undefined) await checkOutputFile(output, overwrite);
  const models = [await loadModel(a), await loadModel(b)] as const;
  sharedBatch(...models);
  const similarity = await similarityOf(models, options);
  const { warnings = [], ...found } = matchGraphs(models[0].graph, models[1].graph, {
    names: rolesOf(...models),
    ...(matcher !== undefined && { matcher }),
    ...(timeLimit !== undefined && { timeLimit }),
    ...(metric !== undefined && { metric }),
    ...(similarity && { similarity }),
  });
  const document: PairsDocument = { a, b, ...found };
  if (output !== undefined) await writeOutput(output, jsonText(document), overwrite);
  return { ...document, warnings: [...warningsOf(...models), ...warnings.map(w => w.message)] };
}

/** The similarity that is asked for, if any. @throws SutureError `option-invalid` where one option needs another. */
async function similarityOf(
  [a, b]: readonly [Model, Model],
  { similarity, data, images, ...options }: MatchOptions,
): Promise<Similarity | undefined> {
  if (similarity === undefined) {
    if (data === undefined && images === undefined) return undefined;
    throw new SutureError('option-invalid', 'Matching looks at data for a similarity only; add --similarity cka.');
  }
  if (data === undefined) {
    throw new SutureError('option-invalid', 'A similarity is measured on images; name them with --data IMAGES.npz.');
  }
  const dataset = await loadDataset(data);
  return withExecutor(options, on =>
    ckaSimilarity(a, b, dataset, on, { ...workOptions(options), ...(images !== undefined && { images }) }),
  );
}
