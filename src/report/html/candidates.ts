/** What could be made of the networks: the table of candidates with their intervals, and where they lie. */
import { type Difference, verdictOf } from '../../metrics/bootstrap.ts';
import { isPooled, metricTitles } from '../../metrics/metric.ts';
import { ensembleName, isParentName } from '../../network/names.ts';
import { paretoSet } from '../../selection/front.ts';
import { outs, percent, type Standing, type StoredVerdict } from '../../selection/verdict.ts';
import { type ChartSeries, scatterChart } from '../chart.ts';
import { fixed } from '../decimals.ts';
import { intervalChart } from '../intervals.ts';
import { type Content, html, type Markup, trusted } from '../markup.ts';
import type { StoredReport, StoredTest } from '../stored.ts';
import { intervalText, signed } from '../verdict.ts';
import { details, figure, table } from './parts.ts';

/** What another network is better by than that of a row, in small letters: the colour says no more than the words. */
function differenceMarkup(found: Difference, whose: 'exported' | 'chosen'): Markup {
  const verdict = verdictOf(found);
  const isShown = verdict === 'better' || verdict === 'worse';
  return html`<small class="${isShown ? verdict : 'none'}">${intervalText(found)}<br>${isShown && `${whose} `}${verdict}</small>`;
}

/** Every candidate: cost, scores, and what the chosen one is better by. */
export function candidateTable(verdict: StoredVerdict, report: StoredReport | undefined): Markup {
  const { standings, stress, metric, chosen, budget } = verdict;
  const exported = report?.exported.candidate ?? standings[chosen].name;
  const tests = report?.tests ?? [];
  const front = report?.front;
  // Of what was only chosen, as in the browser, it is for people to say what is saved.
  const isExported = report !== undefined && exported === standings[chosen].name;
  const scoreCell = (value: number | undefined, found: Difference | undefined): Content =>
    found ? [html`${fixed(value)}`, differenceMarkup(found, isExported ? 'exported' : 'chosen')] : fixed(value);
  const head: Content[] = ['network', 'cost', `own: ${metricTitles[metric]}`];
  if (stress.length > 0) head.push('under shift');
  for (const test of tests) head.push(`${test.name}: ${metricTitles[test.metric]}`);
  if (front) head.push('beyond');
  const rows = standings.map((standing): readonly Content[] => {
    const { name, cost, own, shift, chosenBetterBy: by } = standing;
    return [
      [name, ...notesOf(standing, name === exported ? (report ? 'exported' : 'chosen') : undefined, budget)],
      percent(cost),
      scoreCell(own, by?.own),
      ...(stress.length > 0 ? [scoreCell(shift, by?.shift)] : []),
      ...tests.map(test => testCell(test, name)),
      ...(front ? [signed(front.rows.find(({ network }) => network === name)?.beyond ?? Number.NaN)] : []),
    ];
  });
  const caption = [
    `Each network with its cost (multiply-adds for an image, as a share of those of all parents together) and its scores. Small: what ${isExported ? 'the exported network' : `${report ? 'the exported network, or ' : ''}the chosen one (${standings[chosen].name}),`} is better by than that of the row, with the 95 % interval of a paired bootstrap over groups of images.`,
    ...(tests.some(test => isPooled(test.metric)) ? ['On test sets, pooled: one ratio over all pixels.'] : []),
    ...(front
      ? [
          `Beyond: what may be taken off its scores on ${front.sets.join(', ')} before some output ensemble is as good on all.`,
        ]
      : []),
    ...(standings.every(({ eligible }) => eligible)
      ? []
      : [
          'Worse at home: than the best of what was given, the parents and their plain ensemble; worse under shift: than the plain ensemble. What stands in for an ensemble competes only where the budget rules all of them out.',
        ]),
    ...(tests.length > 0 && !report?.sharedData ? ['Test sets decided nothing.'] : []),
  ].join(' ');
  return table({ caption, head, rows, marked: standings.findIndex(({ name }) => name === exported) });
}

function notesOf(
  { affordable, eligible, out }: Standing,
  what: 'exported' | 'chosen' | undefined,
  budget: number | undefined,
): readonly Markup[] {
  const notes = [
    ...(what ? [what] : []),
    ...(affordable || budget === undefined ? [] : [`costs more than ${percent(budget)}`]),
    ...(affordable && !eligible ? [out ? `may not be chosen: ${outs[out]}` : 'may not be chosen'] : []),
  ];
  return notes.length > 0 ? [html` <small>${notes.join(', ')}</small>`] : [];
}

function testCell({ metric, rows, comparisons }: StoredTest, name: string): Content {
  const score = rows.find(({ network }) => network === name)?.score;
  const comparison = comparisons.find(({ against }) => against === name);
  if (!score) return '–';
  const pooled = isPooled(metric) && html` <small class="beside">pooled ${fixed(score.pooled)}</small>`;
  return [html`${fixed(score.value)}`, pooled, comparison && differenceMarkup(comparison, 'exported')];
}

