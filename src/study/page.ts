/** The page of a study: `report.html`, of the same report that `study.json` has. */

import { type Versions, versions } from '../execution/version.ts';
import { jsonText } from '../files/output.ts';
import { quoted } from '../report/command.ts';
import { fixed } from '../report/decimals.ts';
import {
  type Content,
  code,
  details,
  facts,
  html,
  listing,
  type Markup,
  page,
  type Section,
  table,
  verdictBox,
} from '../report/html/index.ts';
import type { CellState, CellStatus } from './folder.ts';
import { bestOn, differenceMarkup, pairSection, type StudyFacts } from './pair-section.ts';
import { differenceTo, type PairReport, referencesOf, rowTitle, type StudyReport } from './report.ts';

export interface StudyPageParts extends StudyFacts {
  /** Of the study's folder. */
  readonly path: string;
  readonly states: readonly CellState[];
}

/** The page as the text of a file. */
export const studyPage = (parts: StudyPageParts): string =>
  page({
    title: 'Study',
    subtitle: `Sites ${parts.request.sites.map(({ name }) => name).join(', ')}`,
    lead: lead(parts),
    sections: [
      ...parts.report.pairs.map((pair, i) => pairSection(pair, parts, i)),
      cellsSection(parts.states),
      { id: 'study', title: 'What was asked for', body: asked(parts) },
    ],
  });

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
      ...(failed > 0
        ? [html`${failed} ${failed === 1 ? 'cell' : 'cells'} failed: <a href="#cells">the list of cells</a> says why.`]
        : []),
      ...(blocked > 0 ? [`${blocked} ${blocked === 1 ? 'cell waits' : 'cells wait'} for what failed.`] : []),
    ],
  });
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
