/** What there is to say of a run whose training has ended. */
import * as v from 'valibot';
import type { OutputMeaning } from '../../passes/index.ts';
import { fromStored } from '../network/meaning.ts';
import type { TrainingSettings } from '../training/settings.ts';
import type { RunDirectory } from './directory.ts';

/** What `suture stitch` shows. */
export interface RunSummary {
  readonly run: string;
  readonly parents: { readonly a: string; readonly b: string };
  /** What the parents' outputs mean. */
  readonly outputs: { readonly a: OutputMeaning; readonly b: OutputMeaning };
  readonly positions: number;
  readonly method: TrainingSettings['method'];
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  readonly executor: string;
  readonly firstLoss: number | undefined;
  readonly lastLoss: number | undefined;
}

const lossSchema = v.object({ loss: v.number() });

/** @param positions how many the super-network has. */
export async function summaryOf(directory: RunDirectory, positions: number): Promise<RunSummary> {
  const { config, path } = directory;
  const { method, steps, batch, seed } = config.training;
  const metrics = await directory.readMetrics(lossSchema);
  return {
    run: path,
    parents: { a: config.parents.a.source, b: config.parents.b.source },
    outputs: { a: fromStored(config.parents.a.meaning), b: fromStored(config.parents.b.meaning) },
    positions,
    method,
    steps,
    batch,
    seed,
    executor: config.executor.description,
    firstLoss: metrics[0]?.loss,
    lastLoss: metrics.at(-1)?.loss,
  };
}
