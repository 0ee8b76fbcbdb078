/** The sweep of a run directory. */
import { loadDataset } from './data/dataset.ts';
import { requireScorable } from './evaluate.ts';
import { withExecutor } from './execute.ts';
import type { ExecutorOptions } from './executors.ts';
import { jsonText } from './files/output.ts';
import { workOptions } from './progress.ts';
import { loadRun } from './run/load.ts';
import { type Sweep, type SweepOptions, sweep } from './selection/sweep.ts';

/**
 * Scores every position of a run on a data file and keeps the result as `sweep.json` in the run.
 *
 * @throws SutureError `run-invalid`, `data-unreadable`, `data-invalid`.
 */
export async function sweepRun(
  path: string,
  data: string,
  options: SweepOptions & ExecutorOptions = {},
): Promise<Sweep> {
  const run = await loadRun(path);
  const dataset = await loadDataset(data);
  const { a, b } = run.parents;
  requireScorable(
    [a, b].map(({ path: name, graph }) => ({ name, graph })),
    dataset,
  );
  return withExecutor(options, async executor => {
    const { batch } = options;
    const result = await sweep(executor, run.network, run.parameters, dataset, {
      ...workOptions(options),
      ...(batch !== undefined && { batch }),
    });
    await run.directory.write('sweep', jsonText(result));
    return result;
  });
}
