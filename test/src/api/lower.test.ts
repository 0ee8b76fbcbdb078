/** The files of `suture lower`, run by ONNX Runtime alone, against what suture computes on WebGPU. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { isSutureOp } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import {
  allStitched,
  averagedAt,
  match,
  original,
  type Setting,
  settingTensors,
  settle,
  weightedAt,
  withOutputs,
} from '../../../passes/index.ts';
import { createOrtExecutor } from '../../../runtime/index.ts';
import { lower } from '../../../src/api/lower.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { gatherImages } from '../../../src/data/dataset.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { BatchSampler } from '../../../src/data/sampler.ts';
import { Runnable } from '../../../src/execution/execute.ts';
import { loadModel } from '../../../src/network/load.ts';
import { loadRun } from '../../../src/run/load.ts';
import { initialise } from '../../../src/training/initialise.ts';
import { trainingJob } from '../../../src/training/job.ts';
import { type TrainingRequest, withDefaults } from '../../../src/training/options.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch, shared, suture } from '../cli/support.ts';

const steps = 11;
const settings = withDefaults({ steps, batch: 2, settings: 'all', init: 'kaiming' });

/** A run of two small networks at three positions; trained on the embedded adapter, or with `steps` 0 not at all. */
async function trained(folder: string, training: TrainingRequest = {}): Promise<{ run: string; data: string }> {
  const [a, b] = await smallParents(folder);
  const data = await smallData(join(folder, 'data.npz'));
  const run = join(folder, 'run');
  const executor = training.steps === 0 ? 'ort' : 'webgpu';
  const pairs = join(folder, 'pairs.json');
  const matched = match((await loadModel(a)).graph, (await loadModel(b)).graph).pairs;
  await writeFile(pairs, JSON.stringify({ pairs: [1, 3, 5].map(i => matched[i]) }));
  await stitch({
    ...{ networks: [a, b], data, pairs, executor, output: run, adapter: 'embedded' },
    training: { ...settings, ...training },
  });
  return { run, data };
}

const kept = shared();
let untrainedRun: ReturnType<typeof trained> | undefined;
/** The run that keeps its first stitches, made once: nothing is written into it. */
const untrained = () => (untrainedRun ??= trained(kept(), { steps: 0 }));

const float32 = (data: Float32Array, shape: readonly number[]): OrtTensor => new OrtTensor('float32', data, [...shape]);

/** The largest difference, relative to the largest magnitude of what is expected. */
function relativeError(found: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(found.length).toBe(expected.length);
  let [difference, magnitude] = [0, 0];
  for (let i = 0; i < expected.length; i++) {
    difference = Math.max(difference, Math.abs(found[i] - expected[i]));
    magnitude = Math.max(magnitude, Math.abs(expected[i]));
  }
  return magnitude === 0 ? difference : difference / magnitude;
}

