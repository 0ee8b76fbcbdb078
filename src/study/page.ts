/** The page of a study: `report.html`, of the same report that `study.json` has. */

import { type Versions, versions } from '../execution/version.ts';
import { jsonText } from '../files/output.ts';
import { metricTitles } from '../metrics/metric.ts';
import { type ChartSeries, lineChart } from '../report/chart.ts';
import { quoted } from '../report/command.ts';
import { fixed } from '../report/decimals.ts';
import {
  type Content,
  code,
  details,
  facts,
  figure,
  html,
  listing,
  type Markup,
  page,
  type Section,
  table,
  trusted,
  verdictBox,
} from '../report/html/index.ts';
import { intervalChart } from '../report/intervals.ts';
import { signed } from '../report/verdict.ts';
import type { CellState, CellStatus } from './folder.ts';
import {
  differenceTo,
  type MethodRow,
  type PairReport,
  referencesOf,
  rowTitle,
  type Spread,
  type StudyDifference,
  type StudyReport,
  spreadText,
} from './report.ts';
import type { StudyRequest } from './request.ts';

export interface StudyPageParts {
  /** Of the study's folder. */
  readonly path: string;
  readonly request: StudyRequest;
  readonly states: readonly CellState[];
  readonly report: StudyReport;
}

/** The page as the text of a file. */
export const studyPage = (parts: StudyPageParts): string =>
  page({
    title: 'Study',
    subtitle: `Sites ${parts.request.sites.map(({ name }) => name).join(', ')}`,
    lead: lead(parts),
    sections: [
      ...parts.report.pairs.map((pair, i) => pairSection(pair, parts.report, i)),
      cellsSection(parts.states),
      { id: 'study', title: 'What was asked for', body: asked(parts) },
    ],
  });

const scoreTitle = ({ metric }: StudyReport): string => (metric === undefined ? 'score' : metricTitles[metric]);

const counted = (states: readonly CellState[], wanted: CellStatus): number =>
  states.filter(({ status }) => status === wanted).length;

function lead({ report, states }: StudyPageParts): Markup {
  const [failed, blocked] = [report.failed.length, counted(states, 'blocked')];
  return verdictBox({
    what: html`<strong>${report.done} of ${report.cells} cells</strong> are done`,
    why: 'For each pair the method that scores best on the test data of either site, and what it is better by than the own network and the ensemble.',
    sure: report.pairs
      .filter(({ rows }) => rows.length > 0)
      .map(pair => html`${pair.own}, with ${pair.partner} as partner: ${bestTexts(pair, report)}.`),
    warnings: [
      ...(failed > 0 ? [`${failed} ${failed === 1 ? 'cell' : 'cells'} failed: the list of cells says why.`] : []),
      ...(blocked > 0 ? [`${blocked} ${blocked === 1 ? 'cell waits' : 'cells wait'} for what failed.`] : []),
    ],
  });
}

/** The row that scores best on the data of a site; undefined where nothing was scored there. */
function bestOn(site: number, { rows }: PairReport, { metric }: StudyReport): MethodRow | undefined {
  const worth = ({ sites }: MethodRow): number => (metric === 'mse' ? -1 : 1) * sites[site].mean;
  return rows
    .filter(row => Number.isFinite(worth(row)))
    .reduce<MethodRow | undefined>((best, row) => (best && worth(best) >= worth(row) ? best : row), undefined);
}

function bestTexts(pair: PairReport, report: StudyReport): Content {
  return [pair.own, pair.partner].map((site, i): Content => {
    const best = bestOn(i, pair, report);
    const on = `${i > 0 ? '; ' : ''}on ${site} `;
    if (!best) return `${on}nothing was scored`;
    const than = referencesOf(pair).map((name): Content => {
      const found = differenceTo(name, best, i);
      return found && html`, against ${name} ${differenceMarkup(found)}`;
    });
    return html`${on}<strong>${rowTitle(best)}</strong> ${fixed(best.sites[i].mean)}${than}`;
  });
}

/** A difference whose colour says no more than its words. An interval without width, of one group of images, shows nothing. */
function differenceMarkup({ mean, low, high }: StudyDifference, between: Content = ' '): Markup {
  const [kind, words] =
    low > 0 && high > low
      ? ['better', 'better']
      : high < 0 && high > low
        ? ['worse', 'worse']
        : ['none', 'no difference shown'];
  return html`<small class="${kind}">${signed(mean)} [${signed(low)}, ${signed(high)}]${between}${words}</small>`;
}

function pairSection(pair: PairReport, report: StudyReport, index: number): Section {
  const { own, partner, rows, positions, curves } = pair;
  const body = [
    ...(rows.length > 0 ? [html`<h3>Own against partner's data</h3>\n`, ...methodParts(pair, report)] : []),
    ...(positions.length > 0 ? [html`<h3>Every position</h3>\n`, positionsPart(pair, report)] : []),
    ...(curves.length > 0 ? [html`<h3>The number of stitches</h3>\n`, curvesPart(pair, report)] : []),
  ];
  return {
    id: `pair-${index}`,
    title: `${own}, with ${partner} as partner`,
    body: body.length > 0 ? body : html`<p>Nothing of this pair has ended yet.</p>\n`,
  };
}

