import { describe, expect, it } from 'vitest';
import { float32, type Tensor } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import {
  arrangeWeightTraining,
  distillation,
  doubleBatch,
  inlineBodies,
  kernelGradientsAsProducts,
  type OutputMeaning,
  simplify,
  specialize,
  type TrainingStep,
  trainingStep,
} from '../../../passes/index.ts';
import { random, relativeError, runOrt } from '../ort.ts';
import { network, unet } from '../train/networks.ts';

const meaning: OutputMeaning = { kind: 'logits', activation: 'softmax', channelAxis: 1, channels: 2 };

const student = unet('student', 4, 1);
const loss = distillation(student, { task: 'segmentation', meaning });
const decays = (name: string): boolean => loss.student.roles.get(name) === 'weight';
const step: TrainingStep = trainingStep(loss, { steps: 6, learningRate: 1e-3, weightDecay: 0.1, decays, clip: 1 });
const bound = simplify(specialize(step.graph, { N: 2 }));

const drawn = (seed: number, shape: readonly number[]): Tensor<'float32'> => {
  const draw = random(seed);
  const size = shape.reduce((p, q) => p * q, 1);
  return float32(shape, Float32Array.from({ length: size }, draw));
};

describe('a step that trains the weights of layers', () => {
  it('computes the same after it is arranged for ONNX Runtime', async () => {
    const arranged = verify(arrangeWeightTraining(bound));
    const count = (graph: typeof bound, op: string) => graph.nodes.filter(node => node.op === op).length;
    expect(count(bound, 'AdamW')).toBeGreaterThan(10);
    // Those of kernels and matrices, which decay, and all others.
    expect(count(arranged, 'AdamW')).toBe(2);
    for (const op of ['LogSoftmax', 'Where', 'InstanceNormalizationGrad']) {
      expect(count(bound, op), op).toBeGreaterThan(0);
      expect(count(arranged, op), op).toBe(0);
    }
    // Moments as they are in the middle of a training: the update depends on every one of them.
    const feeds = Object.fromEntries(
      bound.inputs.map(({ name, type }, i) => {
        const given = loss.student.weights.get(name);
        return [name, given ?? drawn(i, type.shape as readonly number[])];
      }),
    );
    const finished = (graph: typeof bound) => kernelGradientsAsProducts(inlineBodies(graph));
    const [want, got] = [await runOrt(finished(bound), feeds), await runOrt(finished(arranged), feeds)];
    expect(Object.keys(got)).toEqual(Object.keys(want));
    for (const [name, { shape, data }] of Object.entries(want)) {
      expect(got[name].shape, name).toEqual(shape);
      // What a normalisation takes away again has a gradient of rounding errors alone.
      if (name.startsWith('gradient/') && Math.max(...data.map(Math.abs)) < 1e-6) continue;
      expect(relativeError(got[name].data, data), name).toBeLessThan(1e-4);
    }
  });
});

describe('a step that trains stitches alone', () => {
  it('stays as it is', () => {
    const stitching = trainingStep(doubleBatch(network()), { steps: 1 }).graph;
    expect(arrangeWeightTraining(stitching)).toBe(stitching);
  });
});
