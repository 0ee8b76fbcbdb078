import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Graph, GraphBuilder, rewrite, Value } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { float32, type Tensor, tensorFromNumbers } from '../../../ir/tensor.ts';
import { verify } from '../../../ir/verify.ts';
import { type OutputMeaning, original, settle, settleAbreast, withOutputOf } from '../../../passes/index.ts';
import {
  answering,
  closeWeights,
  type DistillationOptions,
  distillation,
  type OptimizerOptions,
  openWeights,
  trainingStep,
} from '../../../passes/train.ts';
import { parseNpz } from '../../../src/data/npz.ts';
import { randomNetwork, samples } from '../networks.ts';
import { random, relativeError, runOrt, session } from '../ort.ts';
import { joined } from '../stitch/joined.ts';
import { unet } from './networks.ts';

const fixtures = join(import.meta.dirname, '../../../fixtures');
const classes: OutputMeaning = { kind: 'logits', activation: 'softmax', channelAxis: 1, channels: 2 };

describe('the weights of a network', () => {
  it('are what its layers learned, and no running statistic, size or exponent', () => {
    const roles = (name: string) => {
      const { graph } = importOnnx(join(fixtures, 'models', `${name}.onnx`));
      const { roles, graph: open } = openWeights(graph);
      const left = open.constants().filter(c => c.type.dtype === 'float32' && c.constant.data.length > 1);
      return { roles: new Set(roles.values()), count: roles.size, left: left.map(c => c.name) };
    };
    const unets = roles('unet_resenc_13');
    expect(unets.roles).toEqual(new Set(['weight', 'scale', 'bias']));
    expect(unets.left).toEqual([]);
    // Of each batch normalisation the mean and the variance stay.
    const { left, count } = roles('resnet18_preserve_13');
    expect(count).toBeGreaterThan(40);
    expect(left.length).toBeGreaterThan(10);
    expect(left.every(name => /running_(mean|var)$/.test(name))).toBe(true);
    expect(roles('resize_13').left.every(name => !name.includes('weight'))).toBe(true);
  });

  it('are each layer’s own where they are equal, and tied where the file has one tensor', () => {
    const b = new GraphBuilder('untrained');
    const zeros = (name: string) => b.constant(tensorFromNumbers('float32', [4], [0, 0, 0, 0]), name);
    const kernel = b.constant(tensorFromNumbers('float32', [4, 4, 1, 1], Array<number>(16).fill(1)), 'kernel');
    let x = b.input('x', { dtype: 'float32', shape: [1, 4, 2, 2] });
    // As exporters write equal tensors: once, and then by a name.
    const first = zeros('first');
    for (const bias of [first, zeros('second'), b.op('Identity', [first], {}, { name: 'third' })]) {
      x = b.op('Conv', [x, kernel, bias]);
    }
    b.output('y', x);
    expect([...openWeights(b.build()).roles].map(([name, role]) => `${role} ${name}`)).toEqual([
      'weight kernel',
      'bias first',
      'bias second',
      'bias third_1',
    ]);
  });

  it('opened and closed again give the network back', () =>
    fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 1e6 }), async seed => {
        const network = randomNetwork(seed, 5);
        const open = openWeights(network);
        verify(open.graph);
        const closed = closeWeights(open, open.weights);
        expect(closed.inputs.map(i => i.name)).toEqual(['x']);
        const x = { x: samples(seed) };
        const [want, got] = [await runOrt(network, x), await runOrt(verify(closed), x)];
        expect([...got.logits.data]).toEqual([...want.logits.data]);
      }),
      { numRuns: 3 },
    ));
});

