/** A training goes on from any step with the same numbers, the draws of its settings included. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withExecutor } from '../../../src/execution/execute.ts';
import { planRun } from '../../../src/run/plan.ts';
import { initialise } from '../../../src/training/initialise.ts';
import { trainingJob } from '../../../src/training/job.ts';
import { type Checkpoint, stepOf, Trainer } from '../../../src/training/train.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch } from '../cli/support.ts';

it('a training under sampled settings goes on from any step with the same bytes', async () => {
  const folder = await scratch();
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const data = await smallData(join(folder, 'data.npz'));
  const training = { steps: 6, batch: 2 };
  const { network, dataset, settings } = await planRun({ a, b, data, training, output: join(folder, 'run') });
  expect(settings.settings).toBe('sampled');
  await withExecutor({ executor: 'ort' }, async executor => {
    const job = trainingJob({ executor }, network, dataset);
    const initial = await initialise(job, settings);
    const train = async (from?: Checkpoint) => {
      const checkpoints: Checkpoint[] = [];
      const trainer = await Trainer.create(job, stepOf(network, settings), settings, from?.values ?? initial);
      const parameters = await trainer.run({
        ...(from && { from }),
        checkpointSeconds: 0,
        onCheckpoint: c => void checkpoints.push(c),
      });
      trainer.dispose();
      return { parameters, checkpoints };
    };
    const whole = await train();
    const half = whole.checkpoints.find(c => c.step === 3)!;
    // As it is stored.
    const { step, sampler, settings: state } = JSON.parse(JSON.stringify(half)) as Checkpoint;
    const resumed = await train({ step, sampler, settings: state, values: half.values });
    expect(resumed.parameters).toEqual(whole.parameters);
    const forgotten = await train({ step, sampler, values: half.values });
    expect(forgotten.parameters).not.toEqual(whole.parameters);
  });
});
