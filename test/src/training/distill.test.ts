/** What the steps of a distillation are fed. */
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { type Dataset, gatherImages } from '../../../src/data/dataset.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { Random } from '../../../src/data/random.ts';
import { bindingFor, prepareStep, Runnable } from '../../../src/execution/execute.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { loadModel } from '../../../src/network/load.ts';
import { statedMeaning } from '../../../src/network/meaning.ts';
import { networkOf } from '../../../src/network/network.ts';
import { toProbabilities } from '../../../src/network/outputs.ts';
import { distillationWithDefaults } from '../../../src/training/distill.ts';
import { wholeFeed, wholeJob, wholeStep } from '../../../src/training/whole.ts';
import { relativeError } from '../../passes/ort.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch } from '../cli/support.ts';

async function small(given: Parameters<typeof distillationWithDefaults>[0]) {
  const folder = await scratch();
  const files = await smallParents(folder, [[3], [2, 3]]);
  const [teacher, student] = await Promise.all(
    files.map(async file => {
      const { graph } = await loadModel(file);
      return networkOf(graph, file, statedMeaning(graph));
    }),
  );
  const dataset: Dataset = await loadDataset(await smallData(join(folder, 'data.npz')));
  const job = wholeJob({ teacher, student, dataset, task: 'segmentation', ignore: false });
  const settings = distillationWithDefaults(given, { batch: 3 });
  return { job, settings, step: wholeStep(job, settings) };
}

it('are images under shift with the teacher’s answers to the same, the same again for a step', () =>
  withExecutor({ executor: 'ort' }, async executor => {
    const { job, settings, step } = await small({ shift: 1 });
    const feed = wholeFeed({ executor }, job, step, settings);
    const { take } = feed.begin();
    const [first, again, other] = [await take([0, 1, 2], 5), await take([0, 1, 2], 5), await take([0, 1, 2], 6)];
    expect(first).toEqual(again);
    expect(first.x.data).not.toEqual(other.x.data);
    expect(Object.keys(first)).toEqual(step.step.data);
    const asked = new Runnable(executor, job.teacher!.graph);
    const logits = (await asked.run({ x: first.x })).logits;
    expect(
      relativeError(first.teacher.data as Float32Array, toProbabilities(logits, job.teacher!.meaning)),
    ).toBeLessThan(1e-5);
    asked.dispose();
    feed.dispose();
  }));

it('have labels that are turned as the images are', () =>
  withExecutor({ executor: 'ort' }, async executor => {
    const { job, settings, step } = await small({ shift: 0, labelShare: 1 });
    const feed = wholeFeed({ executor }, job, step, settings);
    const { take } = feed.begin();
    expect(step.step.data).toEqual(['x', 'labels']);
    const before = [...gatherImages(job.dataset, [0, 1, 2])];
    const { x, labels } = await take([0, 1, 2], 0);
    expect([...x.data]).not.toEqual(before);
    // The labels of this data set are where the image is above ½.
    expect([...labels.data]).toEqual([...(x.data as Float32Array)].map(v => (v > 0.5 ? 1 : 0)));
    const upright = wholeFeed({ executor }, job, step, { ...settings, turn: false });
    expect([...(await upright.begin().take([0, 1, 2], 0)).x.data]).toEqual(before);
    upright.dispose();
    feed.dispose();
  }));

it('are as strong as is said, with the rate of the optimiser', () => {
  expect(distillationWithDefaults({}, { batch: 8 })).toEqual({
    steps: 400,
    batch: 8,
    optimizer: 'adamw',
    learningRate: 1e-3,
    weightDecay: 0,
    shift: 1,
    turn: true,
    labelShare: 0,
    seed: 0,
  });
  expect(distillationWithDefaults({ optimizer: 'sgd' }, { batch: 8 })).toMatchObject({
    learningRate: 1e-2,
    weightDecay: 3e-5,
  });
});

it('are of branches longer and faster, and of labels where there are some', () => {
  const branches = { batch: 8, branches: true };
  expect(distillationWithDefaults({}, branches)).toMatchObject({ steps: 1500, learningRate: 2e-3, labelShare: 0 });
  expect(distillationWithDefaults({}, { ...branches, labelled: true }).labelShare).toBe(0.3);
  expect(distillationWithDefaults({ labelShare: 0, learningRate: 1 }, { ...branches, labelled: true })).toMatchObject({
    learningRate: 1,
    labelShare: 0,
  });
  expect(distillationWithDefaults({}, { batch: 8, labelled: true }).labelShare).toBe(0);
  expect(distillationWithDefaults({ optimizer: 'sgd' }, branches).learningRate).toBe(1e-2);
});

it.each(['classification', 'regression'] as const)('fit networks that answer once for an image: %s', task =>
  withExecutor({ executor: 'ort' }, async executor => {
    const { graph } = await loadModel(join('fixtures', 'models', 'vgg_11.onnx'));
    const meaning = statedMeaning(graph, { task });
    const network = networkOf(graph, 'vgg', meaning);
    const { channels } = meaning;
    const imageShape = graph.inputs[0].type.shape.slice(1) as number[];
    const random = Random.seeded(1);
    const labels =
      task === 'classification'
        ? { data: Int32Array.of(0, 1, channels - 1), shape: [] }
        : { data: Float32Array.from({ length: 3 * channels }, () => random.float()), shape: [channels] };
    const dataset: Dataset = {
      source: 'three images',
      count: 3,
      images: random.normals(3 * imageShape.reduce((product, dim) => product * dim, 1)),
      imageShape,
      labels: { ...labels, ignore: undefined, regions: undefined, task },
      arrays: ['images', 'labels'],
    };
    const job = wholeJob({ teacher: network, student: network, dataset, task, ignore: false });
    const settings = distillationWithDefaults({ labelShare: 0.5 }, { batch: 3 });
    const step = wholeStep(job, settings);
    const feed = wholeFeed({ executor }, job, step, settings);
    const fed = await feed.begin().take([2, 0, 1], 0);
    const resident = new Map([...step.step.state, ...step.loss.student.weights]);
    const session = await prepareStep(executor, step.step, bindingFor(step.step.graph, feed.shapes), { resident });
    const names = ['loss/teacher', 'loss/labels'];
    const found = await session.run(fed, names);
    const [teacher, own] = names.map(name => Number(found[name].data[0]));
    expect(own).toBeGreaterThan(0);
    // The student is its own teacher: of values there is no error, of classes the entropy of its answers is left.
    if (task === 'regression') expect(teacher).toBeCloseTo(0, 6);
    else {
      const p = Array.from(fed.teacher.data, Number);
      const entropy = -p.reduce((sum, q) => sum + q * Math.log(q), 0) / 3;
      expect(teacher).toBeCloseTo(entropy / 2, 4);
    }
    session.dispose();
    feed.dispose();
  }),
);
