/** The last stitches are fitted to the outputs, and nothing else is touched. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withExecutor } from '../../../src/execution/open.ts';
import type { ProgressEvent } from '../../../src/execution/progress.ts';
import { planRun } from '../../../src/run/plan.ts';
import { fitToOutputs } from '../../../src/training/closing.ts';
import { initialise } from '../../../src/training/initialise.ts';
import { trainingJob } from '../../../src/training/job.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch } from '../cli/support.ts';

it('the closing fit changes the last stitches alone, the same way each time', async () => {
  const folder = await scratch();
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const data = await smallData(join(folder, 'data.npz'));
  const asked = { steps: 0, batch: 2, init: 'kaiming', closingImages: 5 } as const;
  const { network, dataset, training } = await planRun({
    networks: [a, b],
    data,
    training: asked,
    output: join(folder, 'run'),
  });
  await withExecutor({ executor: 'ort' }, async executor => {
    const job = trainingJob({ executor }, network, dataset);
    const initial = await initialise(job, training);
    const notes: number[] = [];
    const onProgress = ({ note }: ProgressEvent) => void (note && notes.push(Number(note.replace('divergence ', ''))));
    const close = () => fitToOutputs({ ...job, onProgress }, training, initial);
    const fitted = await close();
    const last = network.positions.at(-1)!.id;
    for (const { position, weight, bias } of network.stitches) {
      for (const name of [weight, bias]) {
        if (position === last) expect(fitted.get(name)).not.toEqual(initial.get(name));
        else expect(fitted.get(name)).toBe(initial.get(name));
      }
    }
    // On images that were held out.
    expect(Math.min(...notes)).toBeLessThan(0.9 * notes[0]);
    expect(await close()).toEqual(fitted);
  });
});

it('is refused where nothing is drawn', async () => {
  const folder = await scratch();
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const data = await smallData(join(folder, 'data.npz'));
  const training = { settings: 'all', closingImages: 5 } as const;
  await expect(planRun({ networks: [a, b], data, training, output: join(folder, 'run') })).rejects.toMatchObject({
    code: 'option-invalid',
  });
});
