/** The page of a run: the verdict first, then what it rests on, then how to do it again. */
import { basename } from 'node:path';
import { type Difference, verdictOf } from '../../metrics/bootstrap.ts';
import type { Cases } from '../../metrics/by-case.ts';
import { ensembleName, parentName } from '../../network/names.ts';
import type { RunSummary } from '../../run/summary.ts';
import type { Search } from '../../selection/search/search.ts';
import type { Sweep } from '../../selection/sweep.ts';
import type { StoredVerdict } from '../../selection/verdict.ts';
import type { Front } from '../../selection/weighted.ts';
import { fixed } from '../decimals.ts';
import { frontFigures } from '../front-figure.ts';
import { type Content, html, type Markup, trusted } from '../markup.ts';
import type { PicturedSet } from '../pictures.ts';
import { halfTable, halfText } from '../report.ts';
import { searchFigure } from '../search-figure.ts';
import type { MetricsLine, StoredReport } from '../stored.ts';
import { intervalText, lossTexts, verdictText } from '../verdict.ts';
import { candidateFigures, candidateTable, classTables, differencesFigure } from './candidates.ts';
import { casesFigure } from './cases.ts';
import { positionsFigure, trainingFigures } from './curves.ts';
import { pictureLegend, picturesOfSet } from './masks.ts';
import { type MatchParts, matchFigure } from './match.ts';
import { page } from './page.ts';
import { code, figure, type Section, table, verdictBox, warning } from './parts.ts';
import { type ProvenanceParts, provenance } from './provenance.ts';

/** What there is of a run. What is not there is left out, and the page says so where one would look for it. */
export interface RunPageParts {
  readonly summary: RunSummary;
  readonly match: Omit<MatchParts, 'chosen' | 'chosenText'>;
  readonly training: readonly MetricsLine[];
  /** The same of its student. */
  readonly studying: readonly MetricsLine[];
  readonly verdict: StoredVerdict | undefined;
  readonly report: StoredReport | undefined;
  readonly sweep: Sweep | undefined;
  readonly front: Front | undefined;
  readonly search: Search | undefined;
  readonly cases: Cases['sets'];
  readonly pictures: readonly PicturedSet[];
  /** The network that cases are in the order of, where that is not the exported one, and where it is stitched. */
  readonly shown?: { readonly name: string; readonly position: number } | undefined;
  /** What cannot be shown of cases, in sentences. */
  readonly leftOut: readonly string[];
  readonly provenance: ProvenanceParts;
}

/** The page as the text of a file. */
export function runPage(parts: RunPageParts): string {
  const { summary, verdict, report } = parts;
  const parents = Object.entries(summary.parents).map(([tag, path], i) => [i > 0 && ', ', `${tag}: `, code(path)]);
  return page({
    title: 'Stitching report',
    subtitle: ['Networks ', parents],
    lead: verdict ? leadOf(verdict, report) : unjudged(parts),
    sections: [
      ...(verdict ? [candidatesSection(verdict, report)] : []),
      ...settingsSections(parts),
      ...casesSections(parts),
      matchSection(parts),
      ...(parts.sweep ? [positionsSection(parts, parts.sweep)] : []),
      trainingSection(parts),
      { id: 'run', title: 'What was run', body: provenance(parts.provenance) },
    ],
  });
}

function leadOf(verdict: StoredVerdict, report: StoredReport | undefined): Markup {
  const { standings, chosen } = verdict;
  const exported = report?.exported.candidate ?? standings[chosen].name;
  const rivals = [parentName('a'), ensembleName].filter(name => name !== exported);
  const sure = rivals.flatMap(rival => {
    const isChosen = exported === standings[chosen].name;
    const by = isChosen ? standings.find(({ name }) => name === rival)?.chosenBetterBy : undefined;
    const found: (readonly [string, Difference])[] = [
      ...(by ? [['at home', by.own] as const] : []),
      ...(by?.shift ? [['under shift', by.shift] as const] : []),
      ...(report?.tests ?? []).flatMap(({ name, comparisons }) => {
        const comparison = comparisons.find(({ against }) => against === rival);
        return comparison ? [[`on test set ${name}`, comparison] as const] : [];
      }),
    ];
    return found.length > 0 ? [comparedWith(rival, found)] : [];
  });
  const warnings = [
    ...(exported === standings[chosen].name ? [] : lossTexts(verdict, exported)),
    ...(report && !report.agreement.agrees
      ? [
          `The exported file does not agree with what suture computed: relative error ${report.agreement.relativeError.toExponential(1)}.`,
        ]
      : []),
    ...(report?.sharedData ?? []),
    ...(report?.exported.gateOver === 'case'
      ? ['It is gated over cases: the outputs are weighed alike on all images of a batch, so give it a case at a time.']
      : []),
  ];
  return verdictBox({
    what: html`Exported: <strong>${exported}</strong>`,
    why: verdictText(verdict),
    sure,
    warnings,
  });
}

/** How sure it is, in a sentence: what is shown, and by which numbers. */
function comparedWith(rival: string, found: readonly (readonly [string, Difference])[]): Markup {
  const parts = found.map(
    ([where, difference], i) =>
      html`${i > 0 && '; '}<strong>${verdictOf(difference)}</strong> ${where} <small>${intervalText(difference)}</small>`,
  );
  return html`Against ${rival}: ${parts}.`;
}

