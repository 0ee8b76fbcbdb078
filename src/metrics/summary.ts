/** `summary.json` as nnU-Net v2 writes it: label files compared with reference files, place by place, or what a metric counted. */
import { dirname, resolve } from 'node:path';
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import { mean } from '../../ir/numbers.ts';
import { type ReadLabels, readLabels, requireSamePlace } from '../data/raw/case.ts';
import type { Description } from '../data/raw/description.ts';
import { readRegular } from '../files/input.ts';
import { parsePythonJson } from '../files/python-json.ts';
import type { CaseScore } from './metric.ts';

/** What nnU-Net counts of one label or region of one case; NaN where a ratio has nothing to go by. */
export interface LabelMetrics {
  readonly Dice: number;
  readonly FN: number;
  readonly FP: number;
  readonly IoU: number;
  readonly TN: number;
  readonly TP: number;
  readonly n_pred: number;
  readonly n_ref: number;
}

const metricNames = ['Dice', 'FN', 'FP', 'IoU', 'TN', 'TP', 'n_pred', 'n_ref'] as const;

/** The numbers that make one label (one of them) or region. */
export type Compared = readonly number[];

export interface ComparedCase {
  readonly metrics: Readonly<Record<string, LabelMetrics>>;
  readonly prediction_file: string;
  readonly reference_file: string;
}

/** Keys are in the order in which nnU-Net has them, which is that of their names. */
export interface Summary {
  readonly foreground_mean: LabelMetrics;
  readonly mean: Readonly<Record<string, LabelMetrics>>;
  readonly metric_per_case: readonly ComparedCase[];
}

/** `2`, or as Python writes a tuple: `(1, 2)`. */
export const keyOf = (compared: Compared): string =>
  compared.length === 1 ? String(compared[0]) : `(${compared.join(', ')})`;

function metricsOf(
  answer: ReadLabels,
  reference: ReadLabels,
  compared: Compared,
  ignore: number | undefined,
): LabelMetrics {
  const has = new Set(compared);
  let [TP, FP, FN, TN] = [0, 0, 0, 0];
  for (let i = 0; i < reference.length; i++) {
    if (reference[i] === ignore) continue;
    const [said, right] = [has.has(answer[i]), has.has(reference[i])];
    if (said && right) TP++;
    else if (said) FP++;
    else if (right) FN++;
    else TN++;
  }
  return ofCounts(TP, FP, FN, TN);
}

function ofCounts(TP: number, FP: number, FN: number, TN: number): LabelMetrics {
  return {
    Dice: (2 * TP) / (2 * TP + FP + FN),
    FN,
    FP,
    IoU: TP / (TP + FP + FN),
    TN,
    TP,
    n_pred: FP + TP,
    n_ref: FN + TP,
  };
}

/**
 * Compares one label file with its reference.
 *
 * @param said `ignore`: places of the reference that count nowhere; `description`: which labels there may be, any without one.
 * @throws SutureError as `readLabels`; `data-invalid` where the files do not lie on each other.
 */
export async function compareCase(
  prediction: string,
  reference: string,
  all: readonly Compared[],
  { ignore, description }: { readonly ignore?: number | undefined; readonly description?: Description | undefined },
): Promise<ComparedCase> {
  const [answer, right] = [await readLabels(prediction, description), await readLabels(reference, description)];
  requireSamePlace(prediction, answer.volume, reference, right.volume);
  return {
    metrics: Object.fromEntries(
      all.map(compared => [keyOf(compared), metricsOf(answer.labels, right.labels, compared, ignore)]),
    ),
    prediction_file: prediction,
    reference_file: reference,
  };
}

const eachMetric = (of: (name: (typeof metricNames)[number]) => number): LabelMetrics =>
  Object.fromEntries(metricNames.map(name => [name, of(name)])) as unknown as LabelMetrics;

/** Means over the cases, without those that are NaN, and over what is compared, with them: as NumPy's nanmean and mean. */
export function summaryOf(cases: readonly ComparedCase[], keys: readonly string[]): Summary {
  if (cases.length === 0)
    throw new SutureError('data-invalid', `There are no cases to compare ${printable(keys.join())} in.`);
  const means = Object.fromEntries(
    keys.map(key => [
      key,
      eachMetric(name => mean(cases.map(({ metrics }) => metrics[key][name]).filter(value => !Number.isNaN(value)))),
    ]),
  );
  return {
    foreground_mean: eachMetric(name => mean(Object.values(means).map(metrics => metrics[name]))),
    mean: means,
    metric_per_case: cases,
  };
}

/** What a metric counted on cases, which are known by their names, as there are no files. @throws SutureError `data-invalid` without any. */
export function summaryOfScores(scores: readonly CaseScore[], nameOf: (key: number) => string): Summary {
  const cases = new Map<number, Record<string, LabelMetrics>>();
  for (const { case: key, name, tp, fp, fn, tn } of scores) {
    const known = cases.get(key) ?? {};
    known[keyOf(comparedIn(name))] = ofCounts(tp, fp, fn, tn);
    cases.set(key, known);
  }
  const [first = {}] = cases.values();
  return summaryOf(
    Array.from(cases, ([key, metrics]) => ({ metrics, prediction_file: nameOf(key), reference_file: nameOf(key) })),
    Object.keys(first),
  );
}

/** The numbers in `class 2`, `region 2+3`. */
const comparedIn = (name: string): Compared => (name.match(/\d+/g) ?? []).map(Number);

/** As Python writes it: JSON in which a number may be NaN. */
export const summaryText = (summary: Summary): string =>
  `${JSON.stringify(summary, (_, value) => (Number.isNaN(value) ? '\u0000NaN' : value), 4).replaceAll('"\\u0000NaN"', 'NaN')}\n`;

const casesSchema = v.object({
  foreground_mean: v.unknown(),
  mean: v.unknown(),
  metric_per_case: v.array(v.object({ prediction_file: v.string(), reference_file: v.string() })),
});

/**
 * Whether a file is what {@link summaryText} made of label files in one folder by those in another. nnU-Net's own has the same keys, but no
 * line feed at its end.
 */
export async function isSummaryOf(file: string, predicted: string, reference: string): Promise<boolean> {
  const text = (await readRegular(file).catch(() => undefined))?.toString('utf8');
  if (!text?.endsWith('\n')) return false;
  let json: unknown;
  try {
    json = parsePythonJson(text);
  } catch {
    return false;
  }
  const folderOf = (path: string): string => dirname(resolve(path));
  return (
    v.is(casesSchema, json) &&
    json.metric_per_case.every(
      ({ prediction_file: answer, reference_file: right }) =>
        folderOf(answer) === resolve(predicted) && folderOf(right) === resolve(reference),
    )
  );
}
