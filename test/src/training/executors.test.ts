/** Stitches fitted in sequence, steps under sampled settings, the closing fit, and whole networks, on both executors. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { float32, numbersOf, type Tensor } from '../../../ir/index.ts';
import { arrange, distillation, match, peakBytes, simplify, specialize, trainingStep } from '../../../passes/index.ts';
import { parseNpz } from '../../../src/data/npz.ts';
import { bindingFor, prepareStep } from '../../../src/execution/execute.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { loadModel } from '../../../src/network/load.ts';
import { statedMeaning } from '../../../src/network/meaning.ts';
import { planRun } from '../../../src/run/plan.ts';
import { fitToOutputs } from '../../../src/training/closing.ts';
import { stitchFeed } from '../../../src/training/feed.ts';
import { initialise } from '../../../src/training/initialise.ts';
import { trainingJob } from '../../../src/training/job.ts';
import { stepOf, Trainer } from '../../../src/training/train.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch } from '../cli/support.ts';

/** The largest difference, relative to the largest magnitude. */
function difference(found: ReadonlyMap<string, Tensor>, wanted: ReadonlyMap<string, Tensor>): number {
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  const errors = [...wanted].map(([name, t]) => {
    const [x, y] = [found.get(name)!, t].map(tensor => Array.from(numbersOf(tensor)));
    const largest = y.reduce((m, v) => Math.max(m, Math.abs(v)), 1e-3);
    return y.reduce((m, v, i) => Math.max(m, Math.abs(v - x[i])), 0) / largest;
  });
  return Math.max(...errors);
}

it('the embedded adapter and ONNX Runtime fit and train the same stitches', async () => {
  const folder = await scratch();
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const data = await smallData(join(folder, 'data.npz'));
  const pairs = join(folder, 'pairs.json');
  const matched = match((await loadModel(a)).graph, (await loadModel(b)).graph).pairs;
  await writeFile(pairs, JSON.stringify({ pairs: [0, 2].map(i => matched[i]) }));
  // Three images in steps of two: the last batch is a smaller one.
  const asked = { steps: 2, batch: 2, initImages: 3 };
  const plan = await planRun({ networks: [a, b], data, pairs, training: asked, output: join(folder, 'run') });
  const { network, dataset, training } = plan;
  const results = await Promise.all(
    (['ort', 'webgpu'] as const).map(executor =>
      withExecutor({ executor, adapter: 'embedded' }, async open => {
        const job = trainingJob({ executor: open }, network, dataset);
        const initial = await initialise(job, training);
        const step = stepOf(network, training);
        const trainer = await Trainer.create(
          job,
          { step, schedule: training, feed: stitchFeed(job, step, training) },
          initial,
        );
        const trained = await trainer.run();
        trainer.dispose();
        const closed = await fitToOutputs(job, training, trained);
        return { initial, trained, closed };
      }),
    ),
  );
  expect(difference(results[1].initial, results[0].initial)).toBeLessThan(1e-3);
  expect(difference(results[1].trained, results[0].trained)).toBeLessThan(1e-2);
  expect(difference(results[0].trained, results[0].initial)).toBeGreaterThan(1e-2);
  expect(difference(results[1].closed, results[0].closed)).toBeLessThan(5e-2);
  expect(difference(results[0].closed, results[0].trained)).toBeGreaterThan(0.1);
}, 120_000);

it('the embedded adapter distils as PyTorch does, with what is kept and within a budget', async () => {
  const fixtures = join('fixtures', 'distillation.npz');
  const reference = parseNpz(await readFile(fixtures));
  const array = (name: string) => {
    const { shape, data } = reference.get(name)!;
    return float32(shape, data as Float32Array);
  };
  const { graph } = await loadModel(join('fixtures', 'models', 'unet_resenc_13.onnx'));
  const loss = distillation(graph, { task: 'segmentation', meaning: statedMeaning(graph) });
  const kernels = (name: string) => loss.student.roles.get(name) === 'weight';
  const how = { kind: 'sgd', learningRate: 0.1, steps: 6, weightDecay: 0.1, decays: kernels, clip: 0.1 } as const;
  const step = trainingStep(loss, how);
  const [x, teacher, want] = [array('x'), array('teacher'), array('sgd/losses')];
  const binding = bindingFor(step.graph, { x: x.shape, teacher: teacher.shape });
  const resident = new Map([...step.state, ...loss.student.weights]);
  const unlimited = peakBytes(arrange(simplify(specialize(step.graph, binding)), { step }));
  await withExecutor({ executor: 'webgpu', adapter: 'embedded' }, async executor => {
    const session = await prepareStep(executor, step, binding, { resident, memory: 0.85 });
    expect(session.memory.peak!.bytes).toBeLessThanOrEqual(1.02 * 0.85 * unlimited);
    for (const loss of want.data.slice(0, 2)) {
      const found = await session.run({ x, teacher }, [step.loss]);
      expect(Number(found[step.loss].data[0])).toBeCloseTo(loss, 4);
    }
    session.dispose();
  });
}, 120_000);
