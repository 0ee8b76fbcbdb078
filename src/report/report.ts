/** The report of `suture run`: every network on every test set, and how it came about. */
import { printable } from '../../ir/errors.ts';
import { meaningText } from '../../passes/index.ts';
import { batchText } from '../execution/fixed-batch.ts';
import type { Difference } from '../metrics/bootstrap.ts';
import { isPooled, type MetricName, metricTitles, type Score } from '../metrics/metric.ts';
import { positionTags } from '../network/tags.ts';
import type { ExportedNetwork } from '../run/deployed.ts';
import { type HalfResult, type HalfScore, halfTolerance } from '../run/half.ts';
import type { OnOwnGrid } from '../run/own-grid.ts';
import type { RunSummary } from '../run/summary.ts';
import type { Agreement } from '../run/verify.ts';
import type { Selection } from '../selection/select.ts';
import { percent, type StoredVerdict } from '../selection/verdict.ts';
import { fixed } from './decimals.ts';
import { markdownTable, type TextTable } from './text-table.ts';
import { differenceText, signed, standingTable, verdictText } from './verdict.ts';

/** `report.json`. */
export interface Report {
  readonly summary: RunSummary;
  /** By which the position was chosen: the file as it was given, its images, and how its labels were read. */
  readonly validation: { readonly source: string; readonly images: number; readonly labels: string };
  readonly selection: Selection;
  /** Which network is worth most. */
  readonly verdict: StoredVerdict;
  readonly exported: ExportedNetwork;
  /** The same in float16, where that was asked for. */
  readonly half?: HalfResult | undefined;
  readonly tests: readonly TestResult[];
  /** What of the data was given in two roles, a sentence each; see `sharedDataTexts`. */
  readonly sharedData?: readonly string[];
  /** Of two test sets or more: how far networks lie beyond all output ensembles on them. */
  readonly front?: FrontResult | undefined;
  /** Of parents whose images lie on a grid of their own. */
  readonly grids?: readonly OnOwnGrid[] | undefined;
  readonly agreement: Agreement;
}

/** `parent b on own: 0.7012 on the shared grid, 0.7211 on its own by its own plans.` */
export const gridTexts = (grids: readonly OnOwnGrid[] = []): readonly string[] =>
  grids.map(({ parent, set, shared, own }) => {
    const there =
      own === undefined
        ? 'what it scores on its own grid is not known, as these are no raw images'
        : `${fixed(own)} on its own grid, by its own plans`;
    return `${parent} on ${printable(set)}: ${shared === undefined ? '' : `${fixed(shared)} on the shared grid, `}${there}.`;
  });

