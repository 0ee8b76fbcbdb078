/** How a training went, and what each position scores. */
import { metricTitles } from '../../metrics/metric.ts';
import { ensembleName, parentName } from '../../network/names.ts';
import type { Sweep } from '../../selection/sweep.ts';
import { type ChartOptions, type ChartSeries, lineChart, rangeOf } from '../chart.ts';
import { fixed } from '../decimals.ts';
import { type Content, html, type Markup, trusted } from '../markup.ts';
import type { MetricsLine, StoredReport } from '../stored.ts';
import { figure } from './parts.ts';

/** `0.0123`, `1.2e-5`. */
const short = (value: number): string =>
  value !== 0 && Math.abs(value) < 1e-3 ? value.toExponential(1) : String(Number(value.toPrecision(4)));

/** The loss, and the learning rate where it is known, over the steps. */
export function trainingFigures(points: readonly MetricsLine[]): Markup {
  const first = points[0];
  const last = points.at(-1)!;
  const chart = (name: string, y: (point: MetricsLine) => number, more: Partial<ChartOptions>): Markup =>
    trusted(
      lineChart(
        [
          {
            name: '',
            points: points.map(point => ({
              x: point.step,
              y: y(point),
              title: `step ${point.step}: ${short(y(point))}`,
            })),
            marker: points.length > 60 ? 'none' : 'circle',
          },
        ],
        {
          ...{
            xLabel: 'step',
            yLabel: name,
            on: 'page',
            width: 560,
            height: 320,
            xDomain: [first.step, Math.max(last.step, first.step + 1)],
            ...more,
          },
        },
      ),
    );
  const positive = points.every(({ loss }) => loss > 0);
  const range = positive ? Math.max(...points.map(p => p.loss)) / Math.min(...points.map(p => p.loss)) : 1;
  const loss = figure({
    drawing: chart('loss', p => p.loss, { yLog: range > 20 }),
    label: `The loss over ${points.length} readings, from ${short(first.loss)} at step ${first.step} to ${short(last.loss)} at step ${last.step}.`,
    caption: `The loss${range > 20 ? ', on a logarithmic axis' : ''}: ${short(first.loss)} at step ${first.step}, ${short(last.loss)} at step ${last.step}.`,
    data: {
      caption: 'The loss and the learning rate at each reading.',
      head: ['step', 'loss', 'learning rate'],
      rows: points.map(p => [
        String(p.step),
        short(p.loss),
        p.learningRate === undefined ? '–' : short(p.learningRate),
      ]),
    },
  });
  const rates = points.flatMap(({ learningRate }) => learningRate ?? []);
  const rate =
    rates.length === points.length &&
    figure({
      drawing: chart('learning rate × 1000', p => 1000 * (p.learningRate ?? Number.NaN), {
        yDomain: [0, 1050 * Math.max(...rates)],
      }),
      label: `The learning rate over the steps, from ${short(rates[0])} to ${short(rates.at(-1)!)}.`,
      caption: 'The learning rate.',
    });
  return html`<div class="pair">${loss}${rate}</div>
`;
}

/** The score of every position beside those of the parents and of their ensemble. */
export function positionsFigure(
  sweep: Sweep,
  selection: Pick<StoredReport['selection'], 'position' | 'rule'> | undefined,
): Markup {
  const chosen = selection?.position;
  const { positions, references, metric, folds, data } = sweep;
  const pointOf = ({ position, value, folds: scores }: Sweep['positions'][number]) => ({
    ...{ x: position, y: value, ...rangeOf(scores) },
    title: `position ${position}: ${fixed(value)}`,
  });
  const ends = [positions[0].position, positions.at(-1)!.position];
  const titleOf = (name: string): string => (name === 'ensemble' ? ensembleName : parentName(name));
  const series: readonly ChartSeries[] = [
    { name: 'stitched at one position', points: positions.map(pointOf), color: '#0072b2' },
    ...references.map(
      ({ name, value }, i): ChartSeries => ({
        ...{ name: titleOf(name), marker: 'none', dashed: name !== 'ensemble', joined: true },
        color: name === 'ensemble' ? '#000000' : referenceColors[i % referenceColors.length],
        points: ends.map(x => ({ x, y: value })),
      }),
    ),
    {
      name: selection ? `chosen by rule ${selection.rule}` : '',
      ...{ marker: 'cross', joined: false, color: '#d55e00' },
      points: positions
        .filter(({ position }) => position === chosen)
        .map(p => ({ x: p.position, y: p.value, text: String(p.position) })),
    },
  ];
  const title = metricTitles[metric];
  const best = positions.reduce((p, q) => ((sweep.higherIsBetter ? q.value > p.value : q.value < p.value) ? q : p));
  return figure({
    drawing: trusted(
      lineChart(series, {
        xLabel: 'position',
        yLabel: title,
        on: 'page',
        height: 400,
        xDomain: [ends[0] - 0.5, ends[1] + 0.5],
      }),
    ),
    label: `${title} of ${positions.length} positions; the best score is ${fixed(best.value)} at position ${best.position}. The table below has the numbers.`,
    caption: `${title} on ${data.source} (${data.images} images) with features averaged at one position in both directions${folds.length > 1 ? `; the band reaches from the worst of ${folds.length} folds to the best` : ''}.`,
    data: {
      caption: 'Every position, and how deep it lies (0 at the input, 1 behind the last layer).',
      head: ['position', 'depth', title, ...folds.map(fold => `fold ${fold}`), 'parameters'],
      rows: [
        ...references.map(({ name, value, folds: scores }): readonly Content[] => [
          ...[titleOf(name), '–', fixed(value)],
          ...scores.map(score => fixed(score)),
          '–',
        ]),
        ...positions.map(({ position, depth, value, folds: scores, parameters }): readonly Content[] => [
          ...[String(position), fixed(depth, 2), fixed(value)],
          ...scores.map(score => fixed(score)),
          parameters,
        ]),
      ],
      marked: chosen === undefined ? undefined : references.length + positions.findIndex(p => p.position === chosen),
    },
  });
}

/** Of parents' lines; the ensemble's is black. */
const referenceColors = ['#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#666666'] as const;
