/**
 * A run as MLflow keeps one in a file store: `DIR/0/ID/` with `meta.yaml`, and a file for each metric, parameter and tag. What is here is what
 * `mlflow/store/tracking/file_store.py` of MLflow 2 reads: a metric is lines of `timestamp value step`, the others are their value.
 */
import { pathToFileURL } from 'node:url';
import type { RunConfig } from '../run/config.ts';
import type { Sweep } from '../selection/sweep.ts';
import type { StoredVerdict } from '../selection/verdict.ts';
import type { MetricsLine, StoredReport } from './stored.ts';

export interface MlflowParts {
  /** The folder that is the store, `mlruns`. */
  readonly store: string;
  /** What the run is called. */
  readonly name: string;
  readonly config: RunConfig;
  /** The seal of the configuration: runs of one configuration are one run. */
  readonly seal: string;
  /** When the run was begun and last written to, in milliseconds: MLflow orders by it. */
  readonly begun: number;
  readonly ended: number;
  readonly training: readonly MetricsLine[];
  readonly sweep: Sweep | undefined;
  readonly verdict: StoredVerdict | undefined;
  readonly report: StoredReport | undefined;
}

/** The experiment that MLflow calls Default. */
const experiment = '0';

/** MLflow takes letters, digits, `_`, `-`, `.`, spaces, and slashes, which are folders. */
const keyOf = (...parts: readonly string[]): string =>
  parts.map(part => part.replace(/[^\w\-. /]+/g, '').replace(/^[./ ]+|[./ ]+$/g, '') || '_').join('/');

/** Text in quotes is the same in JSON and in YAML. */
const yaml = (entries: Readonly<Record<string, string | number | readonly string[]>>): string =>
  Object.entries(entries)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    .join('');

/** The number by which MLflow's file store knows a run that has ended well, and one that was started from a file. */
const [finished, local] = [3, 4];

/** @returns the folder of the run in the store, and by their paths in the store the files that make it; the experiment's own is the first. */
export function mlflowFiles(parts: MlflowParts): {
  readonly folder: string;
  readonly files: ReadonlyMap<string, string>;
} {
  const { store, name, config, seal, begun, ended, verdict, report, sweep, training } = parts;
  const id = seal.slice(0, 32);
  const folder = `${experiment}/${id}`;
  const { href } = pathToFileURL(`${store}/`);
  const files = new Map<string, string>();
  files.set(
    `${experiment}/meta.yaml`,
    yaml({
      ...{ artifact_location: `${href}${experiment}`, creation_time: begun, experiment_id: experiment },
      ...{ last_update_time: begun, lifecycle_stage: 'active', name: 'Default' },
    }),
  );
  files.set(
    `${folder}/meta.yaml`,
    yaml({
      ...{
        artifact_uri: `${href}${folder}/artifacts`,
        end_time: ended,
        entry_point_name: '',
        experiment_id: experiment,
      },
      ...{ lifecycle_stage: 'active', run_id: id, run_name: name, run_uuid: id, source_name: '', source_type: local },
      ...{ source_version: '', start_time: begun, status: finished, tags: [], user_id: '' },
    }),
  );
  const metric = (
    key: string,
    points: readonly { readonly step: number; readonly value: number | undefined }[],
  ): void => {
    const lines = points.flatMap(({ step, value }) =>
      value === undefined || !Number.isFinite(value) ? [] : `${ended} ${value} ${step}\n`,
    );
    if (lines.length > 0) files.set(`${folder}/metrics/${key}`, lines.join(''));
  };
  metric(
    'loss',
    training.map(({ step, loss }) => ({ step, value: loss })),
  );
  metric(
    'learning rate',
    training.map(({ step, learningRate }) => ({ step, value: learningRate })),
  );
  for (const term of Object.keys(training[0]?.terms ?? {})) {
    metric(
      keyOf('terms', term),
      training.map(({ step, terms }) => ({ step, value: terms?.[term] })),
    );
  }
  // The positions take the place of steps, so that they are drawn as a curve.
  metric('by position', sweep?.positions.map(({ position, value }) => ({ step: position, value })) ?? []);
  const once = (key: string, value: number | undefined): void => metric(key, [{ step: 0, value }]);
  const exported = report?.exported.candidate;
  for (const { name: network, cost, own, shift } of verdict?.standings ?? []) {
    for (const called of network === exported ? [network, 'exported'] : [network]) {
      once(keyOf(called, 'cost'), cost);
      once(keyOf(called, 'own'), own);
      once(keyOf(called, 'shift'), shift);
      for (const test of report?.tests ?? []) {
        once(keyOf(called, 'test', test.name), test.rows.find(row => row.network === network)?.score.value);
      }
    }
  }
  const { parents, training: settings, data, executor, task } = config;
  const parameters: Readonly<Record<string, unknown>> = {
    ...Object.fromEntries(Object.entries(parents).map(([tag, { source }]) => [`parent ${tag}`, source])),
    ...{ data: data.source, task, executor: executor.description, ...settings },
    ...(exported !== undefined && { exported }),
  };
  for (const [key, value] of Object.entries(parameters)) {
    if (value === undefined) continue;
    files.set(`${folder}/params/${keyOf(key)}`, typeof value === 'string' ? value : JSON.stringify(value));
  }
  const tags: Readonly<Record<string, string>> = {
    ...{ 'mlflow.runName': name, 'mlflow.source.name': 'suture', 'mlflow.source.type': 'LOCAL', 'suture.seal': seal },
    ...Object.fromEntries(
      Object.entries(config.versions).flatMap(([what, version]) => (version ? [[`version.${what}`, version]] : [])),
    ),
  };
  for (const [key, value] of Object.entries(tags)) files.set(`${folder}/tags/${keyOf(key)}`, value);
  return { folder, files };
}
