/** What the page of a study says of a pair of sites: the three experiments, with figures. */

import { metricTitles } from '../metrics/metric.ts';
import { type ChartSeries, lineChart, rangeOf, scatterChart } from '../report/chart.ts';
import { fixed } from '../report/decimals.ts';
import {
  type Content,
  details,
  figure,
  html,
  type Markup,
  paragraphs,
  type Section,
  table,
  trusted,
} from '../report/html/index.ts';
import { intervalChart } from '../report/intervals.ts';
import { signed } from '../report/verdict.ts';
import type { Cell } from './cells.ts';
import {
  curveTable,
  differenceTo,
  type MethodRow,
  methodTitles,
  notesOf,
  type PairReport,
  referencesOf,
  rowTitle,
  rulesText,
  type Spread,
  type StudyDifference,
  type StudyReport,
} from './report.ts';
import { type Method, methods, type StudyRequest } from './request.ts';
import { type CellTraining, trainingPart } from './training-part.ts';

/** What is known of a study. */
export interface StudyFacts {
  readonly request: StudyRequest;
  readonly report: StudyReport;
  /** Of the cells that train, in their order. */
  readonly trainings: readonly CellTraining[];
  /** Of cells whose stitches have a page of their own, where it lies beside this one. */
  readonly pages: readonly CellPage[];
}

export interface CellPage {
  readonly cell: Cell;
  readonly path: string;
}

const scoreTitle = ({ metric }: StudyReport): string => (metric === undefined ? 'score' : metricTitles[metric]);

/** The row that scores best on the data of a site; undefined where nothing was scored there. */
export function bestOn(site: number, { rows }: PairReport, { metric }: StudyReport): MethodRow | undefined {
  const worth = ({ sites }: MethodRow): number => (metric === 'mse' ? -1 : 1) * sites[site].mean;
  return rows
    .filter(row => Number.isFinite(worth(row)))
    .reduce<MethodRow | undefined>((best, row) => (best && worth(best) >= worth(row) ? best : row), undefined);
}

/** What an interval shows. One without width, of one group of images, shows nothing. */
const shownBy = ({ low, high }: Spread): 'better' | 'worse' | 'none' =>
  low > 0 && high > low ? 'better' : high < 0 && high > low ? 'worse' : 'none';

/** A difference whose colour says no more than its words. */
export function differenceMarkup(found: Spread): Markup {
  const shown = shownBy(found);
  const words = shown === 'none' ? 'no difference shown' : shown;
  return html`<small class="${shown}">${signed(found.mean)} ${intervalText(found)} ${words}</small>`;
}

/** The same in a table, over two lines. */
const differenceCell = (found: Spread): Markup => {
  const shown = shownBy(found);
  return html`<small class="${shown}">${signed(found.mean)} ${shown === 'none' ? 'unclear' : shown}<br>${intervalText(found)}</small>`;
};

const intervalText = ({ low, high }: Spread): string => `[${signed(low)}, ${signed(high)}]`;

/** A mean, and the ends of what it is the mean of below. */
const spreadCell = ({ mean, low, high }: Spread): Content =>
  low === high || Number.isNaN(mean) ? fixed(mean) : html`${fixed(mean)}<small>${fixed(low)} to ${fixed(high)}</small>`;

/** @param index of the pair, for links. */
export function pairSection(
  pair: PairReport,
  { report, request, trainings, pages }: StudyFacts,
  index: number,
): Section {
  const { own, partner, rows, positions, curves } = pair;
  const body = [
    ...(rows.length > 0 ? [html`<h3>Own against partner's data</h3>\n`, ...methodParts(pair, report, request)] : []),
    pagesPart(pair, pages),
    ...(positions.length > 0 ? [html`<h3>Every position</h3>\n`, ...positionsPart(pair, report)] : []),
    ...(curves.length > 0 ? [html`<h3>The number of stitches</h3>\n`, curvesPart(pair, report)] : []),
    trainingPart(pair, trainings),
  ];
  return {
    id: `pair-${index}`,
    title: `${own}, with ${partner} as partner`,
    body: body.some(Boolean) ? body : html`<p>Nothing of this pair has ended yet.</p>\n`,
  };
}

