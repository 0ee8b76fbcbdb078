/** What of a run directory is tracked. */
import { parentName } from '../network/names.ts';
import type { RunConfig } from '../run/config.ts';
import type { Sweep } from '../selection/sweep.ts';
import type { StoredVerdict } from '../selection/verdict.ts';
import type { MetricsLine, StoredReport } from './stored.ts';
import { addTraining, TrackedMetrics, type TrackedRun } from './tracked.ts';

export interface RunParts extends Pick<TrackedRun, 'name' | 'begun' | 'ended'> {
  readonly config: RunConfig;
  /** The seal of the configuration: runs of one configuration are one run. */
  readonly seal: string;
  readonly training: readonly MetricsLine[];
  readonly sweep: Sweep | undefined;
  readonly verdict: StoredVerdict | undefined;
  readonly report: StoredReport | undefined;
}

export function trackedRun(parts: RunParts): TrackedRun {
  const { name, begun, ended, config, seal, training, sweep, verdict, report } = parts;
  const metrics = new TrackedMetrics();
  addTraining(metrics, training);
  // The positions take the place of steps, so that they are drawn as a curve.
  metrics.add(['by position'], sweep?.positions.map(({ position, value }) => ({ step: position, value })) ?? []);
  const exported = report?.exported.candidate;
  for (const { name: network, cost, own, shift } of verdict?.standings ?? []) {
    for (const called of network === exported ? [network, 'exported'] : [network]) {
      metrics.once([called, 'cost'], cost);
      metrics.once([called, 'own'], own);
      metrics.once([called, 'shift'], shift);
      for (const test of report?.tests ?? []) {
        metrics.once([called, 'test', test.name], test.rows.find(row => row.network === network)?.score.value);
      }
    }
  }
  const { parents, training: settings, data, executor, task, versions } = config;
  const parameters: Readonly<Record<string, unknown>> = {
    ...Object.fromEntries(Object.entries(parents).map(([tag, { source }]) => [parentName(tag), source])),
    ...{ data: data.source, task, executor: executor.description, ...settings },
    ...(exported !== undefined && { exported }),
  };
  return {
    ...{ id: seal.slice(0, 32), name, status: 'finished', begun, ended, metrics: metrics.all },
    parameters: textsOf(parameters),
    tags: {
      'suture.seal': seal,
      ...textsOf(Object.fromEntries(Object.entries(versions).map(([what, version]) => [`version.${what}`, version]))),
    },
  };
}

/** Values as text; those that are not there are left out. */
export const textsOf = (values: Readonly<Record<string, unknown>>): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(values).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, typeof value === 'string' ? value : JSON.stringify(value)]],
    ),
  );
