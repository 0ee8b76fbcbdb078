import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../../ir/builder.ts';
import { float32, type Tensor } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import { doubleBatch, type LossGraph, type TrainingStep, trainingStep } from '../../../passes/train.ts';
import { relativeError, session } from '../ort.ts';
import { feeds, network } from './networks.ts';

/** `Σ (p - x)⁴ / 4`: a loss whose gradient is known in closed form. */
function quartic(): LossGraph {
  const b = new GraphBuilder('quartic');
  const p = b.input('p', { dtype: 'float32', shape: [3] });
  const x = b.input('x', { dtype: 'float32', shape: [3] });
  const square = b.op('Mul', [b.op('Sub', [p, x]), b.op('Sub', [p, x])]);
  const sum = b.op('ReduceSum', [b.op('Mul', [square, square])], { keepdims: 0 });
  b.output('loss', b.op('Mul', [sum, b.scalar(0.25)]));
  return { graph: b.build(), loss: 'loss', terms: [], data: ['x'], parameters: ['p'] };
}

/** Runs steps in ONNX Runtime, carrying what the step says; returns the losses and the last values. */
async function train(step: TrainingStep, first: Readonly<Record<string, Tensor>>, count: number) {
  const run = await session(verify(step.graph));
  let feed: Record<string, Tensor> = { ...first, ...Object.fromEntries(step.state) };
  const losses: number[] = [];
  for (let i = 0; i < count; i++) {
    const results = await run(feed);
    losses.push(results[step.loss].data[0]);
    const next = [...step.carry].map(([output, input]) => {
      const { shape, data } = results[output];
      return [input, float32(shape, Float32Array.from(data))] as const;
    });
    feed = { ...feed, ...Object.fromEntries(next) };
  }
  return { losses, feed };
}

describe('the training step', () => {
  it('is AdamW under a cosine, as PyTorch computes them', async () => {
    const options = { steps: 40, learningRate: 0.05, minimum: 0.002, weightDecay: 0.1, beta1: 0.8, beta2: 0.95 };
    const x = [0.3, -1, 2];
    const p = [1, 0.5, -0.25];
    const { feed } = await train(trainingStep(quartic(), options), { p: float32([3], p), x: float32([3], x) }, 50);
    const [m, v] = [
      [0, 0, 0],
      [0, 0, 0],
    ];
    for (let t = 0; t < 50; t++) {
      const wave = (1 + Math.cos((Math.PI * Math.min(t, 40)) / 40)) / 2;
      const rate = options.minimum + (options.learningRate - options.minimum) * wave;
      for (const i of [0, 1, 2]) {
        const gradient = (p[i] - x[i]) ** 3;
        p[i] *= 1 - rate * options.weightDecay;
        m[i] = 0.8 * m[i] + 0.2 * gradient;
        v[i] = 0.95 * v[i] + 0.05 * gradient ** 2;
        p[i] -= (rate * (m[i] / (1 - 0.8 ** (t + 1)))) / (Math.sqrt(v[i] / (1 - 0.95 ** (t + 1))) + 1e-8);
      }
    }
    expect(relativeError(feed.p.data as Float32Array, p)).toBeLessThan(1e-5);
    expect(feed['adamw/step'].data[0]).toBe(50);
  });

  it('keeps its bias corrections to full precision where they are small', async () => {
    const { feed } = await train(trainingStep(quartic(), { steps: 10 }), feeds(quartic().graph, 1), 2);
    const [bias1, bias2] = ['adamw/bias1', 'adamw/bias2'].map(name => feed[name].data[0] as number);
    expect(bias1 / (1 - 0.9 ** 2)).toBeCloseTo(1, 6);
    expect(bias2 / (1 - 0.999 ** 2)).toBeCloseTo(1, 6);
  });

  it('brings the stitched networks near the originals', async () => {
    const step = trainingStep(doubleBatch(network()), { steps: 25, learningRate: 0.05 });
    const { losses } = await train(step, feeds(step.graph, 2), 25);
    expect(losses[24]).toBeLessThan(losses[0] / 3);
  });

  it('carries every parameter and every state, and names its inputs', () => {
    const step = trainingStep(doubleBatch(network(), { switches: 'step' }), { steps: 5 });
    const inputs = step.graph.inputs.map(v => v.name);
    expect([...step.data, ...step.parameters, ...step.state.keys()].sort()).toEqual(inputs.toSorted());
    expect([...step.carry.values()].sort()).toEqual([...step.parameters, ...step.state.keys()].sort());
    const types = (name: string) => String(step.graph.input(name).type.shape);
    for (const [output, input] of step.carry) expect(String(step.graph.output(output).type.shape)).toBe(types(input));
  });

  it('refuses a schedule without steps', () => {
    expect(() => trainingStep(quartic(), { steps: 0 })).toThrow('at least one step');
  });
});
