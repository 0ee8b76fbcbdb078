/** Deep supervision: which outputs are trained besides, and the loss that PyTorch has for them. */
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { tensorFromNumbers } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import type { OutputMeaning } from '../../../passes/index.ts';
import { parseNpz } from '../../../src/data/npz.ts';
import { loadModel } from '../../../src/network/load.ts';
import { type Model, modelOf } from '../../../src/network/model.ts';
import { networkOf } from '../../../src/network/network.ts';
import { firstOutput, withCoarserOutputs } from '../../../src/network/supervision.ts';
import { wholeJob, wholeStep } from '../../../src/training/whole.ts';
import { relativeError, runOrt } from '../../passes/ort.ts';

const file = 'fixtures/deep_supervision.onnx';
const meaning: OutputMeaning = { kind: 'logits', activation: 'softmax', channelAxis: 1, channels: 3 };
const dataset = {
  ...{ imageShape: [1, 16, 24], source: 'images.npz', count: 2 },
  images: new Float32Array(768),
  arrays: [],
};
let model: Model;

beforeAll(async () => {
  model = await loadModel(file, undefined, { apart: true });
});

const trained = (names: readonly string[]) => {
  const outputs = names.map(name => model.file.outputs.find(output => output.name === name)!);
  const imported = { graph: model.file.with({ outputs }), warnings: [], external: [] };
  return withCoarserOutputs(modelOf(file, '', imported), meaning, dataset)?.outputs.map(({ name }) => name);
};

describe('outputs that are trained besides', () => {
  it('are all but the coarsest, the finest first, in whatever order the file has them', () => {
    expect(trained(['seg/4', 'seg/2', 'seg'])).toEqual(['seg', 'seg/2']);
    expect(trained(['seg/2', 'seg', 'seg/4'])).toEqual(['seg', 'seg/2']);
  });

  it('are none of a network with one output, or with one more', () => {
    expect(trained(['seg'])).toBeUndefined();
    expect(trained(['seg', 'seg/2'])).toBeUndefined();
  });

  it('are compared at the size of the images', () => {
    const tiny = { ...dataset, imageShape: [1, 18, 24] };
    expect(() => withCoarserOutputs(model, meaning, tiny)).toThrow('multiples of');
  });
});

it('the loss and every gradient are those of PyTorch, labels at the nearest places, some of them nowhere', async () => {
  const reference = parseNpz(readFileSync('fixtures/deep_supervision.npz'));
  const array = (name: string) => reference.get(name)!.data as Float32Array;
  const supervised = withCoarserOutputs(model, meaning, dataset)!;
  const student = networkOf(firstOutput(supervised), 'seg', meaning);
  const job = wholeJob({ student, supervised, dataset, task: 'segmentation', ignore: true });
  const { loss, step } = wholeStep(job, {
    ...{ steps: 1, batch: 2, optimizer: 'sgd', learningRate: 0.1, weightDecay: 0, shift: 0, turn: false },
    ...{ labelShare: 1, seed: 0, fresh: true },
  });
  const found = await runOrt(verify(step.graph), {
    x: tensorFromNumbers('float32', [2, 1, 16, 24], array('x')),
    labels: tensorFromNumbers('int32', [2, 16, 24], array('labels')),
    ...Object.fromEntries([...loss.student.weights, ...step.state]),
  });
  expect(found.loss.data[0]).toBeCloseTo(array('loss')[0], 5);
  expect(step.terms.map(({ name }) => name)).toEqual(['labels', 'labels/seg/2']);
  const wanted = [...reference.keys()].filter(name => name.startsWith('gradient/'));
  expect(step.parameters.map(name => `gradient/${name}`).toSorted()).toEqual(wanted.toSorted());
  for (const name of step.parameters) {
    const want = array(`gradient/${name}`);
    // A bias in front of an instance normalisation has no gradient but for rounding.
    if (Math.max(...want.map(Math.abs)) < 1e-6) continue;
    expect(relativeError(found[step.gradients.get(name)!].data, want), name).toBeLessThan(2e-4);
  }
});