/** Links to the match and to masks over images, of each fold and seed. */
function pagesPart({ own, partner }: PairReport, pages: readonly CellPage[]): Content {
  const here = pages.filter(({ cell: { sites } }) => sites[0] === own && sites[1] === partner);
  const links = here.map(({ cell: { fold, seed }, path }, i) => {
    const which = `${fold === undefined ? '' : `fold ${fold}, `}seed ${seed}`;
    return html`${i > 0 && '; '}<a href="${path}">${which}</a>`;
  });
  return (
    links.length > 0 &&
    html`<h3>The match, and answers over images</h3>
<p>Of each training of the stitches there is a page with the layers that are joined, and with what the parents, their ensemble and the stitched network answer on the best, the median and the worst case of both test sets: ${links}.</p>
`
  );
}

/** Experiment 3. */
function methodParts(pair: PairReport, report: StudyReport, request: StudyRequest): readonly Content[] {
  const { rows } = pair;
  const sites = [pair.own, pair.partner];
  const references = referencesOf(pair);
  const title = scoreTitle(report);
  const best = bestOn(0, pair, report);
  const differences = references.map((name): Content => {
    const intervals = rows.flatMap(row => {
      const found = sites.map((_, i) => differenceTo(name, row, i));
      const known = found.map(d => d && { value: d.mean, low: d.low, high: d.high });
      return known.some(Boolean) ? [{ name: rowTitle(row), intervals: known }] : [];
    });
    const series = sites.map(site => `on ${site}`);
    if (intervals.length === 0) return undefined;
    return figure({
      drawing: trusted(intervalChart(intervals, { series, xLabel: `better than ${name} by (${title})`, on: 'page' })),
      label: `What each network is better by than ${name}, ${series.join(' and ')}. The table above has the numbers.`,
      caption: `What each network is better by than ${name}, with 95 % intervals. One that leaves out 0 shows a difference.`,
    });
  });
  const missing = methods.filter(
    method => request.methods.includes(method) && !rows.some(row => row.method === method),
  );
  const [{ classes }] = rows[0].sites;
  return [
    methodTable(pair, {
      caption:
        'Every method on the test data of both sites. Differences are paired, on the same images, so that more is better, with 95 % intervals of a bootstrap over groups; ' +
        'over several cells (folds, seeds) their outermost ends. Scores over several cells are means, with the least and the largest. Unclear: the interval has 0 in it. Marked: the best on own data.',
      title,
      scoreOf: (row, i) => row.sites[i],
      differenceOf: found => found,
      marked: best && rows.indexOf(best),
    }),
    missing.length > 0 &&
      paragraphs([`Not in the table, as no cell of it has ended: ${missing.map(m => methodTitles[m]).join(', ')}.`]),
    tradeOffs(pair, title),
    ...differences,
    classes.length > 1 &&
      details(
        'By class',
        classes.map(({ name }, k) =>
          methodTable(pair, {
            caption: `${title} of ${name} on the test data of both sites, with paired differences as above.`,
            title,
            scoreOf: (row, i) => {
              const { mean } = row.sites[i].classes[k];
              return { mean, low: mean, high: mean };
            },
            differenceOf: ({ classes: found }) => found[k],
          }),
        ),
      ),
  ];
}

interface MethodTable {
  readonly caption: string;
  readonly title: string;
  readonly scoreOf: (row: MethodRow, site: number) => Spread;
  readonly differenceOf: (found: StudyDifference) => Spread | undefined;
  readonly marked?: number | undefined;
}

/** A row for each method: on either site the score and what it is better by. */
function methodTable(pair: PairReport, { caption, title, scoreOf, differenceOf, marked }: MethodTable): Markup {
  const sites = [pair.own, pair.partner];
  const references = referencesOf(pair);
  return table({
    caption,
    head: [
      'network',
      ...sites.flatMap(site => [`${site}: ${title}`, ...references.map(name => `${site}: less ${name}`)]),
      'cells',
    ],
    rows: pair.rows.map(row => [
      row.notes.length > 0 ? html`${rowTitle(row)}<small>${notesOf(row).join('; ')}</small>` : rowTitle(row),
      ...sites.flatMap((_, i) => [
        spreadCell(scoreOf(row, i)),
        ...references.map((name): Content => {
          const found = differenceTo(name, row, i);
          const of = found && differenceOf(found);
          return of && differenceCell(of);
        }),
      ]),
      row.cells,
    ]),
    marked,
  });
}

