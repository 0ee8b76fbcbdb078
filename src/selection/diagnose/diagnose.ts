/** What can be said of a trained run: the signs of failure, and every position by what is known of it without labels. */
import * as v from 'valibot';
import { averagedAt, original, stitchedAt, withOutputOf } from '../../../passes/index.ts';
import type { Dataset } from '../../data/dataset.ts';
import type { Change } from '../../data/shift/changes.ts';
import { defaultSuite, shiftedDatasets, shiftImages } from '../../data/shift/suite.ts';
import { onProcessor } from '../../execution/open.ts';
import type { Execution } from '../../execution/progress.ts';
import { groupsOf } from '../../metrics/bootstrap.ts';
import type { LabelledData } from '../../metrics/labelled.ts';
import { type Metric, metricNames } from '../../metrics/metric.ts';
import { dataSetsSchema, scoreSchema } from '../../metrics/schema.ts';
import { dataFacts, isChangeable, sampleOf } from '../../metrics/stress.ts';
import { compareAnswers, disagreementTexts } from '../../network/agreement.ts';
import { parentName } from '../../network/names.ts';
import type { TrainedNetwork } from '../../network/network.ts';
import type { Parent } from '../../network/parent.ts';
import type { NamedData } from '../measure.ts';
import { select } from '../select.ts';
import { defaultCounts, evenlySpread } from '../spread.ts';
import { errorsOfStitches } from './errors.ts';
import { type Answered, answersOfSettings, type NamedSetting } from './outputs.ts';
import {
  type DiagnosedPosition,
  diagnosedPositionSchema,
  diagnosedPositions,
  type Predictor,
  predictors,
  promise,
  rankCorrelation,
  similaritiesOf,
} from './positions.ts';
import {
  collapseOf,
  noGainOf,
  notJudged,
  outOfDistributionOf,
  ownSiteLossOf,
  type Signs,
  signsSchema,
} from './signs.ts';

/** The document that `diagnose --json` prints. */
export const diagnosisSchema = v.object({
  /** What was looked at; absent where nothing was. */
  data: v.optional(v.object({ source: v.string(), images: v.number() })),
  /** What was scored by; absent without labels. */
  metric: v.optional(v.picklist(metricNames)),
  tests: dataSetsSchema,
  signs: signsSchema,
  positions: v.array(diagnosedPositionSchema),
  /** Where to stitch by what is known without labels. */
  suggested: v.object({ position: v.number(), by: v.picklist(predictors) }),
  /** With labels: Spearman's correlation of each predictor, as far as it speaks for a position, with the positions' scores. */
  correlations: v.optional(v.record(v.picklist(predictors), scoreSchema)),
});

export type RunDiagnosis = v.InferOutput<typeof diagnosisSchema>;

export interface Diagnosing {
  /** The own images. Without them nothing but depth is known. */
  readonly dataset?: Dataset | undefined;
  /** Their labels. */
  readonly data?: LabelledData | undefined;
  /** Labelled data of elsewhere, on which stitching may gain. */
  readonly tests?: readonly NamedData[] | undefined;
  /** What features are also looked at under. Default: the default suite. */
  readonly changes?: readonly Change[] | undefined;
  /** How many images features are looked at on. Default `shiftImages`. */
  readonly images?: number | undefined;
  /** Images at a time. */
  readonly batch?: number | undefined;
}

/** Images that a similarity of features takes at least. */
const fewest = 4;

const noImages = 'no images were given';
const noLabels = 'the images have no labels';

/** A network with the parents that it was joined from. */
export type Joined = TrainedNetwork & { readonly parents: readonly Parent[] };

const averaged = (position: number): string => `stitched at ${position}`;
const together = (count: number): string => `${count} stitched`;

/**
 * Judges what can be judged. Features are looked at on a sample of the images, answers on all of them.
 *
 * @throws SutureError `interrupted`, and as `runParts` and `errorsOfStitches`.
 */
