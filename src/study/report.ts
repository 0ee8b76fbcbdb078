/** What a study came to, of the cells that have ended: three experiments, as a document and as text. */
import { mean } from '../../ir/numbers.ts';
import { type MetricName, metricTitles } from '../metrics/metric.ts';
import { fixed } from '../report/decimals.ts';
import { markdownTable, type TextTable } from '../report/text-table.ts';
import { signed } from '../report/verdict.ts';
import { possibleRules, type RankedPosition, type Rule, select, selectByDepth } from '../selection/select.ts';
import type { CellRecord, CellState, PositionScores, TestScores } from './folder.ts';
import { type Method, methods, type StudyRequest } from './request.ts';

/** Numbers of several cells (folds, seeds). */
export interface Spread {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** A difference of scores, so that more is better: of one cell with its interval, of several the mean with the outermost ends of theirs. */
export interface StudyDifference extends Spread {
  readonly against: string;
  /** The same of each class. */
  readonly classes: readonly Spread[];
}

/** A method's scores on the test data of one site. */
export interface SiteScores extends Spread {
  readonly site: string;
  readonly classes: readonly { readonly name: string; readonly mean: number }[];
  readonly differences: readonly StudyDifference[];
}

export interface MethodRow {
  readonly method: Method;
  /** Whose network it is: `a` or `b` of what is alone, else absent. */
  readonly of?: string;
  readonly cells: number;
  /** What was chosen, in words, where cells choose something: each of what they say once. */
  readonly notes: readonly string[];
  readonly sites: readonly SiteScores[];
}

export interface PairReport {
  readonly own: string;
  readonly partner: string;
  /** Experiment 1: the score on the own test data by the number of stitches used at once. */
  readonly curves: readonly {
    readonly way: string;
    readonly scores: readonly (Spread & { readonly count: number })[];
  }[];
  /** Experiment 2: every position over folds and seeds, and what the rules choose. */
  readonly positions: readonly (RankedPosition & { readonly tests: Readonly<Record<string, number>> })[];
  readonly rules: readonly {
    readonly rule: Rule;
    readonly positions: readonly number[];
    readonly tests: Readonly<Record<string, number>>;
  }[];
  /** Experiment 3: own against partner's data. */
  readonly rows: readonly MethodRow[];
}

export interface StudyReport {
  readonly format: 'suture-study';
  readonly version: 1;
  readonly metric: MetricName | undefined;
  readonly cells: number;
  readonly done: number;
  readonly failed: readonly { readonly key: string; readonly error: string }[];
  readonly pairs: readonly PairReport[];
}

/** Scores of nothing count for nothing. */
function spread(values: readonly number[]): Spread {
  const known = values.filter(x => !Number.isNaN(x));
  return known.length === 0
    ? { mean: Number.NaN, low: Number.NaN, high: Number.NaN }
    : { mean: mean(known), low: Math.min(...known), high: Math.max(...known) };
}

/** The mean of differences, and the outermost ends of their intervals. */
const outermost = (found: readonly (Pick<Spread, 'low' | 'high'> & { readonly value: number })[]): Spread => ({
  mean: spread(found.map(({ value }) => value)).mean,
  low: spread(found.map(({ low }) => low)).low,
  high: spread(found.map(({ high }) => high)).high,
});

/** How stitches are trained, by kinds of cells. */
export const nameOfWay: Readonly<Record<string, string>> = {
  run: 'sampled',
  all: 'double-batched, all on',
  direct: 'direct',
};

export function studyReportOf(request: StudyRequest, states: readonly CellState[]): StudyReport {
  const done = states.flatMap(({ record }) => (record?.status === 'done' ? [record] : []));
  const failed = states.flatMap(({ record, status }) =>
    status === 'failed' ? [{ key: record!.key, error: record!.error ?? 'no reason is known' }] : [],
  );
  const seen = new Map(
    states.filter(({ cell }) => cell.kind !== 'alone').map(({ cell: { sites } }) => [sites.join(), sites]),
  );
  // Merged data and FedAvg stand in the order of the study, other cells with the own site first.
  const pairs = request.pairs ?? [...seen.values()];
  return {
    ...{ format: 'suture-study', version: 1 },
    metric: done.find(({ result }) => result?.metric)?.result?.metric,
    cells: states.length,
    done: done.length,
    failed,
    pairs: pairs.map(([own, partner]) => pairReport(own, partner, done)),
  };
}

function pairReport(own: string, partner: string, done: readonly CellRecord[]): PairReport {
  const isOf = ({ sites }: CellRecord): boolean => sites[0] === own && sites[1] === partner;
  const isOfBoth = ({ sites }: CellRecord): boolean =>
    sites.length === 2 && [own, partner].every(s => sites.includes(s));
  const cellsOf = (kind: string): readonly CellRecord[] =>
    done.filter(cell => cell.kind === kind && (kind === 'merged' || kind === 'fedavg' ? isOfBoth(cell) : isOf(cell)));
  const row = (method: Method, cells: readonly CellRecord[], of?: string): MethodRow[] =>
    cells.length === 0
      ? []
      : [
          {
            ...{ method, ...(of !== undefined && { of }), cells: cells.length },
            notes: [...new Set(cells.flatMap(({ result }) => result?.note ?? []))],
            sites: siteScores([own, partner], cells),
          },
        ];
  const alone = (name: string) => done.filter(({ kind, sites }) => kind === 'alone' && sites[0] === name);
  const runs = cellsOf('run');
  const ensembles = row('ensemble', cellsOf('ensemble'));
  return {
    own,
    partner,
    curves: ['direct', 'all', 'run'].flatMap(kind => {
      const curves = cellsOf(kind).flatMap(({ result }) => (result?.curve ? [result.curve] : []));
      if (curves.length === 0) return [];
      const counts = curves[0].map(({ count }) => count);
      const valuesAt = (count: number) => curves.flatMap(c => c.filter(s => s.count === count).map(s => s.value));
      return [{ way: nameOfWay[kind], scores: counts.map(count => ({ count, ...spread(valuesAt(count)) })) }];
    }),
    ...positionReport(runs),
    rows: methods.flatMap(method =>
      method === 'alone'
        ? [own, partner].flatMap(name => row(method, alone(name), name)).map(found => lessEnsemble(found, ensembles))
        : row(method, cellsOf(method)),
    ),
  };
}

/** What a network alone is better by than the ensemble: the cells of the ensemble say by what it is better than that. */
function lessEnsemble(row: MethodRow, [ensemble]: readonly MethodRow[]): MethodRow {
  if (!ensemble) return row;
  const turned = ({ mean, low, high }: Spread): Spread => ({ mean: -mean, low: -high, high: -low });
  const sites = row.sites.map((site, i) => ({
    ...site,
    differences: ensemble.sites[i].differences
      .filter(({ against }) => against === rowTitle(row))
      .map(found => ({ against: 'ensemble', ...turned(found), classes: found.classes.map(turned) })),
  }));
  return { ...row, sites };
}

const testsOn = (cells: readonly CellRecord[], site: string): readonly TestScores[] =>
  cells.flatMap(({ result }) => result?.tests?.filter(test => test.site === site) ?? []);

function siteScores(sites: readonly string[], cells: readonly CellRecord[]): readonly SiteScores[] {
  return sites.map(site => {
    const tests = testsOn(cells, site);
    const [first] = tests;
    return {
      site,
      ...spread(tests.map(({ value }) => value)),
      classes: (first?.classes ?? []).map(({ name }, i) => ({
        name,
        mean: spread(tests.map(({ classes }) => classes[i].mean)).mean,
      })),
      differences: (first?.against ?? []).map(({ network }) => {
        const found = tests.flatMap(({ against }) => against.filter(a => a.network === network));
        const classes = found[0].classes.map((_, k) => outermost(found.map(a => a.classes[k])));
        return { against: network, ...outermost(found), classes };
      }),
    };
  });
}

/** Every position over the cells, which are the folds of the rules. */
function positionReport(runs: readonly CellRecord[]): Pick<PairReport, 'positions' | 'rules'> {
  const cells = runs.flatMap(({ result }) => (result?.positions ? [result.positions] : []));
  const [first] = cells;
  // Of networks that are matched differently positions cannot be compared.
  if (!first || cells.some(positions => positions.length !== first.length)) return { positions: [], rules: [] };
  const higherIsBetter = runs[0].result?.higherIsBetter ?? true;
  const meanTests = (of: readonly PositionScores[]): Readonly<Record<string, number>> =>
    Object.fromEntries(Object.keys(of[0].tests).map(site => [site, mean(of.map(({ tests }) => tests[site]))]));
  const positions = first.map(({ position }, i) => ({
    position,
    value: mean(cells.map(found => found[i].validation)),
    folds: cells.map(found => found[i].validation),
    tests: meanTests(cells.map(found => found[i])),
  }));
  const at = (position: number): number => first.findIndex(found => found.position === position);
  const rules: { rule: Rule; positions: readonly number[]; tests: Readonly<Record<string, number>> }[] = [];
  const possible = possibleRules(positions);
  if (possible.length > 0) {
    // Rule 1 takes in each fold what is best there.
    const greedy = cells.map(
      found =>
        select(
          found.map(({ position, validation }) => ({ position, value: validation, folds: [] })),
          1,
          higherIsBetter,
        ).position,
    );
    rules.push({ rule: 1, positions: greedy, tests: meanTests(cells.map((found, fold) => found[at(greedy[fold])])) });
  }
  const same = (rule: Rule, position: number) =>
    rules.push({ rule, positions: [position], tests: meanTests(cells.map(found => found[at(position)])) });
  if (possible.includes(2)) same(2, select(positions, 2, higherIsBetter).position);
  const placed = first.flatMap(({ position, depth }) => (depth === undefined ? [] : [{ position, depth }]));
  if (placed.length > 0) same(3, selectByDepth(placed).position);
  return { positions, rules };
}

/** Which rules are in the table of a pair's positions, where not all are, and that what is stitched was chosen by others. */
export function rulesText({ positions, rules, rows }: Pick<PairReport, 'positions' | 'rules' | 'rows'>): string {
  const cells = positions[0]?.folds.length ?? 0;
  const missing = cells < 2 ? 'here is one' : 'fewer than two have a score for every position';
  return [
    ...(rules.some(({ rule }) => rule === 2)
      ? []
      : [`Rule 2 takes the mean rank over the cells (folds, seeds), and ${missing}: it is not in the table.`]),
    ...(rows.some(({ method }) => method === 'stitched')
      ? [
          'The network that is called stitched was chosen in its cell alone, before there were others: over the folds of its validation data ' +
            '(rule 2), or where that has none by the best score (rule 1).',
        ]
      : []),
  ].join(' ');
}

export const methodTitles: Readonly<Record<Method, string>> = {
  alone: 'alone',
  merged: 'merged data',
  fedavg: 'FedAvg',
  finetune: "partner's, fine-tuned",
  'finetune-shift': "partner's, fine-tuned under shift",
  ensemble: 'ensemble',
  gated: 'gated ensemble',
  stitched: 'stitched',
  trunk: 'shared trunk',
  distilled: 'distilled',
};

/** `alone a`, `merged data`. */
export const rowTitle = ({ method, of }: MethodRow): string =>
  of === undefined ? methodTitles[method] : `${methodTitles[method]} ${of}`;

/** What was chosen in a row's cells, as far as there is room for it. */
export const notesOf = ({ notes }: MethodRow): readonly string[] =>
  notes.length > 3 ? [...notes.slice(0, 3), '…'] : notes;

const titleWithNotes = (row: MethodRow): string =>
  row.notes.length > 0 ? `${rowTitle(row)} (${notesOf(row).join('; ')})` : rowTitle(row);

/** What every method of a pair is compared with. */
export const referencesOf = ({ own }: Pick<PairReport, 'own'>): readonly string[] => [`alone ${own}`, 'ensemble'];

/** What a row is better by than one of {@link referencesOf} on a site's data; undefined where that is not known, and of itself. */
export const differenceTo = (name: string, row: MethodRow, site: number): StudyDifference | undefined =>
  rowTitle(row) === name ? undefined : row.sites[site].differences.find(({ against }) => against === name);

export const spreadText = ({ mean, low, high }: Spread): string =>
  low === high || Number.isNaN(mean) ? fixed(mean) : `${fixed(mean)} (${fixed(low)} to ${fixed(high)})`;

const differenceText = ({ mean, low, high }: Spread): string =>
  Number.isNaN(mean) ? '–' : `${signed(mean)} [${signed(low)}, ${signed(high)}]`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  markdownTable({ head, rows }).join('\n');

/** Scores by the numbers of stitches that some training was scored with. */
export function curveTable(curves: PairReport['curves']): TextTable {
  const counts = [...new Set(curves.flatMap(({ scores }) => scores.map(({ count }) => count)))].sort((p, q) => p - q);
  const textAt = (scores: PairReport['curves'][number]['scores'], count: number): string => {
    const found = scores.find(score => score.count === count);
    return found ? spreadText(found) : '';
  };
  return {
    head: ['trained', ...counts.map(String)],
    rows: curves.map(({ way, scores }) => [way, ...counts.map(count => textAt(scores, count))]),
  };
}

/** `study.md`. */
export function studyText({ metric, cells, done, failed, pairs }: StudyReport): string {
  const score = metric === undefined ? 'score' : metricTitles[metric];
  const parts = [`# Study\n\n${done} of ${cells} cells have ended.`];
  if (failed.length > 0) {
    parts.push(`${failed.length} failed:\n\n${failed.map(({ key, error }) => `- \`${key}\`: ${error}`).join('\n')}`);
  }
  for (const { own, partner, curves, positions, rules, rows } of pairs) {
    parts.push(`## ${own}, with ${partner} as partner`);
    if (rows.length > 0) {
      const sites = [own, partner];
      const references = referencesOf({ own });
      const head = ['network', ...sites.map(site => `${site}: ${score}`)];
      for (const site of sites) head.push(...references.map(name => `${site}: less ${name}`));
      const cellsOf = (row: MethodRow): readonly string[] => [
        titleWithNotes(row),
        ...row.sites.map(spreadText),
        ...row.sites.flatMap((_, site) =>
          references.map(name => {
            const found = differenceTo(name, row, site);
            return found ? differenceText(found) : '';
          }),
        ),
      ];
      parts.push(`### Own against partner's data\n\n${table(head, rows.map(cellsOf))}`);
      const classes = rows[0].sites[0].classes;
      if (classes.length > 1) {
        const byClass = sites.flatMap(site => classes.map(({ name }) => `${site}: ${name}`));
        const body = rows.map(row => [
          rowTitle(row),
          ...row.sites.flatMap(({ classes: found }) => found.map(({ mean }) => fixed(mean))),
        ]);
        parts.push(`By class:\n\n${table(['network', ...byClass], body)}`);
      }
    }
    if (positions.length > 0) {
      const sites = Object.keys(positions[0].tests);
      const testsOf = (tests: Readonly<Record<string, number>>) => sites.map(site => fixed(tests[site]));
      const body = positions.map(({ position, value, tests }) => [String(position), fixed(value), ...testsOf(tests)]);
      parts.push(`### Every position\n\n${table(['position', 'validation', ...sites], body)}`);
      const chosen = rules.map(({ rule, positions: at, tests }) => [`rule ${rule}`, at.join(', '), ...testsOf(tests)]);
      parts.push(table(['', 'chosen', ...sites], chosen));
      const about = rulesText({ positions, rules, rows });
      if (about) parts.push(about);
    }
    if (curves.length > 0) {
      const { head, rows: body } = curveTable(curves);
      parts.push(`### ${score} on ${own} by the number of stitches\n\n${table(head, body)}`);
    }
  }
  parts.push(
    'Differences are paired, on the same images, so that more is better; in brackets 95 % intervals of a bootstrap over groups, over several ' +
      'cells (folds, seeds) their outermost ends. Scores over several cells are means, with the least and the largest.',
  );
  return `${parts.join('\n\n')}\n`;
}
