/** A training goes on from any step with the same numbers, the draws of its settings included. */
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { withExecutor } from '../../../src/execution/open.ts';
import { planRun } from '../../../src/run/plan.ts';
import { stitchFeed } from '../../../src/training/feed.ts';
import { initialise } from '../../../src/training/initialise.ts';
import { trainingJob } from '../../../src/training/job.ts';
import { type Checkpoint, stepOf, Trainer } from '../../../src/training/train.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch } from '../cli/support.ts';

it('a training under sampled settings goes on from any step with the same bytes', async () => {
  const folder = await scratch();
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const data = await smallData(join(folder, 'data.npz'));
  const asked = { steps: 6, batch: 2 };
  const { network, dataset, training } = await planRun({
    networks: [a, b],
    data,
    training: asked,
    output: join(folder, 'run'),
  });
  expect(training.settings).toBe('sampled');
  await withExecutor({ executor: 'ort' }, async executor => {
    const job = trainingJob({ executor, checkpointSeconds: 0 }, network, dataset);
    const initial = await initialise(job, training);
    const train = async (from?: Checkpoint) => {
      const checkpoints: Checkpoint[] = [];
      const step = stepOf(network, training);
      const feed = stitchFeed(job, step, training);
      const trainer = await Trainer.create(job, { step, schedule: training, feed }, from?.values ?? initial);
      const parameters = await trainer.run({
        ...(from && { from }),
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

it('checkpoints that take long are fewer', async () => {
  const folder = await scratch();
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const data = await smallData(join(folder, 'data.npz'));
  const asked = { steps: 30, batch: 2, init: 'identity' } as const;
  const { network, dataset, training } = await planRun({
    networks: [a, b],
    data,
    training: asked,
    output: join(folder, 'run'),
  });
  await withExecutor({ executor: 'ort' }, async executor => {
    const job = trainingJob({ executor }, network, dataset);
    // The beginning and each step take a second, a checkpoint two.
    let clock = 0;
    const now = vi.spyOn(performance, 'now').mockImplementation(() => clock);
    onTestFinished(() => now.mockRestore());
    const written = async (checkpointSeconds: number): Promise<number[]> => {
      const steps: number[] = [];
      const onProgress = (): void => {
        clock += 1000;
      };
      const values = await initialise(job, training);
      const step = stepOf(network, training);
      const feed = stitchFeed(job, step, training);
      const trainer = await Trainer.create(
        { ...job, onProgress, checkpointSeconds },
        { step, schedule: training, feed },
        values,
      );
      const onCheckpoint = ({ step }: Checkpoint): void => {
        clock += 2000;
        steps.push(step);
      };
      await trainer.run({ onCheckpoint });
      trainer.dispose();
      return steps;
    };
    expect((await written(0)).length).toBe(29);
    // The first after more than 2.5 seconds, the others after more than eighteen.
    expect(await written(2.5)).toEqual([2, 21]);
  });
});
