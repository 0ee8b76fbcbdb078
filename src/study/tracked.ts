/** What of a study is tracked: a run for each cell, and one of what they came to. */
import { basename } from 'node:path';
import { hashBytes } from '../files/hash.ts';
import { lineChart } from '../report/chart.ts';
import type { KeptRun } from '../report/keep.ts';
import type { Experiment } from '../report/mlflow.ts';
import type { MetricsLine } from '../report/stored.ts';
import { addTraining, TrackedMetrics, type TrackedRun } from '../report/tracked.ts';
import { textsOf } from '../report/tracked-run.ts';
import { settingsOf } from './cells.ts';
import type { CellRecord, CellResult, CellState, CellStatus } from './folder.ts';
import { rowTitle, type StudyReport } from './report.ts';
import type { StudyRequest } from './request.ts';

/** The experiment that a study is: the same for the same folder. @param path of the folder, absolute. */
export function experimentOf(path: string, begun: number): Experiment {
  // As MLflow numbers its own: 18 digits.
  const id = (BigInt(`0x${hashBytes(path).slice(0, 16)}`) % 10n ** 18n).toString().padStart(18, '0');
  return { id, name: `${basename(path)} ${id.slice(0, 6)}`, begun };
}

const idOf = ({ id }: Experiment, what: string): string => hashBytes(`${id}/${what}`).slice(0, 32);

const statuses: Readonly<Partial<Record<CellStatus, TrackedRun['status']>>> = {
  ...{ done: 'finished', failed: 'failed', running: 'running', interrupted: 'running' },
};

export interface CellParts {
  readonly request: StudyRequest;
  readonly state: CellState;
  readonly experiment: Experiment;
  /** When its record was written, in milliseconds. */
  readonly ended: number;
  readonly training: readonly MetricsLine[];
  /** What its processes said. */
  readonly log: string | undefined;
}

/** A cell; undefined where it was not begun. */
export function trackedCell({ request, state, experiment, ended, training, log }: CellParts): KeptRun | undefined {
  const { cell, record } = state;
  const status = statuses[state.status];
  if (!record || !status) return undefined;
  const { key, kind, sites, seed, fold } = cell;
  const { result, error, seconds, peakBytes } = record;
  const metrics = new TrackedMetrics();
  addTraining(metrics, training);
  metrics.once(['seconds'], seconds);
  metrics.once(['peak MiB'], peakBytes / 2 ** 20);
  if (result) addResult(metrics, result);
  const note = error ?? result?.note;
  const [own, partner] = sites;
  const settings = settingsOf(request, kind);
  return {
    run: {
      ...{ id: idOf(experiment, key), name: key.replace(/-[0-9a-f]{8}$/, ''), status, ended },
      begun: Math.round(ended - 1000 * seconds),
      metrics: metrics.all,
      parameters: textsOf({ cell: kind, own, partner, seed, fold, executor: request.executor, ...settings }),
      tags: { 'suture.cell': key },
      ...(note !== undefined && { note }),
    },
    artifacts: new Map([...(log === undefined ? [] : [['log.txt', log] as const]), ...figuresOf(record)]),
  };
}

/** Scores by site; positions and numbers of stitches take the place of steps, so that they are drawn as curves. */
function addResult(metrics: TrackedMetrics, { tests = [], positions = [], curve = [] }: CellResult): void {
  for (const { site, value, pooled, classes, against } of tests) {
    metrics.once([site, 'score'], value);
    metrics.once([site, 'pooled'], pooled);
    for (const { name, mean } of classes) metrics.once([site, 'class', name], mean);
    for (const { network, value: difference, low, high } of against) {
      metrics.once([site, `less ${network}`], difference);
      metrics.once([site, `less ${network}, low`], low);
      metrics.once([site, `less ${network}, high`], high);
    }
  }
  metrics.add(
    ['by position', 'validation'],
    positions.map(({ position, validation }) => ({ step: position, value: validation })),
  );
  for (const site of Object.keys(positions[0]?.tests ?? {})) {
    metrics.add(
      ['by position', `on ${site}`],
      positions.map(({ position, tests: scores }) => ({ step: position, value: scores[site] })),
    );
  }
  metrics.add(
    ['by number of stitches'],
    curve.map(({ count, value }) => ({ step: count, value })),
  );
}

/** Of stitches: the score by position, and by how many are used at once. */
function figuresOf({ sites: [own], result }: CellRecord): readonly (readonly [string, string])[] {
  const { positions = [], curve = [], metric = 'score' } = result ?? {};
  const figures: [string, string][] = [];
  if (positions.length > 0) {
    const series = ['validation', ...Object.keys(positions[0].tests)].map((name, i) => ({
      name: i === 0 ? name : `on ${name}`,
      points: positions.map(({ position, validation, tests }) => ({
        ...{ x: position, y: i === 0 ? validation : tests[name] },
      })),
    }));
    figures.push(['positions.svg', lineChart(series, { xLabel: 'position', yLabel: metric })]);
  }
  if (curve.length > 0) {
    const points = curve.map(({ count, value }) => ({ x: count, y: value }));
    const labels = { xLabel: 'stitches used at once', yLabel: `${metric} on ${own}` };
    figures.push(['curve.svg', lineChart([{ name: '', points }], labels)]);
  }
  return figures;
}

/** What the cells came to: mean scores of every method on both sites of each pair. @param files the report, by names. */
export function trackedStudy(
  { pairs, done, cells, failed }: StudyReport,
  experiment: Experiment,
  ended: number,
  files: ReadonlyMap<string, string>,
): KeptRun {
  const metrics = new TrackedMetrics();
  metrics.once(['cells done'], done);
  for (const { own, partner, rows } of pairs) {
    for (const row of rows) {
      for (const { site, mean } of row.sites)
        metrics.once([`${own} with ${partner}`, rowTitle(row), `on ${site}`], mean);
    }
  }
  return {
    run: {
      ...{ id: idOf(experiment, 'study'), name: 'study', begun: experiment.begun, ended, metrics: metrics.all },
      status: done === cells ? 'finished' : failed.length > 0 ? 'failed' : 'running',
      parameters: textsOf({ cells }),
      tags: {},
    },
    artifacts: files,
  };
}
