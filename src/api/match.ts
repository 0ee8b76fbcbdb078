/** Which layers of two networks correspond: `suture match`. */
import { SutureError } from '../../ir/index.ts';
import {
  type MatchOptions as GraphMatchOptions,
  type MatchWarning,
  type MatchWith,
  match as matchGraphs,
  matchParents,
  type ParentsMatched,
  type ParentsMatching,
  type Tag,
} from '../../passes/index.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { withExecutor } from '../execution/open.ts';
import { type WorkOptions, workOptions } from '../execution/progress.ts';
import { checkOutputFile, jsonText, type WriteOptions, writeOutput } from '../files/output.ts';
import { type Model, roleOf, sharedBatch, warningsOf } from '../network/model.ts';
import { loadModels } from '../network/models.ts';
import type { OutputNames } from '../network/one-output.ts';
import { type PairsDocument, pairOfTwo } from '../network/pairs.ts';
import { ckaSimilarity, type Similarity } from '../network/similarity.ts';
import { type ByTag, byTag, requireSeveral, tagged, tagOf } from '../network/tags.ts';

export interface MatchOptions
  extends WorkOptions,
    ExecutorOptions,
    WriteOptions,
    Pick<GraphMatchOptions, 'matcher' | 'timeLimit' | 'metric'> {
  /** Default: of several outputs the one that is as large as the image; where none or several are, all. */
  readonly outputs?: OutputNames | undefined;
  /** Of more than two networks, which are matched with each other. Default `backbone`: the first with every other one. */
  readonly matchWith?: MatchWith | undefined;
  /** Also score how alike features are on data. */
  readonly similarity?: (typeof similarities)[number];
  /** The images that a similarity is measured on; labels are not needed. */
  readonly data?: string;
  /** How folders are read, and the networks' plans. */
  readonly labels?: Pick<LabelOptions, 'folder'>;
  /** How many of them are looked at. Default 64. */
  readonly images?: number;
  /** Where the pairs are written, for `stitch`. */
  readonly output?: string;
}

/** Linear centred kernel alignment. */
export const similarities = ['cka'] as const;

/** Of two networks: the pairs by `a` and `b`. */
export interface MatchResult extends PairsDocument {
  /** What is to be said of the files, and of layers that were left out. */
  readonly warnings: readonly string[];
}

/** Of more than two. */
export interface SeveralMatchResult extends Omit<ParentsMatching, 'matched'> {
  /** By tag: the file as it was given. */
  readonly networks: ByTag<string>;
  /** Which were matched with each other, and how far each matching is from what is possible. */
  readonly matched: readonly Omit<ParentsMatched, 'warnings'>[];
  readonly warnings: readonly string[];
}

/**
 * Matches the layers of two or more network files, the first the own one: of more than two so that all pairs can be joined at once (see
 * `matchParents`).
 *
 * @throws SutureError as `loadModel` and `loadDataset`, `option-invalid`, `output-exists`, `output-unwritable`.
 */
export async function match(networks: readonly [string, string], options?: MatchOptions): Promise<MatchResult>;
export async function match(
  networks: readonly string[],
  options?: MatchOptions,
): Promise<MatchResult | SeveralMatchResult>;
export async function match(
  networks: readonly string[],
  options: MatchOptions = {},
): Promise<MatchResult | SeveralMatchResult> {
  requireSeveral(networks);
  const { output, force, outputs, data, labels } = options;
  if (output !== undefined) await checkOutputFile(output, { force });
  const read = { networks, outputs, folder: labels?.folder, data: data === undefined ? [] : [data] };
  const { models, folder } = await loadModels(read);
  sharedBatch(models);
  const known = { ...options, ...(folder && { labels: { folder } }) };
  const { document, warnings } = await (models.length === 2 ? matchTwo(models, known) : matchSeveral(models, known));
  if (output !== undefined) await writeOutput(output, jsonText(document), { force });
  return { ...document, warnings: [...warningsOf(models), ...warnings.map(w => w.message)] };
}

/** What is written and printed, and what is said beside it. */
interface Found<D> {
  readonly document: D;
  readonly warnings: readonly MatchWarning[];
}

async function matchTwo(models: readonly Model[], options: MatchOptions): Promise<Found<PairsDocument>> {
  const [a, b] = models as readonly [Model, Model];
  const similarity = (await measured(models, options))?.('a', 'b');
  const { warnings = [], ...found } = matchGraphs(a.graph, b.graph, {
    names: [roleOf(a, 'a'), roleOf(b, 'b')],
    grids: [a.grid, b.grid],
    ...searchOf(options),
    similarity,
  });
  return { document: { a: a.path, b: b.path, ...found, pairs: found.pairs.map(pairOfTwo) }, warnings };
}

async function matchSeveral(
  models: readonly Model[],
  options: MatchOptions,
): Promise<Found<Omit<SeveralMatchResult, 'warnings'>>> {
  const similarity = await measured(models, options);
  const { matched, ...found } = matchParents(tagged(models), {
    names: byTag(models, roleOf),
    ...searchOf(options),
    with: options.matchWith,
    similarity,
  });
  return {
    document: {
      networks: byTag(models, ({ path }) => path),
      ...found,
      matched: matched.map(({ warnings: _, ...facts }) => facts),
    },
    warnings: matched.flatMap(m => m.warnings ?? []),
  };
}

const searchOf = ({ matcher, timeLimit, metric }: MatchOptions) => ({ matcher, timeLimit, metric });

/** The similarity of two networks' features, by their tags, if one is asked for. @throws SutureError `option-invalid` where one option needs another. */
async function measured(
  models: readonly Model[],
  { similarity, data, images, labels, ...options }: MatchOptions,
): Promise<((a: Tag, b: Tag) => Similarity) | undefined> {
  if (similarity === undefined) {
    if (data === undefined && images === undefined) return undefined;
    throw new SutureError('option-invalid', 'Matching looks at data for a similarity only; add --similarity cka.');
  }
  if (data === undefined) {
    throw new SutureError('option-invalid', 'A similarity is measured on images; name them with --data IMAGES.npz.');
  }
  const dataset = await loadDataset(data, labels);
  const found = new Map<string, Similarity>();
  const isMatched = (i: number, j: number): boolean => i < j && (i === 0 || options.matchWith === 'all');
  await withExecutor(options, async executor => {
    for (const [i, a] of models.entries()) {
      for (const [j, b] of models.entries()) {
        if (!isMatched(i, j)) continue;
        const names = [roleOf(a, tagOf(i)), roleOf(b, tagOf(j))] as const;
        const execution = { ...workOptions(options), executor };
        found.set(tagOf(i) + tagOf(j), await ckaSimilarity(execution, [a, b], dataset, { names, images }));
      }
    }
  });
  return (a, b) => found.get(a + b)!;
}