/** What the chosen network is better by than each of the others, as intervals. */
export function differencesFigure(verdict: StoredVerdict, report: StoredReport | undefined): Markup {
  const { standings, chosen, stress, metric } = verdict;
  const { name } = standings[chosen];
  const tests = report?.exported.candidate === name ? report.tests : [];
  const series = ['at home', ...(stress.length > 0 ? ['under shift'] : []), ...tests.map(test => `on ${test.name}`)];
  const rows = standings.flatMap(({ name: other, chosenBetterBy: by }) =>
    by
      ? [
          {
            name: other,
            intervals: [
              by.own,
              ...(stress.length > 0 ? [by.shift] : []),
              ...tests.map(({ comparisons }) => comparisons.find(({ against }) => against === other)),
            ],
          },
        ]
      : [],
  );
  const known = (row: (typeof rows)[number]): number => row.intervals.filter(i => i !== undefined).length;
  return figure({
    drawing: trusted(
      intervalChart(rows, { series, xLabel: `${name} is better by (${metricTitles[metric]})`, on: 'page' }),
    ),
    label: `What ${name} is better by than each of ${rows.length} other networks: ${rows.reduce((sum, row) => sum + known(row), 0)} differences with their 95 % intervals. The table above has the numbers.`,
    caption: `What ${name} is better by than each other network, with 95 % intervals. An interval that leaves out 0 shows a difference; on test sets the comparison is with the plain ensemble and the own network.`,
  });
}

/** A network in a figure. */
interface Placed {
  readonly name: string;
  readonly x: number;
  readonly y: number;
}

/** Where candidates lie: score at home against cost, and of two test sets or more the first against each other. */
export function candidateFigures(verdict: StoredVerdict, report: StoredReport | undefined): Markup {
  const { standings, chosen, metric, stress } = verdict;
  const exported = report?.exported.candidate ?? standings[chosen].name;
  const title = metricTitles[metric];
  const up = metric === 'mse' ? -1 : 1;
  /** @param right whether more is better along the lower axis, and not less. */
  const drawn = (points: readonly Placed[], xLabel: string, yLabel: string, right: 1 | -1 = up): string => {
    const worth = ({ x, y }: Placed): readonly [number, number] => [right * x, up * y];
    const front = new Set(paretoSet(points.map(worth)).map(i => points[i].name));
    // Of many that lie close together, those are named that everyone asks about, and those that no other surpasses.
    const isNamed = (name: string): boolean => isGiven(name) || name === exported || front.has(name);
    const seriesOf = (name: string, is: (network: string) => boolean, more: Partial<ChartSeries>): ChartSeries => ({
      name,
      ...more,
      points: points
        .filter(point => is(point.name))
        .map(({ name: network, x, y }) => ({
          ...{ x, y, title: `${network}: ${fixed(x, 3)}, ${fixed(y)}` },
          ...(isNamed(network) && { text: shortName(network) }),
        })),
    });
    const series: readonly ChartSeries[] = [
      seriesOf('as given', name => isGiven(name) && name !== exported, { marker: 'square', color: '#000000' }),
      seriesOf('made of them', name => !isGiven(name) && name !== exported, { color: '#0072b2' }),
      seriesOf('exported', name => name === exported, { marker: 'cross', color: '#d55e00' }),
    ];
    return scatterChart(
      series.filter(s => s.points.length > 0),
      { xLabel, yLabel, on: 'page', height: 420, width: 560 },
    );
  };
  const isPlaced = ({ x, y }: Placed): boolean => Number.isFinite(x) && Number.isFinite(y);
  const atHome = standings.map(({ name, cost, own }) => ({ name, x: 100 * cost, y: own })).filter(isPlaced);
  const shifted = standings.map(({ name, own, shift = Number.NaN }) => ({ name, x: own, y: shift })).filter(isPlaced);
  const costs = figure({
    drawing: trusted(drawn(atHome, 'cost in % of all parents together', `${title} at home`, -1)),
    label: `${title} at home against cost of ${atHome.length} networks. The table above has the numbers.`,
    caption: 'Score at home against cost.',
  });
  const [first, ...others] = report?.tests ?? [];
  const scoreOn = (test: StoredTest, name: string): number =>
    test.rows.find(({ network }) => network === name)?.score.value ?? Number.NaN;
  const across = others.map(other => {
    const points = standings
      .map(({ name }) => ({ name, x: scoreOn(first, name), y: scoreOn(other, name) }))
      .filter(isPlaced);
    return figure({
      drawing: trusted(
        drawn(
          points,
          `${metricTitles[first.metric]} on ${first.name}`,
          `${metricTitles[other.metric]} on ${other.name}`,
        ),
      ),
      label: `Scores on ${first.name} against scores on ${other.name} of ${points.length} networks. The table above has the numbers.`,
      caption: `One test set against the other: the best lies at the top right.`,
    });
  });
  const underShift =
    stress.length > 0 &&
    figure({
      drawing: trusted(drawn(shifted, `${title} at home`, `${title} under shift`)),
      label: `Scores at home against scores under shift of ${shifted.length} networks. The table above has the numbers.`,
      caption: 'Score under shift against score at home.',
    });
  return html`<div class="pair">${costs}${across.length > 0 ? across : underShift}</div>
`;
}

const isGiven = (name: string): boolean => isParentName(name) || name === ensembleName;

/** Candidates are many, and their names long. */
const shortName = (name: string): string =>
  name
    .replace(ensembleName, 'ensemble')
    .replace('stitched at', 'stitched')
    .replace('shared trunk at', 'trunk')
    .replace(/^trunk of (\w+) for (\w+(?:, \w+)*) at/, 'trunk $1');

/** Scores of each class on each test set. */
export function classTables(report: StoredReport): Content {
  return report.tests
    .filter(({ rows }) => rows.some(({ score }) => score.classes.length > 1))
    .map(({ name, metric, rows }) => {
      const classes = rows[0].score.classes;
      return details(
        `By class, on ${name}`,
        table({
          caption: `${metricTitles[metric]} of each class on ${name}: the mean over cases.`,
          head: ['network', ...classes.map(({ name: title, cases }) => `${title} (${cases})`)],
          rows: rows.map(({ network, score }) => [network, ...score.classes.map(({ mean }) => fixed(mean))]),
          marked: rows.findIndex(({ network }) => network === report.exported.candidate),
        }),
      );
    });
}