/** What methods are made of, as the legend says it. */
const kinds: readonly (Pick<ChartSeries, 'name' | 'marker' | 'color'> & { readonly of: readonly Method[] })[] = [
  { name: 'the networks and their mean', marker: 'square', color: '#000000', of: ['alone', 'ensemble'] },
  {
    ...{ name: 'trained on labels', marker: 'cross', color: '#d55e00' },
    of: ['merged', 'fedavg', 'finetune', 'finetune-shift'],
  },
  {
    ...{ name: 'made of the networks', marker: 'circle', color: '#0072b2' },
    of: ['gated', 'stitched', 'trunk', 'distilled'],
  },
];

/** The own data along, the partner's upwards; and closer, without the networks alone, which are far off. */
function tradeOffs(pair: PairReport, title: string): Markup {
  const { own, partner, rows } = pair;
  const better = title === metricTitles.mse ? 'lower left' : 'upper right';
  const others = rows.filter(({ method }) => method !== 'alone');
  return html`<div class="pair">${[
    tradeOff(
      pair,
      title,
      rows,
      `${title} on ${own} against ${title} on ${partner}: what serves both is at the ${better}.`,
    ),
    others.length > 1 &&
      others.length < rows.length &&
      tradeOff(pair, title, others, 'The same without the networks alone, which are far from the others as a rule.'),
  ]}</div>\n`;
}

function tradeOff({ own, partner }: PairReport, title: string, rows: readonly MethodRow[], caption: string): Markup {
  const series = kinds.flatMap(({ of, ...look }) => {
    const points = rows
      .filter(({ method }) => of.includes(method))
      .map(row => {
        const [x, y] = row.sites.map(({ mean }) => mean);
        const name = rowTitle(row);
        return { x, y, text: name, title: `${name}: ${fixed(x)} on ${own}, ${fixed(y)} on ${partner}` };
      });
    return points.length > 0 ? [{ ...look, points }] : [];
  });
  const labels = { xLabel: `${title} on ${own}`, yLabel: `${title} on ${partner}` };
  return figure({
    drawing: trusted(scatterChart(series, { ...labels, width: 550, height: 420, on: 'page' })),
    label: `${title} of ${rows.length} networks on ${own} against that on ${partner}. The table above has the numbers.`,
    caption,
  });
}

