/** Trainings that fail: what is said, what is kept, and how they go on. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { SutureError } from '../../../ir/index.ts';
import type { Executor } from '../../../runtime/executor.ts';
import { resumeStitch, stitch, trainRun } from '../../../src/api/stitch.ts';
import { parseNpz } from '../../../src/data/npz.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { planRun } from '../../../src/run/plan.ts';
import { filesOf } from '../cli/files.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch, shared, suture } from '../cli/support.ts';

const training = { steps: 6, batch: 2, init: 'kaiming' } as const;

async function inputsIn(folder: string) {
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  return { folder, a, b, data: await smallData(join(folder, 'data.npz')) };
}

/** An executor that loses its device at a run of its training step. */
const losing = (executor: Executor, at: number): Executor => ({
  name: executor.name,
  describe: () => executor.describe(),
  dispose: () => executor.dispose(),
  prepare: async (graph, options) => {
    const session = await executor.prepare(graph, options);
    let runs = 0;
    const lost = () =>
      new SutureError('device-lost', 'The GPU device was lost (a test).', { details: ['Start again.'] });
    return {
      memory: session.memory,
      dispose: () => session.dispose(),
      write: (input, value) => session.write(input, value),
      read: input => (runs > at ? Promise.reject(lost()) : session.read(input)),
      run: (given, fetch) => (runs++ === at ? Promise.reject(lost()) : session.run(given, fetch)),
    };
  },
});

describe('a device that is lost while stitches are trained', () => {
  const kept = shared();
  let inputs: Awaited<ReturnType<typeof inputsIn>>;
  let whole = '';
  beforeAll(async () => {
    inputs = await inputsIn(kept());
    whole = join(kept(), 'whole');
    await stitch({ networks: [inputs.a, inputs.b], data: inputs.data, training, executor: 'ort', output: whole });
  });

  it.each([0, 3])('at step %i: the training says how to go on, and goes on to the same bytes', async at => {
    const { folder, a, b, data } = inputs;
    const output = join(folder, `run-${at}`);
    const plan = await planRun({ networks: [a, b], data, training, output });
    const work = { checkpointSeconds: 0 };
    const failed = withExecutor({ executor: 'ort' }, executor => trainRun(plan, losing(executor, at), work));
    await expect(failed).rejects.toMatchObject({
      code: 'device-lost',
      message: `The GPU device was lost (a test); go on with \`suture stitch --resume ${output}\`.`,
      details: ['Start again.'],
    });
    await resumeStitch(output);
    expect(await filesOf(output)).toEqual(await filesOf(whole));
  });
});

describe('a loss that is not finite', () => {
  const options = (executor: string, ...more: string[]) => [
    '--executor',
    executor,
    '--steps',
    '20',
    '--batch',
    '2',
    ...more,
  ];

  it.each(['ort', 'webgpu'])('ends the training with %s, and names the term and the switch', async executor => {
    const { folder, a, b, data } = await inputsIn(await scratch());
    const run = join(folder, 'run');
    const given = options(executor, '--init', 'kaiming', '--lr', '1e30', '-o', run);
    const { code, stderr } = await suture('stitch', a, b, '--data', data, ...given);
    expect(stderr).toMatch(
      /^error At step 10 the loss at position \d, switch of parent [ab] \('loss\/\d\/[ab]'\), is (NaN|Infinity); lower --lr.*; there is no checkpoint yet\.\n$/,
    );
    expect(code).toBe(1);
  });

  it('keeps the last good checkpoint', async () => {
    const { folder, a, b, data } = await inputsIn(await scratch());
    const run = join(folder, 'run');
    const given = options('ort', '--init', 'kaiming', '--lr', '1e30', '--checkpoint-every', '0', '-o', run);
    const { code, stderr } = await suture('stitch', a, b, '--data', data, ...given);
    expect(stderr).toMatch(
      /^error .* (is no longer finite|the loss .* is (NaN|Infinity)).*; the last good checkpoint is kept\.\n$/,
    );
    expect(code).toBe(1);
    const arrays = parseNpz(await readFile(join(run, 'checkpoint.npz')));
    for (const [name, { data: values, dtype }] of arrays) {
      if (dtype === 'float32') expect(Array.from(values as Float32Array).every(Number.isFinite), name).toBe(true);
    }
  });
});
