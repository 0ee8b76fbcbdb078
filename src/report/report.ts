/** The report of `suture run`: every network on every test set, and how it came about. */
import { printable } from '../../ir/errors.ts';
import { meaningText } from '../../passes/index.ts';
import { batchText } from '../execution/fixed-batch.ts';
import type { Difference } from '../metrics/bootstrap.ts';
import { isPooled, type MetricName, metricTitles, type Score } from '../metrics/metric.ts';
import { positionTags } from '../network/tags.ts';
import type { ExportedNetwork } from '../run/deployed.ts';
import type { RunSummary } from '../run/summary.ts';
import type { Agreement } from '../run/verify.ts';
import type { Selection } from '../selection/select.ts';
import { percent, type StoredVerdict } from '../selection/verdict.ts';
import { fixed } from './decimals.ts';
import { differenceText, standingTable, verdictText } from './verdict.ts';

/** `report.json`. */
export interface Report {
  readonly summary: RunSummary;
  /** By which the position was chosen: the file as it was given, its images, and how its labels were read. */
  readonly validation: { readonly source: string; readonly images: number; readonly labels: string };
  readonly selection: Selection;
  /** Which network is worth most. */
  readonly verdict: StoredVerdict;
  readonly exported: ExportedNetwork;
  readonly tests: readonly TestResult[];
  readonly agreement: Agreement;
}

export interface TestResult {
  readonly name: string;
  readonly data: string;
  readonly images: number;
  readonly metric: MetricName;
  readonly rows: readonly { readonly network: string; readonly score: Score }[];
  /** The exported network against the output ensemble and against the own network. */
  readonly comparisons: readonly Comparison[];
}

/** How much better one network scores than another, so that more is better. */
export interface Comparison extends Difference {
  readonly network: string;
  readonly against: string;
}

/** `stitched − output ensemble on b: +0.0009 [−0.0010, +0.0028]: no difference shown`, a line for each comparison. */
export const comparisonTexts = (tests: readonly TestResult[]): readonly string[] =>
  tests.flatMap(({ name, comparisons }) =>
    comparisons.map(
      ({ network, against, ...found }) => `${network} − ${against} on ${printable(name)}: ${differenceText(found)}`,
    ),
  );

export type Row = readonly (string | number)[];

/**
 * The heads and rows of the table: a network in each row, with its cost and its scores at home and under shift, and for each test set a
 * column (two for Dice: mean and pooled).
 */
export function resultTable({ verdict, tests, exported }: Pick<Report, 'verdict' | 'tests' | 'exported'>): {
  readonly head: readonly string[];
  readonly rows: readonly Row[];
} {
  const { standings, stress, metric } = verdict;
  const head = ['network', 'cost', `own: ${metricTitles[metric]}`, ...(stress.length > 0 ? ['shift'] : [])];
  for (const { name, metric } of tests) {
    head.push(`${printable(name, 24)}: ${metricTitles[metric]}`);
    if (isPooled(metric)) head.push('pooled');
  }
  const rows = standings.map(({ name, cost, own, shift }) => [
    name === exported.candidate ? `${name} (exported)` : name,
    percent(cost),
    fixed(own),
    ...(stress.length > 0 ? [fixed(shift)] : []),
    ...tests.flatMap(({ metric, rows: scored }) => {
      const { value, pooled } = scored.find(({ network }) => network === name)!.score;
      return isPooled(metric) ? [fixed(value), fixed(pooled)] : [fixed(value)];
    }),
  ]);
  return { head, rows };
}

/** In words, whether the exported file computes what suture computed. */
export function agreementText({ relativeError, images, agrees }: Agreement, file: string): string {
  const error = relativeError.toExponential(1);
  return agrees
    ? `${file} agrees in ONNX Runtime: relative error ${error} on ${images} images.`
    : `${file} does NOT agree in ONNX Runtime: relative error ${error} on ${images} images.`;
}

const markdownRow = (cells: Row): string => `| ${cells.join(' | ')} |`;

const markdownTable = ({ head, rows }: { readonly head: Row; readonly rows: readonly Row[] }): readonly string[] => [
  markdownRow(head),
  markdownRow(head.map(() => '---')),
  ...rows.map(markdownRow),
];

/** `report.md`. */
export function reportText(report: Report): string {
  const { summary, validation, selection, verdict, exported, tests, agreement } = report;
  const sets = tests.map(({ name, data, images }) => `- ${printable(name)}: \`${printable(data)}\`, ${images} images`);
  const intervals =
    'With 95 % intervals of a paired bootstrap over groups of images (`group`, else `id`, else each image):';
  return `${[
    '# Stitching report',
    '',
    verdictText(verdict),
    '',
    ...Object.entries(summary.parents).map(([tag, path]) => `Parent ${tag}: \`${printable(path)}\``),
    '',
    `${summary.positions} matched positions, trained ${summary.method} for ${summary.steps} steps of ${summary.batch} images,`,
    `seed ${summary.seed}, ${printable(summary.executor)}. The best position is ${selection.position} (rule ${selection.rule}, ${ruleText(selection)}`,
    `on the validation data, \`${printable(validation.source)}\`, ${validation.images} images; labels: ${validation.labels}).`,
    ...(verdict.stress.length > 0
      ? [`Under shift: ${verdict.stress.map(({ name }) => printable(name)).join(', ')}.`]
      : []),
    '',
    ...exportedTexts(exported),
    '',
    '## Networks',
    '',
    ...(sets.length > 0 ? [...sets, ''] : []),
    ...markdownTable(resultTable(report)),
    '',
    `${intervals} on the own validation data`,
    '',
    ...markdownTable(standingTable(verdict)),
    '',
    ...(tests.length > 0
      ? ['and on the test sets, which decided nothing', '', ...comparisonTexts(tests).map(text => `- ${text}`), '']
      : []),
    `Exported: ${agreementText(agreement, `\`${printable(exported.file)}\``)}`,
  ].join('\n')}\n`;
}

function ruleText({ rule, depth }: Selection): string {
  switch (rule) {
    case 1:
      return 'best score';
    case 2:
      return 'lowest mean rank over the folds';
    case 3:
      return `nearest to a depth of ${depth}, whatever it scored`;
    default:
      return rule satisfies never;
  }
}

function exportedTexts(exported: ExportedNetwork): readonly string[] {
  const features = positionTags.flatMap(tag => exported[tag] ?? []).map(feature => `\`${printable(feature)}\``);
  return [
    `Exported: ${exported.candidate}.`,
    ...(features.length > 0 ? [`Stitched at position ${exported.position}: ${features.join(' with ')}.`] : []),
    ...(exported.gated
      ? [
          exported.gateOver === 'case'
            ? 'Gated: the outputs are weighed alike on all images of a batch, by how sure the parents are of their answers: give it a case at a time.'
            : 'Gated: the outputs are weighed on each image by how sure the parents are of their answers. Where images are predicted in tiles,\neach tile is weighed for itself.',
        ]
      : []),
    ...(exported.output ? [`Its output is ${meaningText(exported.output)}, whatever its name says.`] : []),
    `It ${batchText(exported.batch)}.`,
    ...(exported.sizes === undefined ? [] : [`It takes images of a ${exported.sizes}.`]),
  ];
}