describe('distillation', () => {
  const reference = parseNpz(readFileSync(join(fixtures, 'distillation.npz')));
  const array = (name: string): Tensor<'float32'> => {
    const { shape, data } = reference.get(name)!;
    return float32(shape, data as Float32Array);
  };
  const { graph: student } = importOnnx(join(fixtures, 'models/unet_resenc_13.onnx'));
  const loss = distillation(student, { task: 'segmentation', meaning: classes });
  const kernels = (name: string) => loss.student.roles.get(name) === 'weight';
  const optimizers: readonly OptimizerOptions[] = [
    { kind: 'adamw', learningRate: 3e-3, steps: 6, weightDecay: 0.1, decays: kernels, clip: 0.1 },
    { kind: 'sgd', learningRate: 0.1, steps: 6, weightDecay: 0.1, decays: kernels, clip: 0.1 },
  ];

  it.each(optimizers)("trains every weight as PyTorch's $kind does", async options => {
    const step = trainingStep(loss, options);
    const run = await session(verify(step.graph));
    let feed: Record<string, Tensor> = {
      x: array('x'),
      teacher: array('teacher'),
      ...Object.fromEntries([...loss.student.weights, ...step.state]),
    };
    const losses: number[] = [];
    for (let t = 0; t < options.steps; t++) {
      const found = await run(feed);
      losses.push(found.loss.data[0]);
      for (const name of t === 0 ? step.parameters : []) {
        const want = array(`gradient/${name}`).data;
        // What a normalisation takes away again has next to no gradient.
        if (Math.max(...want.map(Math.abs)) < 1e-6) continue;
        expect(relativeError(found[step.gradients.get(name)!].data, want), name).toBeLessThan(2e-4);
      }
      const next = [...step.carry].map(([output, input]) => [
        input,
        float32(found[output].shape, Float32Array.from(found[output].data)),
      ]);
      feed = { ...feed, ...Object.fromEntries(next) };
    }
    expect(relativeError(losses, array(`${options.kind}/losses`).data)).toBeLessThan(1e-5);
    const kept = [...reference.keys()].filter(name => name.startsWith(`${options.kind}/`) && !name.endsWith('/losses'));
    expect(kept).toHaveLength(4);
    for (const name of kept) {
      const got = feed[name.slice(name.indexOf('/') + 1)].data as Float32Array;
      expect(relativeError(got, array(name).data), name).toBeLessThan(1e-4);
    }
  });

  it('takes a share of the loss from labels, of places that count', async () => {
    const network = unet('student', 2, 3);
    const draw = random(5);
    const numbers = (length: number, next: () => number) => Array.from({ length }, next);
    const images = float32(
      [2, 1, 8, 8],
      numbers(128, () => draw() - 0.5),
    );
    const labels = numbers(128, () => Math.floor(draw() * 3) - 1);
    const lossesFor = async (share: number, of: readonly number[], ignore = true) => {
      const how = { task: 'segmentation', meaning: classes, labels: share, ignore } as const;
      const { graph, student } = distillation(network, how);
      // A teacher who is certain of the labels.
      const sure = numbers(256, () => 0);
      for (const [i, label] of of.entries()) if (label >= 0) sure[128 * (i >> 6) + 64 * label + (i & 63)] = 1;
      const given = {
        ...{ images, teacher: float32([2, 2, 8, 8], sure) },
        ...{ labels: tensorFromNumbers('int32', [2, 8, 8], of) },
        ...Object.fromEntries(student.weights),
      };
      const found = await runOrt(verify(graph), given);
      return (name: string) => found[name].data[0];
    };
    const [none, some, all] = [await lossesFor(0, labels), await lossesFor(0.25, labels), await lossesFor(1, labels)];
    expect(Math.abs(none('loss') - all('loss'))).toBeGreaterThan(0.01);
    expect(some('loss/labels')).toBeCloseTo(0.25 * all('loss'), 5);
    expect(some('loss')).toBeCloseTo(0.75 * none('loss') + 0.25 * all('loss'), 5);
    // Where every label counts it is the same whether they or a teacher say so.
    const both = await lossesFor(0.5, labels.map(Math.abs), false);
    expect(both('loss/teacher')).toBeCloseTo(both('loss/labels'), 6);
  });

  it('counts answers side by side alike, and takes labels for the first', async () => {
    const network = joined([1, 2], 2);
    const how = { task: 'segmentation', meaning: network.outputs[0].meaning, ignore: true } as const;
    const draw = random(3);
    const numbers = (length: number, next: () => number) => Float32Array.from({ length }, next);
    const x = float32(
      [2, 2, 4, 4],
      numbers(64, () => draw() - 0.5),
    );
    const labels = tensorFromNumbers(
      'int32',
      [2, 4, 4],
      Array.from({ length: 32 }, () => Math.floor(draw() * 3) - 1),
    );
    const answers = [0, 1].map(() => {
      const sure = numbers(32, draw);
      // [2, 2, 4, 4]: of two classes each place has one less the other.
      return numbers(64, () => 0).map((_, i) => {
        const p = sure[16 * Math.floor(i / 32) + (i % 16)];
        return i % 32 < 16 ? p : 1 - p;
      });
    });
    const beside = numbers(128, () => 0).map((_, i) => answers[(i >> 2) & 1][4 * (i >> 3) + (i & 3)]);
    const lossOf = async (
      graph: Graph,
      options: Partial<DistillationOptions>,
      teacher: readonly number[] | Float32Array,
    ) => {
      const found = distillation(graph, { ...how, ...options });
      const width = teacher.length / 16;
      const taught = { teacher: float32([2, 2, 4, width], Float32Array.from(teacher)), labels };
      const given = Object.fromEntries(Object.entries(taught).filter(([name]) => found.data.includes(name)));
      const run = await runOrt(verify(found.graph), { x, ...given, ...Object.fromEntries(found.student.weights) });
      return run.loss.data[0];
    };
    const alone = (p: number) => settle(network, withOutputOf(network, original(network), 'ab'[p]), new Map());
    const abreast = settleAbreast(network, original(network), new Map());
    const taught = await Promise.all([0, 1].map(p => lossOf(alone(p), {}, answers[p])));
    const labelled = await lossOf(alone(0), { labels: 1 }, answers[0]);
    for (const share of [0, 0.25, 1]) {
      const wanted = ((1 - share) * taught[0] + share * labelled + taught[1]) / 2;
      expect(await lossOf(abreast, { abreast: 2, labels: share }, beside)).toBeCloseTo(wanted, 5);
    }
  });

  it('compares regions one by one, values by their squared difference, and classes of images without Dice', async () => {
    const network = unet('student', 2, 3);
    const draw = random(6);
    const x = float32(
      [2, 1, 8, 8],
      Array.from({ length: 128 }, () => draw() - 0.5),
    );
    const teacher = float32(
      [2, 2, 8, 8],
      Array.from({ length: 256 }, () => draw()),
    );
    const logits = (await runOrt(network, { images: x })).logits.data;
    const lossFor = async (task: 'segmentation' | 'classification' | 'regression', meaning: OutputMeaning) => {
      const { graph, student } = distillation(network, { task, meaning });
      const found = await runOrt(verify(graph), { images: x, teacher, ...Object.fromEntries(student.weights) });
      return found.loss.data[0];
    };
    const mean = (f: (z: number, t: number) => number) =>
      [...logits].reduce((sum, z, i) => sum + f(z, teacher.data[i]), 0) / 256;
    const squares = mean((z, t) => (z - t) ** 2);
    const entropy = mean((z, t) => Math.log(1 + Math.exp(z)) - z * t);
    const dice = [0, 1].map(c => {
      let [both, sizes] = [0, 0];
      for (const [i, z] of [...logits].entries()) {
        if (Math.floor((i % 128) / 64) !== c) continue;
        const p = 1 / (1 + Math.exp(-z));
        both += p * teacher.data[i];
        sizes += p + teacher.data[i];
      }
      return (2 * both + 1e-5) / (sizes + 1e-5);
    });
    const values: OutputMeaning = { ...classes, kind: 'values', activation: undefined };
    expect(await lossFor('regression', values)).toBeCloseTo(squares, 5);
    const regions: OutputMeaning = { ...classes, activation: 'sigmoid' };
    expect(await lossFor('classification', regions)).toBeCloseTo(entropy, 5);
    expect(await lossFor('segmentation', regions)).toBeCloseTo(entropy + 1 - (dice[0] + dice[1]) / 2, 5);
  });

  it('asks a teacher for probabilities with the channels first', async () => {
    const graph = answering(unet('teacher', 2, 3), classes);
    const images = float32(
      [1, 1, 8, 8],
      Array.from({ length: 64 }, (_, i) => i / 64),
    );
    const { answers } = await runOrt(verify(graph), { images });
    for (let i = 0; i < 64; i++) expect(answers.data[i] + answers.data[64 + i]).toBeCloseTo(1, 6);
    expect(graph.outputs.map(o => o.name)).toEqual(['answers']);
  });

  it('refuses a student without weights', () => {
    const bare = importOnnx(join(fixtures, 'models/unet_resenc_13.onnx')).graph;
    expect(() =>
      distillation(bare.with({ nodes: [], outputs: [{ name: 'y', value: bare.inputs[0] }] }), {
        task: 'segmentation',
        meaning: classes,
      }),
    ).toThrow('nothing to train');
  });

  it('gives its inputs other names where the student has theirs', () => {
    const network = unet('student', 2, 3);
    const taken = rewrite(network, () => undefined, {
      inputs: new Map([['images', new Value('teacher', network.inputs[0].type)]]),
    });
    const loss = distillation(taken, { task: 'segmentation', meaning: classes });
    expect(loss.teacher).toBe('teacher_1');
    expect(loss.data).toEqual(['teacher', 'teacher_1']);
  });
});
