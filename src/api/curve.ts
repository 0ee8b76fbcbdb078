/** The score against the number of stitched positions: does a training hold at every setting? */
import { printable, SutureError } from '../../ir/index.ts';
import { original, type SuperNetwork, settle, settledMeaning, stitchedAt, withOutputOf } from '../../passes/index.ts';
import type { LabelOptions } from '../data/dataset.ts';
import { loadDataset } from '../data/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { imagesAtATime } from '../execution/fixed-batch.ts';
import { withExecutor } from '../execution/open.ts';
import { type Execution, type WorkOptions, workOptions } from '../execution/progress.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { type MetricName, metricTitles } from '../metrics/metric.ts';
import { scoreNetworks } from '../metrics/score-networks.ts';
import { networkOf } from '../network/network.ts';
import { type ByTag, byTag } from '../network/tags.ts';
import { usualWeight } from '../options/kinds.ts';
import { type ChartSeries, lineChart } from '../report/chart.ts';
import { labelsOfRun } from '../run/config.ts';
import { type LoadedRun, loadRun } from '../run/load.ts';
import { positionsText } from '../selection/combination.ts';
import { defaultCounts, evenlySpread } from '../selection/spread.ts';
import type { Training } from '../training/options.ts';

export interface CurveOptions extends WorkOptions, ExecutorOptions {
  /** How many positions are stitched. Default: {@link defaultCounts}. */
  readonly counts?: readonly number[];
  /** Images at a time. */
  readonly batch?: number;
  /** What is said of labels, where the first run says something else or nothing. */
  readonly labels?: LabelOptions;
  /** Default: what suits the labels, Dice for dense ones. */
  readonly metric?: MetricName | undefined;
}

export interface Curve {
  readonly data: { readonly source: string; readonly images: number };
  readonly metric: MetricName;
  readonly executor: string;
  readonly counts: readonly number[];
  readonly runs: readonly RunCurve[];
  /** The runs of one way of training together: seeds, and other data or parents. */
  readonly recipes: readonly RecipeCurve[];
}

export interface RunCurve {
  readonly run: string;
  /** How it was trained, in words. */
  readonly recipe: string;
  readonly seed: number;
  /** How many positions the run has. */
  readonly positions: number;
  /** The parents by their tags, and the ensemble of their outputs: nothing stitched. */
  readonly references: ByTag<number> & { readonly ensemble: number };
  /** Counts beyond the run's positions are left out. */
  readonly scores: readonly CurveScore[];
}

export interface CurveScore {
  readonly count: number;
  /** Which positions are stitched, in both directions; the outputs are averaged. */
  readonly positions: readonly number[];
  readonly value: number;
}

export interface RecipeCurve {
  readonly recipe: string;
  readonly runs: number;
  readonly scores: readonly {
    readonly count: number;
    readonly mean: number;
    readonly low: number;
    readonly high: number;
  }[];
}

/** A way of training in words. */
function recipeOf(training: Training): string {
  const { method, settings, positions, weight = usualWeight, init, steps } = training;
  const places = positions ? positionsText(positions) : 'all';
  const where =
    settings === 'found' ? 'found' : { sampled: 'sampled', all: 'all on', fixed: `${places} at ${weight}` }[settings];
  const way = method === 'direct' ? method : `${method}, ${where}`;
  return steps === 0 ? `${way}, ${init} only` : `${way}, ${steps} steps`;
}

/** Settings that are of one recipe but for the seed. */
const recipeKey = (training: Training): string => JSON.stringify({ ...training, seed: 0 });

/**
 * Scores runs with more and more positions stitched at once.
 *
 * @throws SutureError `option-invalid` for counts that no run has, `run-invalid`, `data-unreadable`, `data-invalid`.
 */
