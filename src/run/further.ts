/** Stitches that are trained further, for settings that a search found in their run. */
import { printable, SutureError } from '../../ir/errors.ts';
import type { StitchParameters } from '../../passes/index.ts';
import { requireBatch } from '../data/batches.ts';
import { loadDataset } from '../data/load.ts';
import { hashData } from '../data/raw/load.ts';
import { stepBatch } from '../execution/fixed-batch.ts';
import { isDense } from '../network/join.ts';
import { sharedBatch } from '../network/model.ts';
import { networkForImages } from '../network/sizes.ts';
import { type FoundTraining, type FurtherRequest, furtherDefaults, usualBatch } from '../training/options.ts';
import { requireRoom } from '../training/room.ts';
import { checkRunOutput } from './access.ts';
import { labelsOfRun } from './config.ts';
import { type FoundChoice, foundIn } from './found.ts';
import { loadRun } from './load.ts';
import type { RunPlan, StitchRequest } from './plan.ts';

/** What a run whose stitches are trained further takes of a request; the rest it has of the run that it goes on from. */
export interface FurtherStitchRequest extends Omit<StitchRequest, 'networks' | 'training' | Inherited> {
  /** The run that it goes on from. */
  readonly run: string;
  /** What is trained for; where there are several, one is drawn for each sample. */
  readonly settings: readonly FoundChoice[];
  readonly training?: FurtherRequest;
}

type Inherited = 'matchWith' | 'pairs' | 'task' | 'labels' | 'outputMean' | 'activation';

/**
 * Reads and checks everything that the run needs.
 *
 * @throws SutureError `run-invalid`, `option-invalid` for settings that were not found, and as `planRun`.
 */
export async function planFurther(request: FurtherStitchRequest): Promise<RunPlan<FoundTraining>> {
  const { output, force = false } = request;
  await checkRunOutput(output, { force });
  const run = await loadRun(request.run);
  const { directory, parents, network } = run;
  const { config } = directory;
  const found = [];
  for (const choice of request.settings) found.push(await foundIn(run, choice));
  const unstitched = found.find(({ uses }) => Object.keys(uses).length === 0);
  if (unstitched) {
    throw new SutureError(
      'option-invalid',
      `The setting '${unstitched.name}' has no stitch that could be trained; name another.`,
    );
  }
  const batch = stepBatch(sharedBatch(parents), request.training?.batch, usualBatch);
  const from = { run: request.run, parameters: await directory.parametersSeal() };
  const training = furtherDefaults({ ...request.training, batch }, { found, from }, { dense: isDense(parents[0]) });
  const labels = labelsOfRun(config);
  const dataset = await loadDataset(request.data, labels, 'training');
  if (training.steps > 0) requireBatch(training.batch, dataset);
  networkForImages(network, dataset);
  requireRoom(network, training, dataset);
  const { task, outputMean } = config;
  return {
    ...{ output, force, parents, pairs: await directory.readPairs(), network, dataset },
    dataHash: await hashData(request.data, labels),
    ...{ training, task, labels, outputMean, input: config.input, warnings: [] },
  };
}

/** What such a training begins with. @throws SutureError `run-invalid` where that is no longer there as it was. */
export async function startOf({ from }: FoundTraining): Promise<StitchParameters> {
  const { parameters, directory } = await loadRun(from.run);
  if ((await directory.parametersSeal()) === from.parameters) return parameters;
  throw new SutureError(
    'run-invalid',
    `${printable(from.run)} has other stitches than the training was begun with; begin it anew.`,
  );
}