/** What may be taken off networks' scores on every test set before some output ensemble of the parents, at whatever shares, is as good on all. */
export interface FrontResult {
  /** The test sets. */
  readonly sets: readonly string[];
  readonly rows: readonly { readonly network: string; readonly beyond: number }[];
  /** The exported network, with its interval. */
  readonly exported: Difference & { readonly network: string };
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

/**
 * The heads and rows of the table: a network in each row, with its cost and its scores at home and under shift, and for each test set a
 * column (two for Dice: mean and pooled); of several test sets also how far it lies beyond the front of all output ensembles.
 */
export function resultTable({
  verdict,
  tests,
  front,
  exported,
}: Pick<Report, 'verdict' | 'tests' | 'front' | 'exported'>): TextTable {
  const { standings, stress, metric } = verdict;
  const head = ['network', 'cost', `own: ${metricTitles[metric]}`, ...(stress.length > 0 ? ['shift'] : [])];
  for (const { name, metric } of tests) {
    head.push(`${printable(name, 24)}: ${metricTitles[metric]}`);
    if (isPooled(metric)) head.push('pooled');
  }
  if (front) head.push('beyond');
  const rows = standings.map(({ name, cost, own, shift }) => [
    name === exported.candidate ? `${name} (exported)` : name,
    percent(cost),
    fixed(own),
    ...(stress.length > 0 ? [fixed(shift)] : []),
    ...tests.flatMap(({ metric, rows: scored }) => {
      const { value, pooled } = scored.find(({ network }) => network === name)!.score;
      return isPooled(metric) ? [fixed(value), fixed(pooled)] : [fixed(value)];
    }),
    ...(front ? [signed(front.rows.find(({ network }) => network === name)!.beyond)] : []),
  ]);
  return { head, rows };
}

/** `stitched, beyond all output ensembles on a, b: +0.0355 [+0.0201, +0.0493]: better`. */
export const frontText = ({ sets, exported: { network, ...found } }: FrontResult): string =>
  `${network}, beyond all output ensembles on ${sets.map(name => printable(name)).join(', ')}: ${differenceText(found)}`;

/** In words, whether the exported file computes what suture computed. */
export function agreementText({ relativeError, images, agrees }: Agreement, file: string): string {
  const error = relativeError.toExponential(1);
  return agrees
    ? `${file} agrees in ONNX Runtime: relative error ${error} on ${images} images.`
    : `${file} does NOT agree in ONNX Runtime: relative error ${error} on ${images} images.`;
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toPrecision(3)} MB`;

/** Scores and sizes in either width: heads and rows. */
export function halfTable({ metric, own, shift, bytes }: HalfResult): TextTable {
  const row = (name: string, score: HalfScore | undefined): readonly (readonly string[])[] =>
    score ? [[name, fixed(score.float32), fixed(score.float16), differenceText(score.difference)]] : [];
  const written =
    bytes.float16 === undefined ? ['–', '–'] : [megabytes(bytes.float16), percent(bytes.float16 / bytes.float32)];
  return {
    head: ['', 'float32', 'float16', 'float16 less float32'],
    rows: [
      ...row(`own: ${metricTitles[metric]}`, own),
      ...row('under shift', shift),
      ['file', megabytes(bytes.float32), ...written],
    ],
  };
}

/** What became of the network in float16, and what of it stays in float32. */
export function halfText({ file, problem, nodes, wide, beyond, relativeError = 0 }: HalfResult): string {
  const kept = `${wide} of ${nodes} nodes stay in float32`;
  const [largest] = beyond;
  const features = beyond.length === 1 ? 'feature that reaches' : 'features that reach';
  const reasons = largest
    ? `, among them those at ${beyond.length} ${features} a quarter of float16's range or more (\`${printable(largest.feature)}\`: ${Number(largest.peak.toPrecision(3))})`
    : '';
  return file === undefined
    ? `In float16 the network does not keep its scores, and is not written: ${problem} ${kept}${reasons}.`
    : `\`${printable(file)}\` is the network in float16: ${kept}${reasons}. The scores are of every feature rounded as it is stored, and may have lost ${percent(halfTolerance)} at ` +
        `most by the lower end of their intervals; ONNX Runtime's numbers for the file are within ${relativeError.toExponential(1)} of them.`;
}

/** `report.md`. */
export function reportText(report: Report): string {
  const { summary, validation, selection, verdict, exported, tests, sharedData, front, grids, agreement, half } =
    report;
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
    ...(sharedData ?? []),
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
      ? [
          `and on the test sets${sharedData ? '' : ', which decided nothing'}`,
          '',
          ...comparisonTexts(tests).map(text => `- ${text}`),
          ...(front ? [`- ${frontText(front)}`] : []),
          '',
        ]
      : []),
    ...(grids
      ? [
          'What resizing costs parents whose images lie on a grid of their own, alone',
          '',
          ...gridTexts(grids).map(text => `- ${text}`),
          '',
        ]
      : []),
    `Exported: ${agreementText(agreement, `\`${printable(exported.file)}\``)}`,
    ...(half ? ['', '## In float16', '', ...markdownTable(halfTable(half)), '', halfText(half)] : []),
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
    ...(exported.output ? [`Its output is ${meaningText(exported.output)}.`] : []),
    `It ${batchText(exported.batch)}.`,
    ...(exported.sizes === undefined ? [] : [`It takes images of a ${exported.sizes}.`]),
  ];
}
