/** The search over the settings of a run. */
import { SutureError } from '../../ir/errors.ts';
import { loadDataset } from '../data/load.ts';
import { hashData } from '../data/raw/load.ts';
import type { ExecutorOptions } from '../execution/executors.ts';
import { withExecutor } from '../execution/open.ts';
import { type WorkOptions, workOptions } from '../execution/progress.ts';
import { hashBytes } from '../files/hash.ts';
import { LabelledData } from '../metrics/labelled.ts';
import { type StressRequest, stressSets } from '../metrics/stress-sets.ts';
import { withLockedRun } from '../run/access.ts';
import { labelsOfRun } from '../run/config.ts';
import { trainedFor } from '../run/found.ts';
import { loadRun } from '../run/load.ts';
import { affordable } from '../selection/search/affordable.ts';
import type { CostKind } from '../selection/search/cost.ts';
import { type Search, searchSchema, searchSettings } from '../selection/search/search.ts';
import type { LabelRequest } from './sweep.ts';

export interface SearchRequest extends WorkOptions, ExecutorOptions, LabelRequest {
  /** How many networks are evaluated, those of earlier calls counted. Default: what takes some minutes of two processor cores. */
  readonly evaluations?: number | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
  /** Default `flops`. */
  readonly cost?: CostKind | undefined;
  readonly stress?: StressRequest | undefined;
  /** Images at a time. Default 8. */
  readonly batch?: number | undefined;
}

/**
 * Searches the settings of a run for those that no other surpasses in score, score under shift and cost, and keeps what is found as
 * `search.json` in the run. A search of the same data, seed and kind of cost that is there goes on.
 *
 * @throws SutureError `run-invalid`, `run-locked`, `data-unreadable`, `data-invalid`; `interrupted`, what was found being kept.
 */
export const search = (path: string, data: string, request: SearchRequest = {}): Promise<Search> =>
  withLockedRun(path, () => searchLocked(path, data, request));

async function searchLocked(path: string, data: string, request: SearchRequest): Promise<Search> {
  const { labels, metric, stress: asked, seed = 0, cost = 'flops', batch } = request;
  const run = await loadRun(path);
  const { directory, parents } = run;
  const said = labelsOfRun(directory.config, labels);
  const own = LabelledData.toChooseBy(parents, await loadDataset(data, said), metric);
  const stress = asked ? await stressSets(own, parents, asked, said) : [];
  const files = await Promise.all(
    [data, ...(asked?.files ?? []).map(({ file }) => file)].map(file => hashData(file, said)),
  );
  const names = stress.map(({ name }) => name);
  const key = hashBytes(JSON.stringify([files, names, asked?.images, asked?.seed, said, metric]));
  const earlier = await directory.readJson('search', searchSchema);
  const goesOn = earlier?.data === key && earlier.seed === seed && earlier.cost === cost;
  const known = goesOn ? earlier.evaluated : [];
  const { evaluations = affordable(run, [own, ...stress.map(set => set.data)]) } = request;
  return withExecutor(request, async executor => {
    let kept = known.length;
    try {
      const found = await searchSettings(
        { executor, ...workOptions(request) },
        run,
        { own, stress, key, begin: trainedFor(run) },
        {
          ...{ evaluations, seed, cost, batch, known },
          keep: async now => {
            // What is done again of an earlier search is shorter than it.
            if (now.evaluated.length < known.length) return;
            await directory.writeJson('search', now);
            kept = now.evaluated.length;
          },
        },
      );
      await directory.writeJson('search', found);
      return found;
    } catch (error) {
      if (!(error instanceof SutureError) || error.code !== 'interrupted') throw error;
      const message = `The search was interrupted after ${kept} evaluations; what was found is kept, and the same command goes on with it.`;
      throw new SutureError('interrupted', message, { cause: error });
    }
  });
}