export async function diagnoseNetwork(
  execution: Execution,
  joined: Joined,
  { dataset, data, tests = [], changes = defaultSuite, images = shiftImages, batch }: Diagnosing,
): Promise<RunDiagnosis> {
  const { network, parents } = joined;
  if (!dataset) {
    const positions = diagnosedPositions(joined, { shifted: [], answered: () => ({}) });
    const nothing = notJudged(noImages);
    return documentOf(positions, {
      collapse: nothing,
      ownSiteLoss: nothing,
      noGain: nothing,
      outOfDistribution: nothing,
    });
  }
  const counts = defaultCounts(network.positions.length).map(count => ({
    count,
    positions: evenlySpread(count, network.positions.length),
  }));
  const plain = original(network);
  const alone: readonly NamedSetting[] = network.parents.map(({ tag }) => ({
    name: parentName(tag),
    setting: withOutputOf(network, plain, tag),
  }));
  const settings = [
    ...network.positions.map(({ id }) => ({ name: averaged(id), setting: averagedAt(network, id) })),
    ...(data
      ? [
          ...alone,
          ...counts.map(({ count, positions }) => ({
            name: together(count),
            setting: stitchedAt(network, ...positions),
          })),
        ]
      : []),
  ];
  const answers = await answersOfSettings(execution, joined, { settings, dataset, data, batch });
  const sample = sampleOf(dataset, images, 0);
  const suite = isChangeable(dataset) ? changes : [];
  const sets = [sample, ...shiftedDatasets(sample, suite, 0)];
  const [home, ...shifted] = await errorsOfStitches(execution, joined, sets, batch);
  const similar = dataset.count >= fewest;
  const positions = diagnosedPositions(joined, {
    errors: home,
    shifted,
    ...(similar && { similarity: await similaritiesOf(execution, parents, network.positions, dataset) }),
    answered: id => answers.get(averaged(id))!,
  });
  const outOfDistribution = {
    ...outOfDistributionOf(home, shifted),
    images: sample.count,
    changes: suite.map(({ name }) => name),
  };
  const facts = { dataset, tests };
  if (!data) {
    const nothing = notJudged(noLabels);
    return documentOf(
      positions,
      { collapse: nothing, ownSiteLoss: nothing, noGain: nothing, outOfDistribution },
      facts,
    );
  }
  const groups = groupsOf(dataset);
  const metricOf = (found: ReadonlyMap<string, Answered>, name: string): Metric => found.get(name)!.metric!;
  const metric = metricOf(answers, 'ensemble');
  const ranked = positions.map(({ position, value = Number.NaN }) => ({ position, value, folds: [] }));
  const best = select(ranked, 1, metric.higherIsBetter).position;
  const gainOn = (name: string, found: ReadonlyMap<string, Answered>, on: Dataset) => ({
    data: name,
    stitched: metricOf(found, averaged(best)),
    ensemble: metricOf(found, 'ensemble'),
    parents: alone.map(parent => [parent.name, metricOf(found, parent.name)] as const),
    groups: groupsOf(on),
  });
  const gains = [gainOn('own', answers, dataset)];
  for (const { name, data: test } of tests) {
    const asked = [...alone, { name: averaged(best), setting: averagedAt(network, best) }];
    const on = { settings: asked, dataset: test.dataset, data: test, batch };
    gains.push(gainOn(name, await answersOfSettings(execution, joined, on), test.dataset));
  }
  const signs: Signs = {
    collapse: collapseOf(
      counts.map(c => ({ ...c, metric: metricOf(answers, together(c.count)) })),
      groups,
    ),
    ownSiteLoss: ownSiteLossOf(metric, metricOf(answers, parentName('a')), groups),
    noGain: { ...noGainOf(best, gains), ...(await agreementsOf(execution, parents, dataset)) },
    outOfDistribution,
  };
  return documentOf(positions, signs, facts, metric);
}

/** Whether the networks say the same at all. */
async function agreementsOf(
  execution: Execution,
  parents: readonly Parent[],
  dataset: Dataset,
): Promise<Pick<Signs['noGain'], 'agreements' | 'disagreements'>> {
  const found = await compareAnswers(onProcessor, parents, dataset, execution);
  const agreements = found.map(({ partner, images, agreement }) => ({ partner, images, agreement }));
  const disagreements = found.flatMap(disagreementTexts);
  return { ...(agreements.length > 0 && { agreements }), ...(disagreements.length > 0 && { disagreements }) };
}

function documentOf(
  positions: readonly DiagnosedPosition[],
  signs: Signs,
  { dataset, tests }: { readonly dataset?: Dataset; readonly tests: readonly NamedData[] } = { tests: [] },
  metric?: Metric,
): RunDiagnosis {
  // What ranks positions best on real pairs (docs/experiments/positions.md), and what is known without images.
  const by: Predictor = positions.every(({ divergence }) => divergence !== undefined) ? 'divergence' : 'depth';
  const worth = (predictor: Predictor): readonly number[] =>
    positions.map(position => promise(predictor, position) ?? Number.NaN);
  const promises = worth(by).map(value => (Number.isNaN(value) ? Number.NEGATIVE_INFINITY : value));
  const suggested = positions[promises.lastIndexOf(Math.max(...promises))];
  const sign = metric?.higherIsBetter === false ? -1 : 1;
  const scores = positions.map(({ value = Number.NaN }) => sign * value);
  return {
    ...(dataset && { data: { source: dataset.source, images: dataset.count } }),
    ...(metric && { metric: metric.name }),
    tests: dataFacts(tests),
    signs,
    positions: [...positions],
    suggested: { position: suggested.position, by },
    ...(metric && {
      correlations: Object.fromEntries(
        predictors
          .filter(predictor => positions.some(position => position[predictor] !== undefined))
          .map(predictor => [predictor, rankCorrelation(worth(predictor), scores)]),
      ),
    }),
  };
}