/** Of a run that nothing has been chosen in. */
const unjudged = ({ summary, report }: RunPageParts): Markup =>
  verdictBox({
    what: html`Not judged: <strong>${summary.positions} positions</strong>, stitches trained for ${summary.steps} steps`,
    why: report
      ? 'This run was made before verdicts were.'
      : 'The stitches are trained, and nothing has been compared or exported yet: suture run does all in a row, suture sweep and suture export one thing after another.',
    sure: [],
  });

const candidatesSection = (verdict: StoredVerdict, report: StoredReport | undefined): Section => ({
  id: 'networks',
  title: 'What can be made of the networks',
  body: [
    candidateTable(verdict, report),
    report && classTables(report),
    differencesFigure(verdict, report),
    candidateFigures(verdict, report),
    report?.half && halfPart(report.half),
  ],
});

/** The exported network in float16 beside itself in float32. */
function halfPart(half: NonNullable<StoredReport['half']>): Content {
  const { head, rows } = halfTable(half);
  const { file, ...rest } = half;
  const text = halfText({ ...rest, ...(file !== undefined && { file: basename(file) }) });
  return html`<h3>In float16</h3>
<p>${text.replaceAll('`', '')}</p>
${table({ caption: 'The exported network in either width.', head: ['of', ...head.slice(1)], rows })}`;
}

/** What `suture sweep --weights` and `suture search` found, where they did. */
function settingsSections({ front, search }: RunPageParts): readonly Section[] {
  const fronts = front ? frontFigures(front, 'page') : [];
  if (fronts.length === 0 && !search) return [];
  const body: Content[] = fronts.map(drawing =>
    figure({
      drawing: trusted(drawing),
      label: `Scores of ${front?.points.length} settings beside those of ${front?.rivals.length} output-weighted ensembles; the chosen ones are marked best and even.`,
      caption: `The sweep over settings: every combination of positions and weights beside the front of all output-weighted ensembles. Crosses are what was chosen on the validation data.`,
    }),
  );
  if (search) {
    body.push(
      figure({
        drawing: trusted(searchFigure(search, 'page')),
        label: `The front of a search over settings: ${search.front.length} settings of ${search.evaluated.length} runs of the switches, score against cost. The table below has the numbers.`,
        caption: `The front of the search: ${search.front.length} settings that no other found is as good as and as cheap as.`,
        data: searchTable(search),
      }),
    );
  }
  return [{ id: 'settings', title: 'Settings beyond one position', body }];
}

const searchTable = ({ front }: Search) => ({
  caption: 'The settings of the front, cheapest first; the number is that of export --setting.',
  head: ['setting', 'cost', 'at home', 'under shift', 'what it is'],
  rows: front.map((p, i) => [String(i), `${fixed(100 * p.cost, 1)} %`, fixed(p.own), fixed(p.shift), p.name]),
});

function casesSections({ cases, pictures, report, shown, leftOut }: RunPageParts): readonly Section[] {
  const candidate = report?.exported.candidate ?? shown?.name;
  if (candidate === undefined) return [];
  const sets = cases.filter(set => set.cases.length > 1 && set.networks.includes(candidate));
  const drawn = pictures.map(
    (set, i) => html`<h3>${setTitle(set.name, report)}</h3>
${picturesOfSet(set, `picture-${i}`)}`,
  );
  return [
    {
      id: 'cases',
      title: 'Case by case',
      body: [sets.map(set => casesFigure(set, candidate, [ensembleName, parentName('a')])), leftOut.map(warning)],
    },
    ...(pictures.length > 0
      ? [
          {
            id: 'pictures',
            title: 'Answers over images',
            body: [
              html`<p>The best, the median and the worst case of ${report ? 'the exported network' : html`<strong>${candidate}</strong>`}. Above: the image and what each network answers. Below: the reference and where each answer differs from it.</p>
`,
              pictureLegend(pictures[0]),
              drawn,
            ],
          },
        ]
      : []),
  ];
}

const setTitle = (name: string, report: StoredReport | undefined): string =>
  report?.tests.length === 0 ? 'Validation data' : `Test set ${name}`;

function matchSection({ match, report, shown, verdict }: RunPageParts): Section {
  const position = report?.exported.position ?? report?.selection.position ?? shown?.position;
  const isStitched = report?.exported.position !== undefined;
  const chosenText = isStitched
    ? 'where the exported network is stitched'
    : verdict
      ? 'the best position; the exported network is not stitched there'
      : 'the best position';
  return { id: 'match', title: 'The match', body: matchFigure({ ...match, chosen: position, chosenText }) };
}

const positionsSection = ({ report }: RunPageParts, sweep: Sweep): Section => ({
  id: 'positions',
  title: 'Score by position',
  body: positionsFigure(sweep, report?.selection),
});

const trainingSection = ({ training, studying, summary }: RunPageParts): Section => ({
  id: 'training',
  title: 'Training',
  body: [
    training.length > 0
      ? trainingFigures(training)
      : html`<p>The stitches were not trained: ${summary.steps} steps.</p>\n`,
    studying.length > 0 && html`<h3>Of the student</h3>\n${trainingFigures(studying)}`,
  ],
});