/** Whether a Python with onnx is there; its checker is stricter than loading the file. */
const python = ['/usr/bin/python3', 'python3'].find(command => {
  try {
    execFileSync(command, ['-c', 'import onnx'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
});

function check(file: string): void {
  if (python === undefined) return;
  const script = 'import onnx, sys; onnx.checker.check_model(onnx.load(sys.argv[1]), full_check=True)';
  execFileSync(python, ['-c', script, file], { stdio: 'pipe' });
}

describe('the file of a training step', () => {
  it('fed its own outputs, trains as WebGPU does', async () => {
    const folder = await scratch();
    const { run, data } = await trained(folder);
    const file = join(folder, 'step.onnx');
    const { carry, inputs, outputs } = await lower(run, file, 'training-step');
    check(file);

    const { network, parameters, directory } = await loadRun(run);
    const dataset = await loadDataset(data);
    const executor = createOrtExecutor({ threads: 1 });
    const start = await initialise(trainingJob({ executor }, network, dataset), settings);
    executor.dispose();
    const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
    expect([...session.inputNames].sort()).toEqual(inputs.map(v => v.name).sort());
    expect([...session.outputNames].sort()).toEqual(outputs.map(v => v.name).sort());

    const state = new Map(
      inputs
        .filter(v => v.name !== 'x')
        .map(({ name, type }) => {
          const { data: values, shape } = start.get(name) ?? zeros(type);
          return [name, float32(values as Float32Array, shape)] as const;
        }),
    );
    const sampler = BatchSampler.seeded(dataset.count, settings.seed);
    const losses: number[] = [];
    for (let step = 0; step < steps; step++) {
      const x = float32(gatherImages(dataset, sampler.next(settings.batch)), [settings.batch, ...dataset.imageShape]);
      const found = await session.run({ x, ...Object.fromEntries(state) });
      for (const [output, input] of Object.entries(carry)) state.set(input, found[output] as OrtTensor);
      losses.push(Number(found.loss.data[0]));
    }
    await session.release();

    const lines = (await readFile(directory.file('metrics'), 'utf8')).trim().split('\n');
    const metrics = lines.map(line => JSON.parse(line) as { step: number; loss: number });
    expect(metrics.map(m => m.step)).toEqual([0, 10]);
    for (const { step, loss } of metrics)
      expect(Math.abs(losses[step] / loss - 1), `loss of step ${step}`).toBeLessThan(1e-4);
    expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]);
    for (const [name, { data: values }] of parameters) {
      const found = state.get(name)!.data as Float32Array;
      expect(relativeError(found, values as Float32Array), name).toBeLessThan(1e-4);
    }
  });

  it('takes any batch, and its gradients are those of its loss', async () => {
    const folder = await scratch();
    const { run } = await untrained();
    const file = join(folder, 'step.onnx');
    const { inputs } = await lower(run, file, 'training-step');
    const { parameters } = await loadRun(run);
    const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
    const feeds = Object.fromEntries(
      inputs.map(({ name, type }) => {
        const { data, shape } = parameters.get(name) ?? zeros(type.replace('N', '3'));
        return [name, float32(Float32Array.from(data as Float32Array), shape)] as const;
      }),
    );
    const images = feeds.x.data as Float32Array;
    for (let i = 0; i < images.length; i++) images[i] = Math.sin(i * i);
    const [weight] = parameters.keys();
    const found = await session.run(feeds);
    const gradient = found[`gradient/${weight}`].data as Float32Array;
    const at = gradient.reduce((best, g, i) => (Math.abs(g) > Math.abs(gradient[best]) ? i : best), 0);
    const values = feeds[weight].data as Float32Array;
    const middle = values[at];
    const h = 1e-2;
    const loss = async (value: number): Promise<number> => {
      values[at] = value;
      return Number((await session.run(feeds, ['loss'])).loss.data[0]);
    };
    const slope = ((await loss(middle + h)) - (await loss(middle - h))) / (2 * h);
    expect(slope / gradient[at]).toBeCloseTo(1, 1);
    await session.release();
  });

  it('is of standard operators and functions that the file brings', async () => {
    const folder = await scratch();
    const { run } = await untrained();
    const file = join(folder, 'step.onnx');
    await lower(run, file, 'training-step');
    const { graph, warnings } = importOnnx(file);
    expect(warnings).toEqual([]);
    // Import knows our own functions again.
    expect(graph.nodes.some(n => isSutureOp(n.op))).toBe(true);
    expect(JSON.parse(graph.info.metadata!['suture.carry'])).toMatchObject({
      'next/stitch/0/b-a/weight': 'stitch/0/b-a/weight',
      'next/adamw/step': 'adamw/step',
    });
  });
});

/** A tensor of zeros for a type as the command lists it: `float32[2, 3]`. */
function zeros(type: string): { data: Float32Array; shape: number[] } {
  const shape = JSON.parse(type.slice(type.indexOf('['))) as number[];
  return { data: new Float32Array(shape.reduce((a, b) => a * b, 1)), shape };
}

describe('the file of a super-network', () => {
  it('computes every setting', async () => {
    const folder = await scratch();
    const { run, data } = await untrained();
    const file = join(folder, 'net.onnx');
    await lower(run, file, 'supernet');
    check(file);
    const { network, parameters } = await loadRun(run);
    const dataset = await loadDataset(data);
    const shape = [3, ...dataset.imageShape];
    const images = gatherImages(dataset, [0, 1, 2]);
    const session = await InferenceSession.create(file, { intraOpNumThreads: 1 });
    const executor = createOrtExecutor({ threads: 1 });
    const last = network.positions.length - 1;
    const settings: Readonly<Record<string, Setting>> = {
      original: original(network),
      'all stitched': allStitched(network),
      'averaged in the middle': averagedAt(network, last >> 1),
      'several, weighted': withOutputs(network, weightedAt(network, 0.9, 1, last), [0.75, 0.25]),
    };
    const seen = new Set<string>();
    for (const [name, setting] of Object.entries(settings)) {
      const weights = [...settingTensors(network, setting)];
      const feeds = Object.fromEntries(weights.map(([key, w]) => [key, float32(w.data as Float32Array, w.shape)]));
      const found = await session.run({ x: float32(images, shape), ...feeds }, ['logits']);
      const runnable = new Runnable(executor, settle(network, setting, parameters));
      const expected = await runnable.run({ x: { dtype: 'float32', shape, data: images } });
      runnable.dispose();
      const values = found.logits.data as Float32Array;
      expect(relativeError(values, expected.logits.data as Float32Array), name).toBeLessThan(1e-4);
      seen.add(values.slice(0, 8).join());
    }
    expect(seen.size).toBe(Object.keys(settings).length);
    executor.dispose();
    await session.release();
  });
});

describe('suture lower', () => {
  it('writes nothing over a file without --force, and nothing at all when it fails', async () => {
    const folder = await scratch();
    const { run } = await untrained();
    const file = join(folder, 'out.onnx');
    await writeFile(file, 'mine');
    const refused = await suture('lower', run, '--supernet', '-o', file);
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('--force') });
    expect(await readFile(file, 'utf8')).toBe('mine');
    const replaced = await suture('lower', run, '--supernet', '-o', file, '--force', '--json');
    expect(replaced).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(replaced.stdout)).toMatchObject({ file, graph: 'supernet', carry: {} });

    const nothing = join(folder, 'nothing.onnx');
    expect(await suture('lower', run, '-o', nothing)).toMatchObject({ code: 2 });
    expect(await suture('lower', run, '--supernet', '--training-step', '-o', nothing)).toMatchObject({ code: 2 });
    expect(await suture('lower', folder, '--supernet', '-o', nothing)).toMatchObject({ code: 1 });
    expect(existsSync(nothing)).toBe(false);
  });
});