/** Experiment 2. */
function positionsPart(pair: PairReport, report: StudyReport): readonly Markup[] {
  const { positions, rules, rows } = pair;
  const title = scoreTitle(report);
  const sites = Object.keys(positions[0].tests);
  const [first, last] = [positions[0].position, positions.at(-1)!.position];
  const points = (
    name: string,
    scoreOf: (p: PairReport['positions'][number]) => number,
  ): Pick<ChartSeries, 'name' | 'points'> => ({
    name,
    points: positions.map(p => ({
      x: p.position,
      y: scoreOf(p),
      title: `${name}, position ${p.position}: ${fixed(scoreOf(p))}`,
    })),
  });
  const validation = points('validation', ({ value }) => value);
  const chosen = (position: number) => rules.filter(({ positions: at }) => at.includes(position));
  const series: readonly ChartSeries[] = [
    {
      ...validation,
      color: '#000000',
      points: validation.points.map((p, i) => ({ ...p, ...rangeOf(positions[i].folds) })),
    },
    ...sites.map((site, i) => ({
      ...points(`on ${site}`, ({ tests }) => tests[site]),
      color: ['#0072b2', '#009e73'][i],
    })),
    {
      ...{ name: 'chosen by a rule', marker: 'cross', joined: false, color: '#d55e00' },
      points: positions.flatMap(({ position, value }) => {
        const by = chosen(position);
        if (by.length === 0) return [];
        // What differs from cell to cell has no words beside it: there may be many.
        const named = by.filter(({ positions: at }) => new Set(at).size === 1).map(({ rule }) => rule);
        const title = `rule ${by.map(({ rule }) => rule).join(', ')}, position ${position}`;
        return [{ x: position, y: value, title, ...(named.length > 0 && { text: `rule ${named.join(', ')}` }) }];
      }),
    },
  ];
  const found = rules.map(({ rule, positions: at }) => `rule ${rule} takes ${[...new Set(at)].join(', ')}`);
  const choice = found.length > 0 ? `: ${found.join('; ')}` : '';
  const drawn = figure({
    drawing: trusted(
      lineChart(series, { xLabel: 'position', yLabel: title, on: 'page', xDomain: [first - 0.5, last + 0.5] }),
    ),
    label: `${title} of ${positions.length} positions on validation data and on both test sets${choice}. The table below has the numbers.`,
    caption: `${title} with features averaged at one position in both directions, the mean over the cells${choice}. The band reaches from the worst cell to the best.`,
    data: {
      caption: 'Every position, and the rules that chose it in some cell.',
      head: ['position', 'validation', ...sites, 'rules'],
      rows: positions.map(({ position, value, tests }) => [
        String(position),
        fixed(value),
        ...sites.map(site => fixed(tests[site])),
        chosen(position)
          .map(({ rule }) => rule)
          .join(', '),
      ]),
    },
  });
  if (rules.length === 0) return [drawn];
  const about = rulesText(pair);
  const ensemble = rows.find(({ method }) => method === 'ensemble');
  const scoresOf = (row: MethodRow) =>
    sites.map(site => fixed(row.sites.find(s => s.site === site)?.mean ?? Number.NaN));
  return [
    drawn,
    table({
      caption: 'What the rules choose by the validation data of the cells, and what comes of it: means over the cells.',
      head: ['', 'position', ...sites.map(site => `${site}: ${title}`)],
      rows: [
        ...rules.map(({ rule, positions: at, tests }) => [
          `rule ${rule}: ${ruleWords[rule]}`,
          [...new Set(at)].join(', '),
          ...sites.map(site => fixed(tests[site])),
        ]),
        ...(ensemble ? [['without stitches: ensemble', '', ...scoresOf(ensemble)]] : []),
      ],
    }),
    ...(about ? paragraphs([about]) : []),
  ];
}

const ruleWords: Readonly<Record<PairReport['rules'][number]['rule'], string>> = {
  1: 'the best in each cell',
  2: 'the lowest mean rank over the cells',
  3: 'by depth, without scores',
};

/** Experiment 1. */
function curvesPart({ own, curves, rows }: PairReport, report: StudyReport): Markup {
  const title = scoreTitle(report);
  const most = Math.max(...curves.flatMap(({ scores }) => scores.map(({ count }) => count)));
  // What it is without stitches, on the own data.
  const without = rows.filter(({ method, of }) => method === 'ensemble' || of === own);
  const references = without.map((row, i): ChartSeries => {
    const y = row.sites[0].mean;
    const title = `${rowTitle(row)}: ${fixed(y)}`;
    const points = [0, most].map(x => ({ x, y, title }));
    return { name: rowTitle(row), marker: 'none', dashed: true, color: ['#666666', '#000000'][i], points };
  });
  const lines = curves.map(
    ({ way, scores }): ChartSeries => ({
      name: way,
      points: scores.map(({ count, mean, low, high }) => ({
        ...{ x: count, y: mean, title: `${way}, ${count}: ${fixed(mean)}` },
        ...(low < high && { low, high }),
      })),
    }),
  );
  return figure({
    drawing: trusted(
      lineChart([...lines, ...references], {
        ...{ xLabel: 'stitches used at once', yLabel: `${title} on ${own}`, on: 'page' },
        xDomain: [0, Math.max(most, 1)],
      }),
    ),
    label: `${title} on ${own} by the number of stitches, of stitches trained in ${curves.length} ways. The table below has the numbers.`,
    caption: `${title} on the test data of ${own} by the number of stitches that are used at once, and without any (dashed); bands reach from the worst cell to the best.`,
    data: { caption: 'The score by the number of stitches.', ...curveTable(curves) },
  });
}
