/** How a training begins. */
import { stepBatch } from '../execution/fixed-batch.ts';
import { isDense } from '../network/join.ts';
import { type Model, sharedBatch } from '../network/model.ts';
import { type BegunTraining, type TrainingRequest, usualBatch, withDefaults } from './options.ts';

/**
 * What is asked for, and what suits the networks for the rest.
 *
 * @throws SutureError `option-invalid`, `parents-incompatible`.
 */
export function trainingFor(models: readonly Model[], request: TrainingRequest = {}): BegunTraining {
  const batch = stepBatch(sharedBatch(models), request.batch, usualBatch);
  return withDefaults({ ...request, batch }, { dense: isDense(models[0]) });
}
