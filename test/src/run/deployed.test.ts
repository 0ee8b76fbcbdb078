/** Training for the setting that is deployed, from features or from labels; and what labels teach about weights. Interrupted, too. */
import { existsSync } from 'node:fs';
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { numbersOf } from '../../../ir/index.ts';
import { resumeStitch, stitch } from '../../../src/api/stitch.ts';
import { resumeWeigh, weigh } from '../../../src/api/weigh.ts';
import { loadRun } from '../../../src/run/load.ts';
import type { StitchRequest } from '../../../src/run/plan.ts';
import type { TrainingRequest } from '../../../src/training/options.ts';
import { filesOf } from '../cli/files.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch, shared, suture } from '../cli/support.ts';

const executor = 'ort';

/** A request for a run of two small networks, in a folder. */
async function requestIn(folder: string, training: TrainingRequest): Promise<StitchRequest> {
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const data = await smallData(join(folder, 'data.npz'));
  return {
    networks: [a, b],
    data,
    output: join(folder, 'run'),
    training: { steps: 12, batch: 6, init: 'kaiming', closingImages: 0, ...training },
    executor,
  };
}

/** One of the test's own. */
const requestOf = async (training: TrainingRequest): Promise<StitchRequest> => requestIn(await scratch(), training);

/** Work that ends itself after so many steps of the stage. */
function endedAfter(steps: number, stage: string) {
  const controller = new AbortController();
  return {
    signal: controller.signal,
    onProgress: (event: { stage: string; done: number }) => {
      if (event.stage === stage && event.done === steps) controller.abort();
    },
  };
}

const trainings: readonly TrainingRequest[] = [
  { method: 'double-batched', positions: [0, 1], weight: 0.9, learningRate: 0.01 },
  { method: 'task', positions: [1], output: 0.7, learningRate: 0.05 },
  { method: 'task', settings: 'all', learningRate: 0.05 },
  { method: 'task', settings: 'sampled', learningRate: 0.01 },
];

describe.each(trainings)('a training by %j', training => {
  const kept = shared();
  let request: StitchRequest;
  let whole: Awaited<ReturnType<typeof stitch>>;
  beforeAll(async () => {
    request = await requestIn(kept(), training);
    whole = await stitch(request);
  });

  it('trains the stitches that are used, and leaves the others as they began', async () => {
    const { summary } = whole;
    // Single batches differ under sampled settings; here all images are in each.
    if (training.settings !== 'sampled') expect(summary.lastLoss!).toBeLessThan(summary.firstLoss!);
    const begun = { ...request, output: `${request.output}-0`, training: { ...request.training, steps: 0 } };
    await stitch(begun);
    const [run, first] = [await loadRun(request.output), await loadRun(begun.output)];
    const trained = training.positions ?? run.network.positions.map(p => p.id);
    for (const { position, weight } of run.network.stitches) {
      const [x, y] = [run, first].map(({ parameters }) => Array.from(numbersOf(parameters.get(weight)!)));
      expect(
        x.some((v, i) => v !== y[i]),
        weight,
      ).toBe(trained.includes(position));
    }
  });

  it('goes on after an interruption to the same bytes', async () => {
    const again = { ...request, output: `${request.output}-again` };
    await expect(stitch(again, endedAfter(5, 'training the stitches'))).rejects.toThrow(/--resume/);
    await resumeStitch(again.output);
    expect(await filesOf(again.output)).toEqual(await filesOf(request.output));
  });
});

describe('an interruption where no step is being trained', () => {
  it('of the closing fit: what was trained need not be trained again, and the bytes are the same', async () => {
    const request = await requestOf({ steps: 2, batch: 2, closingImages: 4 });
    await stitch(request);
    const again = { ...request, output: `${request.output}-again` };
    await expect(stitch(again, endedAfter(1, 'fitting the last stitches'))).rejects.toThrow(/closing fit.*--resume/);
    const trained: number[] = [];
    await resumeStitch(again.output, {
      onProgress: ({ stage, done }) => void (stage === 'training the stitches' && trained.push(done)),
    });
    expect(trained).toEqual([2]);
    expect(await filesOf(again.output)).toEqual(await filesOf(request.output));
  });

  it('of the initialisation: it is begun again, and the bytes are the same; what cannot begin leaves nothing', async () => {
    const request = await requestOf({ steps: 1, batch: 2, init: 'sequential' });
    await stitch(request);
    const again = { ...request, output: `${request.output}-again` };
    const stopped = stitch(again, endedAfter(1, 'initialising the stitches'));
    await expect(stopped).rejects.toThrow(/go on with `suture stitch --resume [^;]*`\.$/);
    await expect(loadRun(again.output)).rejects.toThrow(/is no run directory/);
    await resumeStitch(again.output);
    expect(await filesOf(again.output)).toEqual(await filesOf(request.output));

    const failed = { ...request, output: `${request.output}-failed` };
    const failing = stitch(failed, {
      onProgress: ({ stage }) => {
        if (stage === 'initialising the stitches') throw new RangeError('no room');
      },
    });
    await expect(failing).rejects.toThrow('no room');
    expect(existsSync(failed.output)).toBe(false);
    await expect(resumeStitch(failed.output)).rejects.toThrow(/failed does not exist; `suture run -o`/);
  });
});

describe('settings that do not go together', () => {
  it.each([
    [['--method', 'direct', '--positions', '1'], /whatever is stitched later/],
    [['--method', 'direct', '--settings', 'sampled'], /whatever is stitched later/],
    [['--settings', 'sampled', '--weight', '0.5'], /leave out --settings sampled/],
    [['--output-weight', '0.5'], /--method task alone/],
    [['--positions', '99'], /no position 99/],
    [['--positions', '1', '--weight', '1'], /weight/],
  ] as const)('%j are refused', async (options, message) => {
    const { networks, data, output } = await requestOf({});
    const { code, stderr } = await suture('stitch', ...networks, '--data', data, '-o', output, ...options);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

describe('weights from labels', () => {
  const learning = { learn: ['channels', 'outputs'], positions: [0, 1], steps: 8, batch: 4, executor } as const;

  it('go on after an interruption to the same bytes, and lose nothing that was learned before', async () => {
    const request = await requestOf({ method: 'direct', steps: 0 });
    const { output: run, data } = request;
    await stitch(request);
    await weigh(run, data, { ...learning, steps: 2 });
    const before = await readFile(join(run, 'weights.npz'));
    const whole = `${run}-whole`;
    await cp(run, whole, { recursive: true });
    const summary = await weigh(whole, data, learning);

    const interrupted = weigh(run, data, learning, endedAfter(3, 'learning weights'));
    await expect(interrupted).rejects.toThrow(/after 3 of 8 steps.*suture weigh .*--resume/);
    expect(await readFile(join(run, 'weights.npz'))).toEqual(before);
    expect((await suture('weigh', run, '--resume', '--lr', '1')).stderr).toMatch(/leave out --lr/);
    expect(await resumeWeigh(run)).toEqual({ ...summary, run });
    expect(await filesOf(run)).toEqual(await filesOf(whole));
    await expect(resumeWeigh(run)).rejects.toThrow(/no interrupted learning/);
  });

  it('keep what there was when the loss is not finite', async () => {
    const request = await requestOf({ method: 'direct', steps: 0 });
    await stitch(request);
    const failing = weigh(request.output, request.data, { ...learning, steps: 20, learningRate: 1e38 });
    await expect(failing).rejects.toThrow(/lower --lr; .*what the run had learned before is as it was/);
    expect((await suture('weigh', request.output)).stderr).toMatch(/Name the labelled images/);
  });
});
