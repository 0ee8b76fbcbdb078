/** Batch normalisation by the batch: against PyTorch in training mode, and what must hold of any batch. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GraphBuilder, symbol } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { float32, type Tensor, tensorFromNumbers } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import type { OutputMeaning } from '../../../passes/index.ts';
import { withBatchStatistics } from '../../../passes/train/batch-statistics.ts';
import { closeWeights, distillation, openWeights, trainingStep } from '../../../passes/train.ts';
import { parseNpz } from '../../../src/data/npz.ts';
import { random, relativeError, runOrt, session } from '../ort.ts';

const fixtures = join(import.meta.dirname, '../../../fixtures');

describe('a training with batch normalisation', () => {
  const reference = parseNpz(readFileSync(join(fixtures, 'batch_statistics.npz')));
  const array = (name: string): Tensor => {
    const { shape, data } = reference.get(name)!;
    return tensorFromNumbers(name === 'labels' ? 'int32' : 'float32', shape, data as Float32Array);
  };
  const meaning: OutputMeaning = { kind: 'logits', activation: 'softmax', channelAxis: 1, channels: 3 };
  const { graph: network } = importOnnx(join(fixtures, 'batch_statistics.onnx'), { apart: true });
  const how = { task: 'classification', meaning, labels: 1 } as const;
  it('has the gradients, the weights, the running statistics and the answers that PyTorch comes to', async () => {
    const loss = distillation(network, { ...how, batchStatistics: true });
    const step = trainingStep(loss, { kind: 'sgd', momentum: 0, learningRate: 0.05, steps: 3 });
    const run = await session(verify(step.graph));
    let feed: Record<string, Tensor> = {
      ...{ x: array('x'), labels: array('labels') },
      ...Object.fromEntries([...loss.student.weights, ...step.state]),
    };
    const losses: number[] = [];
    for (let t = 0; t < 3; t++) {
      const found = await run(feed);
      losses.push(found.loss.data[0]);
      for (const name of t === 0 ? step.parameters : []) {
        const want = array(`gradient/${name}`).data as Float32Array;
        const got = found[step.gradients.get(name)!].data;
        // A bias in front of a normalisation has no gradient but for rounding.
        if (Math.max(...want.map(Math.abs)) < 1e-6) expect(Math.max(...got.map(Math.abs)), name).toBeLessThan(1e-6);
        else expect(relativeError(got, want), name).toBeLessThan(1e-4);
      }
      const next = [...step.carry].map(([output, input]) => [
        input,
        float32(found[output].shape, Float32Array.from(found[output].data)),
      ]);
      feed = { ...feed, ...Object.fromEntries(next) };
    }
    expect(relativeError(losses, array('losses').data as Float32Array)).toBeLessThan(1e-5);
    const trained = [...reference.keys()].filter(name => name.startsWith('trained/'));
    expect(step.learned.map(name => `trained/${name}`).toSorted()).toEqual(trained.toSorted());
    for (const name of step.learned) {
      const want = array(`trained/${name}`).data as Float32Array;
      expect(relativeError(feed[name].data as Float32Array, want), name).toBeLessThan(2e-5);
    }
    const closed = closeWeights(loss.student, new Map(step.learned.map(name => [name, feed[name]])));
    expect(closed.nodes.filter(({ op }) => op === 'BatchNormalization')).toHaveLength(4);
    const { logits } = await runOrt(verify(closed), { x: array('x') });
    expect(relativeError(logits.data, array('logits').data as Float32Array)).toBeLessThan(2e-5);
  });

  it('keeps running statistics as constants where it is not asked for', () => {
    const step = trainingStep(distillation(network, how), { steps: 1 });
    expect(step.learned).toEqual(step.parameters);
    expect(step.parameters.filter(name => name.includes('running'))).toEqual([]);
  });
});

it('refuses a tensor that is a running statistic and a weight in one', () => {
  const b = new GraphBuilder('mixed');
  const x = b.input('x', { dtype: 'float32', shape: [2, 1, 2] });
  const [one, zero] = [b.constant(float32([1], [1]), 'one'), b.constant(float32([1], [0]), 'zero')];
  b.output('y', b.op('BatchNormalization', [x, one, zero, b.constant(float32([1], [0]), 'mean'), one]));
  expect(() => openWeights(b.build(), { statistics: true })).toThrow(
    "'one' that 'batchnormalization' reads is a running",
  );
  expect([...openWeights(b.build()).roles.values()]).toEqual(['scale', 'bias']);
});

/** A normalisation of [N, C, extents...] alone. */
function normalisation(shape: readonly number[], momentum: number, open: boolean) {
  const b = new GraphBuilder('norm');
  const [batch, channels, ...extents] = shape;
  const x = b.input('x', { dtype: 'float32', shape: [open ? symbol('N') : batch, channels, ...extents] });
  const constant = (name: string, of: (c: number) => number) =>
    b.constant(
      float32(
        [channels],
        Float32Array.from({ length: channels }, (_, c) => of(c)),
      ),
      name,
    );
  const given = [constant('scale', c => 1 + c), constant('bias', c => -c), constant('mean', c => c)];
  b.output('y', b.op('BatchNormalization', [x, given[0], given[1], given[2], constant('var', () => 2)], { momentum }));
  return openWeights(b.build(), { statistics: true });
}

const shapes = fc
  .tuple(
    fc.integer({ min: 2, max: 4 }),
    fc.integer({ min: 1, max: 3 }),
    fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 }),
  )
  .map(([batch, channels, extents]) => [batch, channels, ...extents]);

describe('a batch', () => {
  it('has the scale and the bias as its deviation and mean behind it, and goes into the running statistics', () =>
    fc.assert(
      fc.asyncProperty(
        shapes,
        fc.constantFrom(0, 0.5, 0.9, 1),
        fc.boolean(),
        fc.integer({ min: 0, max: 1e6 }),
        async (shape, momentum, open, seed) => {
          const [batch, channels, ...extents] = shape;
          const size = extents.reduce((p, q) => p * q, 1);
          const draw = random(seed);
          // Every number differs from the others by 1 or more, so that no variance is small.
          const data = Float32Array.from({ length: batch * channels * size }, (_, i) => i + 0.5 * draw());
          const network = normalisation(shape, momentum, open);
          const { graph, running } = withBatchStatistics(network.graph);
          const outputs = [
            ...graph.outputs,
            ...Array.from(running, ([name, value]) => ({ name: `next/${name}`, value })),
          ];
          const weights = Object.fromEntries(network.weights);
          const found = await runOrt(verify(graph.with({ outputs })), { x: float32(shape, data), ...weights });
          const μ = momentum === 1 ? 0.9 : momentum;
          for (let c = 0; c < channels; c++) {
            const of = (values: ArrayLike<number>) =>
              Array.from(values).filter((_, i) => Math.floor(i / size) % channels === c);
            const [given, got] = [moments(of(data)), moments(of(found.y.data))];
            expect(got.mean).toBeCloseTo(-c, 3);
            expect(got.variance / ((1 + c) ** 2 * (given.variance / (given.variance + 1e-5)))).toBeCloseTo(1, 3);
            const n = batch * size;
            const [mean, variance] = [found['next/mean'].data[c], found['next/var'].data[c]];
            expect(mean / (μ * c + (1 - μ) * given.mean)).toBeCloseTo(1, 4);
            expect(variance / (μ * 2 + ((1 - μ) * given.variance * n) / (n - 1))).toBeCloseTo(1, 4);
          }
        },
      ),
      { numRuns: 25 },
    ));
});

function moments(values: readonly number[]) {
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return { mean, variance: values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length };
}
