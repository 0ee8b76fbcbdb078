/** What the page of a study says of its trainings: their losses over the steps, a line for each cell. */
import { type ChartSeries, lineChart, palette } from '../report/chart.ts';
import { fixed } from '../report/decimals.ts';
import { type Content, details, figure, html, type Markup, trusted } from '../report/html/index.ts';
import type { MetricsLine } from '../report/stored.ts';
import type { Cell, Kind } from './cells.ts';
import { methodTitles, nameOfWay, type PairReport } from './report.ts';

/** A cell that trains, and the lines that it wrote, one after the other. */
export interface CellTraining {
  readonly cell: Cell;
  readonly lines: readonly MetricsLine[];
}

/** Losses that can be drawn over each other: on labels, of features, on answers. */
const families: readonly { readonly title: string; readonly kinds: readonly Kind[] }[] = [
  { title: 'Networks, on labels', kinds: ['alone', 'merged', 'fedavg', 'finetune', 'finetune-shift'] },
  { title: 'Stitches', kinds: ['direct', 'all', 'run'] },
  { title: 'Students', kinds: ['distilled'] },
];

/** Points of a line; more would be most of the page. */
const most = 80;

/** A line for each site of a federated training, which count their steps alike; of others one. */
const bySite = (lines: readonly MetricsLine[]): readonly (readonly MetricsLine[])[] =>
  [...new Set(lines.map(({ site }) => site))].map(wanted => lines.filter(({ site }) => site === wanted));

const thinned = (lines: readonly MetricsLine[]): readonly MetricsLine[] => {
  const every = Math.max(1, Math.ceil(lines.length / most));
  return lines.filter((_, i) => i % every === 0 || i === lines.length - 1);
};

const titleOf = (kind: Kind): string =>
  kind in nameOfWay ? nameOfWay[kind] : methodTitles[kind as keyof typeof methodTitles];

/** The trainings of a pair and of its networks; undefined where nothing was trained yet. */
export function trainingPart({ own, partner }: PairReport, trainings: readonly CellTraining[]): Content {
  const isOfPair = ({ kind, sites }: Cell): boolean => {
    if (kind === 'alone') return sites[0] === own || sites[0] === partner;
    const inOrder = sites[0] === own && sites[1] === partner;
    return inOrder || ((kind === 'merged' || kind === 'fedavg') && sites.includes(own) && sites.includes(partner));
  };
  const known = trainings.filter(({ cell, lines }) => lines.length > 0 && isOfPair(cell));
  const figures = families.flatMap(({ title, kinds }): Markup[] => {
    const found = known.filter(({ cell }) => kinds.includes(cell.kind));
    return found.length > 0 ? [lossFigure(title, found)] : [];
  });
  return (
    figures.length > 0 &&
    html`<h3>Training</h3>\n${details('The losses over the steps', html`<div class="pair">${figures}</div>\n`)}`
  );
}

function lossFigure(title: string, trainings: readonly CellTraining[]): Markup {
  const kinds = [...new Set(trainings.map(({ cell }) => cell.kind))];
  const named = new Set<Kind>();
  const series = trainings.flatMap(({ cell, lines }) =>
    bySite(lines).map((ofSite): ChartSeries => {
      const { kind } = cell;
      const name = named.has(kind) ? '' : titleOf(kind);
      named.add(kind);
      return {
        ...{ name, marker: 'none', color: palette[kinds.indexOf(kind) % palette.length] },
        points: thinned(ofSite).map(({ step, loss }) => ({ x: step, y: loss })),
      };
    }),
  );
  const losses = series.flatMap(({ points }) => points.map(({ y }) => y)).filter(Number.isFinite);
  const [low, high] = [Math.min(...losses), Math.max(...losses)];
  const yLog = low > 0 && high / low > 20;
  const last = Math.max(...series.flatMap(({ points }) => points.map(({ x }) => x)));
  return figure({
    drawing: trusted(
      lineChart(series, {
        ...{ xLabel: 'step', yLabel: 'loss', on: 'page', width: 560, height: 360, yLog },
        xDomain: [0, Math.max(last, 1)],
      }),
    ),
    label: `The losses of ${trainings.length} trainings over at most ${last + 1} steps.`,
    caption: `${title}: a line for each cell${kinds.includes('fedavg') ? ', of FedAvg for each site' : ''}${yLog ? '; the axis is logarithmic' : ''}.`,
    data: {
      caption: 'The loss at the first and the last step that was written down.',
      head: ['cell', 'first', 'last', 'step'],
      rows: trainings.map(({ cell, lines }) => {
        const end = lines.at(-1)!;
        return [cell.key, fixed(lines[0].loss), fixed(end.loss), String(end.step)];
      }),
    },
  });
}
