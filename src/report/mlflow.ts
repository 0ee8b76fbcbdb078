/**
 * Runs as MLflow keeps them in a file store: `DIR/EXPERIMENT/ID/` with `meta.yaml`, and a file for each metric, parameter and tag. What is here is
 * what `mlflow/store/tracking/file_store.py` reads and `mlflow/utils/validation.py` takes, of MLflow 2 and 3: a metric is lines of
 * `timestamp value step`, the others are their value.
 */
import { pathToFileURL } from 'node:url';
import { type TrackedRun, trackedName } from './tracked.ts';

export interface Experiment {
  /** Of letters and digits. */
  readonly id: string;
  readonly name: string;
  /** In milliseconds since 1970. */
  readonly begun: number;
}

/** The one that every store has. */
export const defaultExperiment = (begun: number): Experiment => ({ id: '0', name: 'Default', begun });

/** The numbers by which the store knows how a run is, and one that was started from a file. */
const statuses: Readonly<Record<TrackedRun['status'], number>> = { running: 1, finished: 3, failed: 4 };
const local = 4;

/** How long values may be. */
const longest = { parameter: 6000, tag: 5000 };

type Entries = Readonly<Record<string, string | number | null | readonly string[]>>;

/** Text in quotes is the same in JSON and in YAML, but for characters that YAML does not let stand. */
const yaml = (entries: Entries): string =>
  Object.entries(entries)
    .map(([name, value]) => `${name}: ${JSON.stringify(value)}\n`)
    .join('')
    .replace(
      /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g,
      c => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );

const urlOf = (store: string, path: string): string => `${pathToFileURL(`${store}/`).href}${path}`;

/** Where a store has the run. */
export const mlflowFolder = ({ id }: Experiment, run: Pick<TrackedRun, 'id'>): string => `${id}/${run.id}`;

/** The `meta.yaml` of an experiment. @param store the folder that is the store, `mlruns`. */
export const experimentText = (store: string, { id, name, begun }: Experiment): string =>
  yaml({
    ...{ artifact_location: urlOf(store, id), creation_time: begun, experiment_id: id, last_update_time: begun },
    ...{ lifecycle_stage: 'active', name },
  });

/** The files of a run, by their paths in its folder. */
export function mlflowFiles(store: string, experiment: Experiment, run: TrackedRun): ReadonlyMap<string, string> {
  const { id, name, status, begun, ended, metrics, parameters, tags, note } = run;
  const files = new Map<string, string>();
  files.set(
    'meta.yaml',
    yaml({
      artifact_uri: `${urlOf(store, mlflowFolder(experiment, run))}/artifacts`,
      ...{ end_time: status === 'running' ? null : ended, entry_point_name: '', experiment_id: experiment.id },
      ...{ lifecycle_stage: 'active', run_id: id, run_name: name, run_uuid: id, source_name: '', source_type: local },
      ...{ source_version: '', start_time: begun, status: statuses[status], tags: [], user_id: '' },
    }),
  );
  for (const [key, points] of metrics) {
    files.set(`metrics/${key}`, points.map(({ step, value }) => `${ended} ${value} ${step}\n`).join(''));
  }
  for (const [key, value] of Object.entries(parameters)) {
    files.set(`params/${trackedName(key)}`, value.slice(0, longest.parameter));
  }
  const all = {
    ...{ 'mlflow.runName': name, 'mlflow.source.name': 'suture', 'mlflow.source.type': 'LOCAL', ...tags },
    ...(note !== undefined && { 'mlflow.note.content': note }),
  };
  for (const [key, value] of Object.entries(all)) files.set(`tags/${trackedName(key)}`, value.slice(0, longest.tag));
  return files;
}
