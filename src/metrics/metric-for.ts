/** Which metrics labels can be scored by. */
import { SutureError } from '../../ir/errors.ts';
import { type ClassLabels, isDense, type Labels, type RegionLabels } from '../data/labels.ts';
import { diceMetric, foregroundDiceMetric } from './dice.ts';
import type { Metric, MetricName } from './metric.ts';
import { accuracyMetric, errorMetric } from './ratio.ts';

type Makers<L> = { readonly [M in MetricName]?: (labels: L, id: readonly number[] | undefined) => Metric };

// The first is the one that suits where none is named.
const ofPlaces: Makers<ClassLabels | RegionLabels> = {
  dice: diceMetric,
  'dice-foreground': foregroundDiceMetric,
  accuracy: accuracyMetric,
};
const ofImages: Makers<ClassLabels | RegionLabels> = { accuracy: accuracyMetric };

/** How labels are to be scored. */
export interface MetricOptions {
  /** Default: Dice for classes and regions of each place, accuracy for one answer per image, the mean squared error for real values. */
  readonly metric?: MetricName | undefined;
  /** The case of each image. Default: each image is one. */
  readonly id?: readonly number[] | undefined;
}

/**
 * A metric that has scored nothing yet.
 *
 * @throws SutureError `option-invalid` where labels cannot be scored by the metric that is named.
 */
export function metricFor(labels: Labels, { metric, id }: MetricOptions = {}): Metric {
  if (labels.kind === 'values') return made({ mse: errorMetric }, labels, metric, id);
  return made(isDense(labels) ? ofPlaces : ofImages, labels, metric, id);
}

function made<L extends Labels>(
  makers: Makers<L>,
  labels: L,
  metric: MetricName | undefined,
  id: readonly number[] | undefined,
): Metric {
  const names = Object.keys(makers) as MetricName[];
  const make = makers[metric ?? names[0]];
  if (make) return make(labels, id);
  throw new SutureError(
    'option-invalid',
    `The labels are ${labels.reading}, and cannot be scored by ${metric}: what they can be scored by is ${names.join(', ')}.`,
  );
}
