/** What there is to say of a run whose training has ended. */
import * as v from 'valibot';
import type { OutputMeaning } from '../../passes/index.ts';
import { fromStored } from '../network/meaning.ts';
import { type ByTag, byTag } from '../network/tags.ts';
import type { Training } from '../training/options.ts';
import { trainedFor } from './found.ts';
import type { OpenRun } from './load.ts';

/** What `suture stitch` shows. */
export interface RunSummary {
  readonly run: string;
  /** By tag: the file as it was given. */
  readonly parents: ByTag<string>;
  /** What the parents' outputs mean. */
  readonly outputs: ByTag<OutputMeaning>;
  readonly positions: number;
  /** The settings that its stitches were trained for, where a search found them. */
  readonly settings?: readonly string[];
  readonly method: Training['method'];
  readonly steps: number;
  readonly batch: number;
  readonly seed: number;
  readonly executor: string;
  readonly firstLoss: number | undefined;
  readonly lastLoss: number | undefined;
}

const lossSchema = v.object({ loss: v.number() });

export async function summaryOf(run: Pick<OpenRun, 'directory' | 'network'>): Promise<RunSummary> {
  const { directory, network } = run;
  const { config, path } = directory;
  const settings = trainedFor(run).map(({ name }) => name);
  const parents = Object.values(config.parents);
  const { method, steps, batch, seed } = config.training;
  const metrics = await directory.readMetrics(lossSchema);
  return {
    run: path,
    parents: byTag(parents, ({ source }) => source),
    outputs: byTag(parents, ({ meaning }) => fromStored(meaning)),
    positions: network.positions.length,
    ...(settings.length > 0 && { settings }),
    method,
    steps,
    batch,
    seed,
    executor: config.executor.description,
    firstLoss: metrics[0]?.loss,
    lastLoss: metrics.at(-1)?.loss,
  };
}