/** Experiment 3. */
function methodParts(pair: PairReport, report: StudyReport): readonly Content[] {
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
  const [{ classes }] = rows[0].sites;
  return [
    table({
      caption:
        'Every method on the test data of both sites. Differences are paired, on the same images, so that more is better, with 95 % intervals of a bootstrap over groups; ' +
        'over several cells (folds, seeds) their outermost ends. Scores over several cells are means, with the least and the largest. Marked: the best on own data.',
      head: [
        'network',
        'cells',
        ...sites.map(site => `${site}: ${title}`),
        ...sites.flatMap(site => references.map(name => `${site}: less ${name}`)),
      ],
      rows: rows.map(row => [
        rowTitle(row),
        row.cells,
        ...row.sites.map(spreadText),
        ...row.sites.flatMap((_, i) =>
          references.map((name): Content => {
            const found = differenceTo(name, row, i);
            return found && differenceMarkup(found, html`<br>`);
          }),
        ),
      ]),
      marked: best && rows.indexOf(best),
    }),
    ...differences,
    classes.length > 1 &&
      details(
        'By class',
        table({
          caption: `${title} of each class on the test data of both sites.`,
          head: ['network', ...sites.flatMap(site => classes.map(({ name }) => `${site}: ${name}`))],
          rows: rows.map(row => [
            rowTitle(row),
            ...row.sites.flatMap(({ classes: found }) => found.map(({ mean }) => fixed(mean))),
          ]),
        }),
      ),
  ];
}

/** Experiment 2. */
function positionsPart({ positions, rules }: PairReport, report: StudyReport): Markup {
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
      points: validation.points.map((p, i) => ({ ...p, ...ends(positions[i].folds) })),
    },
    ...sites.map((site, i) => ({
      ...points(`on ${site}`, ({ tests }) => tests[site]),
      color: ['#0072b2', '#009e73'][i],
    })),
    {
      ...{ name: 'chosen by a rule', marker: 'cross', joined: false, color: '#d55e00' },
      points: positions.flatMap(({ position, value }) => {
        const by = chosen(position).map(({ rule }) => rule);
        return by.length > 0 ? [{ x: position, y: value, text: `rule ${by.join(', ')}` }] : [];
      }),
    },
  ];
  const found = rules.map(({ rule, positions: at }) => `rule ${rule} takes ${[...new Set(at)].join(', ')}`);
  const choice = found.length > 0 ? `: ${found.join('; ')}` : '';
  return figure({
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
}

/** The range of several numbers. */
function ends(values: readonly number[]): Partial<Pick<Spread, 'low' | 'high'>> {
  const known = values.filter(Number.isFinite);
  return known.length > 1 ? { low: Math.min(...known), high: Math.max(...known) } : {};
}

/** Experiment 1. */
function curvesPart({ own, curves }: PairReport, report: StudyReport): Markup {
  const title = scoreTitle(report);
  const counts = [...new Set(curves.flatMap(({ scores }) => scores.map(({ count }) => count)))].sort((p, q) => p - q);
  return figure({
    drawing: trusted(
      lineChart(
        curves.map(({ way, scores }) => ({
          name: way,
          points: scores.map(({ count, mean, low, high }) => ({
            ...{ x: count, y: mean, title: `${way}, ${count}: ${fixed(mean)}` },
            ...(low < high && { low, high }),
          })),
        })),
        { xLabel: 'stitches used at once', yLabel: `${title} on ${own}`, on: 'page' },
      ),
    ),
    label: `${title} on ${own} by the number of stitches, of stitches trained in ${curves.length} ways. The table below has the numbers.`,
    caption: `${title} on the test data of ${own} by the number of stitches that are used at once; bands reach from the worst cell to the best.`,
    data: {
      caption: 'The score by the number of stitches.',
      head: ['trained', ...counts.map(String)],
      rows: curves.map(({ way, scores }) => [
        way,
        ...counts.map(count => {
          const found = scores.find(score => score.count === count);
          return found && spreadText(found);
        }),
      ]),
    },
  });
}

function cellsSection(states: readonly CellState[]): Section {
  const kinds = [...new Set(states.map(({ status }) => status))];
  const failed = states.filter(({ status }) => status === 'failed');
  return {
    id: 'cells',
    title: 'Cells',
    body: [
      failed.length > 0 &&
        table({
          caption: 'What failed, with what it said.',
          head: ['cell', 'error'],
          rows: failed.map(({ cell, record }) => [code(cell.key), record?.error]),
        }),
      details(
        `All ${states.length} cells: ${kinds.map(status => `${counted(states, status)} ${status}`).join(', ')}`,
        table({
          caption: 'Every cell, with the time that it took and the most memory that it had at once.',
          head: ['cell', 'status', 'seconds', 'MiB'],
          rows: states.map(({ cell, status, record }) => [
            code(cell.key),
            status,
            record && fixed(record.seconds, 0),
            record && fixed(record.peakBytes / 2 ** 20, 0),
          ]),
        }),
      ),
    ],
  };
}

const versionsText = (found: Versions): string =>
  Object.entries(found)
    .flatMap(([name, version]: [string, string | undefined]) => (version === undefined ? [] : `${name} ${version}`))
    .join(', ');

const asked = ({ path, request }: StudyPageParts): Markup => html`${facts([
  ['Folder', code(path)],
  ['Seeds', request.seeds.join(', ')],
  ...(request.folds ? [['Folds', request.folds.join(', ')] as const] : []),
  ['Executor', request.executor],
  ['Versions, where this page was made', versionsText(versions())],
])}<p>To go on with it, and to do all of it again elsewhere:</p>
${listing([`suture study ${quoted(path)}`, `suture study ${quoted(`${path}/request.json`)} -o AGAIN`])}
${details('The description', listing(jsonText(request).trimEnd().split('\n')))}`;