export async function curve(paths: readonly string[], data: string, options: CurveOptions = {}): Promise<Curve> {
  const runs: LoadedRun[] = [];
  for (const path of paths) runs.push(await loadRun(path));
  const dataset = await loadDataset(data, labelsOfRun(runs[0].directory.config, options.labels));
  const scorable = LabelledData.for(
    runs.flatMap(({ parents }) => parents),
    dataset,
    options.metric,
  );
  const most = Math.max(...runs.map(r => r.network.positions.length));
  const counts = [...new Set(options.counts ?? defaultCounts(most))].sort((a, b) => a - b);
  const bad = counts.find(count => !Number.isInteger(count) || count < 1 || count > most);
  if (bad !== undefined) {
    throw new SutureError('option-invalid', `There is no way to stitch ${bad} positions: the runs have 1 to ${most}.`);
  }
  imagesAtATime(
    runs.map(({ network: { graph } }, i) => ({ name: paths[i], graph })),
    options.batch,
    1,
  );
  return withExecutor(options, async executor => {
    const execution = { executor, ...workOptions(options) };
    const curves: RunCurve[] = [];
    let metric: MetricName = 'dice';
    for (const [i, run] of runs.entries()) {
      const scored = await scoreRun(execution, { ...run, path: paths[i] }, scorable, { ...options, counts });
      curves.push(scored.curve);
      metric = scored.metric;
    }
    const keys = runs.map(r => recipeKey(r.directory.config.training));
    const recipes = [...new Set(keys)].map(key =>
      recipeCurve(
        counts,
        curves.filter((_, i) => keys[i] === key),
      ),
    );
    return {
      data: { source: dataset.source, images: dataset.count },
      metric,
      executor: executor.describe(),
      counts,
      runs: curves,
      recipes: recipes.map((r, i) => ({ ...r, recipe: toldApart(recipes, i) })),
    };
  });
}

async function scoreRun(
  execution: Execution,
  { network, parameters, directory, path }: LoadedRun & { readonly path: string },
  data: LabelledData,
  { counts, batch }: { readonly counts: readonly number[]; readonly batch?: number },
): Promise<{ readonly curve: RunCurve; readonly metric: MetricName }> {
  const positions = network.positions.length;
  const chosen = counts.filter(c => c <= positions).map(count => ({ count, at: evenlySpread(count, positions) }));
  const settings = [...references(network), ...chosen.map(({ at }) => stitchedAt(network, ...at))];
  const networks = settings.map(setting =>
    networkOf(settle(network, setting, parameters), printable(path), settledMeaning(network.outputs[0], setting)),
  );
  const rows = await scoreNetworks(execution, networks, data, { batch });
  const values = rows.map(r => r.score.value);
  const parents = network.parents.length;
  const { training } = directory.config;
  return {
    metric: rows[0].score.metric,
    curve: {
      run: path,
      recipe: recipeOf(training),
      seed: training.seed,
      positions,
      references: { ...byTag(values.slice(0, parents), value => value), ensemble: values[parents] },
      scores: chosen.map(({ count, at }, i) => ({ count, positions: at, value: values[parents + 1 + i] })),
    },
  };
}

const references = (network: SuperNetwork) => {
  const plain = original(network);
  return [...network.parents.map(({ tag }) => withOutputOf(network, plain, tag)), plain];
};

function recipeCurve(counts: readonly number[], runs: readonly RunCurve[]): RecipeCurve {
  return {
    recipe: runs[0].recipe,
    runs: runs.length,
    scores: counts.flatMap(count => {
      const values = runs.flatMap(r => r.scores.filter(s => s.count === count).map(s => s.value));
      if (values.length === 0) return [];
      const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
      return [{ count, mean, low: Math.min(...values), high: Math.max(...values) }];
    }),
  };
}

/** The words for a recipe; a number after those that another one has too, for what the words do not say. */
function toldApart(recipes: readonly RecipeCurve[], i: number): string {
  const { recipe } = recipes[i];
  const same = recipes.filter(r => r.recipe === recipe);
  return same.length === 1 ? recipe : `${recipe} (${1 + same.indexOf(recipes[i])})`;
}

/** The curves as a figure: a line for each recipe, with a band from its worst to its best run, and the ensemble without stitches. */
export function curveChart({ recipes, runs, counts, metric, data }: Curve): string {
  const ensembles = [...new Set(runs.map(r => r.references.ensemble))];
  const series: readonly ChartSeries[] = [
    ...recipes.map(
      ({ recipe, runs: count, scores }): ChartSeries => ({
        name: count > 1 ? `${recipe} (${count} runs)` : recipe,
        points: scores.map(({ count: x, mean, low, high }) => ({ x, y: mean, ...(count > 1 && { low, high }) })),
      }),
    ),
    ...ensembles.map(
      (value, i): ChartSeries => ({
        name: i === 0 ? 'output ensemble, nothing stitched' : '',
        points: [counts[0], counts.at(-1)!].map(x => ({ x, y: value })),
        dashed: true,
        marker: 'none',
        color: '#666666',
      }),
    ),
  ];
  return lineChart(series, {
    title: `${metricTitles[metric]} on ${data.source.split(/[\\/]/).at(-1)}, ${data.images} images`,
    xLabel: 'positions stitched at once, spread evenly',
    yLabel: metricTitles[metric],
    xTicks: counts,
    xLog: true,
  });
}
