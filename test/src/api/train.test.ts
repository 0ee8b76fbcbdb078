/** Networks trained on labels: fresh and tuned, of one site and of several, interrupted, refused. */
import { cp, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { float32, GraphBuilder, symbol, type Tensor, tensor } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { evaluate } from '../../../src/api/evaluate.ts';
import { resumeTrain, type TrainOptions, train } from '../../../src/api/train.ts';
import { gatherImages } from '../../../src/data/dataset.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';
import { Random } from '../../../src/data/random.ts';
import { writeOutput } from '../../../src/files/output.ts';
import { writeModel } from '../../../src/network/write.ts';
import { tensorsFromNpz } from '../../../src/run/tensors.ts';
import { relativeError, runOrt } from '../../passes/ort.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { shared, suture } from '../cli/support.ts';

const folder = shared();
let network: string;
let data: string;
/** Another site's: eight images that are darker. */
let other: string;

beforeAll(async () => {
  [network] = await smallParents(folder(), [[3], [2, 3]]);
  data = await smallData(join(folder(), 'data.npz'));
  other = join(folder(), 'other.npz');
  const random = Random.seeded(9);
  const images = Float32Array.from({ length: 8 * 64 }, () => random.normal() - 1);
  const labels = Uint8Array.from(images, v => (v > -0.5 ? 1 : 0));
  await writeOutput(other, formatNpz({ images: npyArray(images, [8, 1, 8, 8]), labels: npyArray(labels, [8, 8, 8]) }));
});

const asked = (output: string, more: Partial<TrainOptions> = {}): TrainOptions & { executor: 'ort' } => ({
  ...{ data, validation: data, output: join(folder(), output), executor: 'ort' },
  ...{ steps: 8, batch: 2, learningRate: 0.02 },
  ...more,
});

const inRounds = (output: string, sites: readonly string[], rounds: number, localSteps: number) =>
  asked(output, {
    ...{ data: undefined, steps: undefined, federate: true, rounds, localSteps },
    sites: sites.map((file, i) => ({ name: `site${i}`, file })),
  });

let keptNetwork: ReturnType<typeof train> | undefined;
/** The network that several tests look at, trained once. */
const tuned = () => (keptNetwork ??= train(network, asked('tuned')));

const weightsIn = async (path: string): Promise<ReadonlyMap<string, Tensor>> => {
  const file = join(path, 'parameters.npz');
  return tensorsFromNpz(await readFile(file), file).tensors;
};

/** Trains up to so many steps of a site. */
async function interrupted(request: TrainOptions & { executor: 'ort' }, at: number, file = network): Promise<string> {
  const controller = new AbortController();
  const onProgress = ({ stage, done }: { stage: string; done: number }) => {
    if (stage === 'training the network' && done === at) controller.abort();
  };
  await expect(train(file, request, { signal: controller.signal, onProgress })).rejects.toThrow(
    /was stopped|stopped after .* go on with `suture train --resume/,
  );
  return request.output;
}

describe('a network', () => {
  it('has the names of the file, and is scored as its file is', async () => {
    const summary = await tuned();
    expect(summary).toMatchObject({ from: network, metric: 'dice', sites: [{ name: 'data', images: 6 }] });
    expect(summary.scores.map(s => s.network)).toEqual(['start', 'network']);
    expect((await readdir(summary.directory)).toSorted()).toEqual([
      'config.json',
      'metrics.jsonl',
      'network.onnx',
      'parameters.npz',
      'scores.json',
      'start.onnx',
    ]);
    const { graph } = importOnnx(summary.file);
    expect([graph.inputs[0].name, graph.outputs[0].name]).toEqual(['x', 'logits']);
    const { rows } = await evaluate([summary.file, network], data, { executor: 'ort' });
    const [start, trained] = summary.scores;
    expect(trained.value).toBeCloseTo(rows[0].score.value, 6);
    expect(start.value).toBeCloseTo(rows[1].score.value, 6);
  });

  it('learns from labels with fresh weights, the same for a seed', async () => {
    const fresh = { fresh: true, optimizer: 'adamw', steps: 150, batch: 6, learningRate: 0.05, turn: false } as const;
    const { scores, firstLoss, lastLoss } = await train(network, asked('fresh', fresh));
    expect(lastLoss!).toBeLessThan(firstLoss! / 2);
    expect(scores.map(s => s.network)).toEqual(['network']);
    // The labels of this data set are where the image is above ½.
    expect(scores[0].value).toBeGreaterThan(0.9);
    const start = (output: string) => readFile(join(folder(), output, 'start.onnx'));
    await train(network, asked('fresh again', { ...fresh, steps: 1 }));
    await train(network, asked('fresh other', { ...fresh, steps: 1, seed: 1 }));
    expect((await start('fresh')).equals(await start('fresh again'))).toBe(true);
    expect((await start('fresh')).equals(await start('fresh other'))).toBe(false);
  });

  it.each(['batch', 'image'] as const)(
    'begins with the cross-entropy and the Dice over the %s that its file has',
    async dice => {
      const { firstLoss } = await train(network, asked(`loss ${dice}`, { dice, steps: 1, batch: 6, turn: false }));
      const set = await loadDataset(data);
      const x = tensor('float32', [6, 1, 8, 8], gatherImages(set, [0, 1, 2, 3, 4, 5]));
      const { logits } = await runOrt(importOnnx(network).graph, { x });
      let entropy = 0;
      const sums = Array.from({ length: 6 }, () => ({ both: 0, sizes: 0 }));
      for (let i = 0; i < 6 * 64; i++) {
        const at = 128 * (i >> 6) + (i & 63);
        const p = 1 / (1 + Math.exp(logits.data[at] - logits.data[at + 64]));
        const t = Number(set.labels!.data[i]);
        entropy -= Math.log(t === 1 ? p : 1 - p) / (6 * 64);
        sums[i >> 6].both += p * t;
        sums[i >> 6].sizes += p + t;
      }
      const diceOf = ({ both, sizes }: { both: number; sizes: number }) => (2 * both + 1e-5) / (sizes + 1e-5);
      const total = (of: 'both' | 'sizes') => sums.reduce((sum, s) => sum + s[of], 0);
      const whole = diceOf({ both: total('both'), sizes: total('sizes') });
      const each = sums.reduce((sum, s) => sum + diceOf(s), 0) / 6;
      expect(Math.abs(whole - each)).toBeGreaterThan(1e-3);
      expect(firstLoss).toBeCloseTo(entropy + 1 - (dice === 'batch' ? whole : each), 5);
    },
  );

  it('that was interrupted is the same to the last byte', async () => {
    const path = await interrupted(asked('resumed'), 3);
    const whole = await tuned();
    const { scores } = await resumeTrain(path);
    expect(scores).toEqual(whole.scores);
    const bytes = (folder: string) => readFile(join(folder, 'network.onnx'));
    expect((await bytes(path)).equals(await bytes(whole.directory))).toBe(true);
    await expect(resumeTrain(path)).rejects.toThrow('there is nothing to resume');
  });

  it('is trained on what several sites have together', async () => {
    const sites = [
      { name: 'a', file: data },
      { name: 'b', file: other },
    ];
    const { sites: named } = await train(network, asked('merged', { data: undefined, sites, steps: 7, batch: 2 }));
    expect(named).toEqual([
      { name: 'a', source: data, images: 6 },
      { name: 'b', source: other, images: 8 },
    ]);
    // An epoch of both is that of one file with the images of both.
    const both = await Promise.all([loadDataset(data), loadDataset(other)]);
    const all = join(folder(), 'all.npz');
    const images = Float32Array.from(
      both.flatMap(set => [
        ...gatherImages(
          set,
          Array.from({ length: set.count }, (_, i) => i),
        ),
      ]),
    );
    const labels = Uint8Array.from(both.flatMap(set => Array.from(set.labels!.data)));
    await writeOutput(
      all,
      formatNpz({ images: npyArray(images, [14, 1, 8, 8]), labels: npyArray(labels, [14, 8, 8]) }),
    );
    await train(network, asked('one file', { data: all, steps: 7, batch: 2 }));
    expect(await weightsIn(join(folder(), 'merged'))).toEqual(await weightsIn(join(folder(), 'one file')));
  });
});

describe('in rounds', () => {
  it('a site alone is trained as ever in one round, and in several with momentum begun anew', async () => {
    const { directory } = await tuned();
    await train(network, inRounds('one round', [data], 1, 8));
    expect(await weightsIn(join(folder(), 'one round'))).toEqual(await weightsIn(directory));
    await train(network, inRounds('four rounds', [data], 4, 2));
    expect(await weightsIn(join(folder(), 'four rounds'))).not.toEqual(await weightsIn(directory));
  });

  it('sites with the same images come to what one comes to', async () => {
    await train(network, inRounds('alone', [data], 3, 2));
    await train(network, inRounds('thrice', [data, data, data], 3, 2));
    expect(await weightsIn(join(folder(), 'thrice'))).toEqual(await weightsIn(join(folder(), 'alone')));
  });

  it('weights are averaged by the numbers of images, each site trained on its own', async () => {
    await train(network, asked('of data', { steps: 3 }));
    await train(network, asked('of other', { steps: 3, data: other }));
    await train(network, inRounds('averaged', [data, other], 1, 3));
    const [a, b, got] = await Promise.all(
      ['of data', 'of other', 'averaged'].map(name => weightsIn(join(folder(), name))),
    );
    for (const [name, { data }] of got) {
      const [p, q] = [a, b].map(weights => weights.get(name)!.data as Float32Array);
      const want = Array.from(p, (x, i) => (6 * x + 8 * q[i]) / 14);
      expect(relativeError(data as Float32Array, want), name).toBeLessThan(1e-6);
    }
  });

  it.each([5, 8])('goes on after step %i to the same last byte', async at => {
    const request = (output: string) => inRounds(output, [data, other], 2, 3);
    await interrupted(request(`stopped ${at}`), at);
    const path = join(folder(), `stopped ${at}`);
    await resumeTrain(path);
    if (at === 5) await train(network, request('at once'));
    expect(await weightsIn(path)).toEqual(await weightsIn(join(folder(), 'at once')));
    const lines = (name: string) => readFile(join(folder(), name, 'metrics.jsonl'), 'utf8');
    expect(await lines(`stopped ${at}`)).toBe(await lines('at once'));
  });
});

describe('batch normalisation', () => {
  let normalised: string;
  /** The first of its running means and variances, as a network has them. */
  const running = (path: string) => {
    const node = importOnnx(join(folder(), path)).graph.nodes.find(({ op }) => op === 'BatchNormalization')!;
    return node.inputs.slice(3).map(v => Array.from(v!.constant!.data, Number));
  };

  beforeAll(async () => {
    const b = new GraphBuilder('normalised');
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, 8, 8] });
    const numbers = (shape: number[], of: (i: number) => number) =>
      b.constant(
        float32(
          shape,
          Float32Array.from({ length: shape.reduce((p, q) => p * q) }, (_, i) => of(i)),
        ),
      );
    const conv = b.op('Conv', [x, numbers([3, 1, 3, 3], Math.sin)], { pads: [1, 1, 1, 1] });
    const [scale, bias, mean, variance] = [1, 2, 3, 4].map(of => numbers([3], () => of));
    const normal = b.op('BatchNormalization', [conv, scale, bias, mean, variance]);
    b.output('logits', b.op('Conv', [b.op('Relu', [normal]), numbers([2, 3, 1, 1], Math.cos)]));
    normalised = join(folder(), 'normalised.onnx');
    await writeModel(b.build(), normalised);
  });

  it('is by the batch where the weights are fresh, and stays as it is where they are tuned', async () => {
    await train(normalised, asked('tuned norm', { steps: 3 }));
    expect(running('tuned norm/network.onnx')).toEqual(running('normalised.onnx'));
    const fresh = { fresh: true, steps: 60, batch: 6, learningRate: 0.05, optimizer: 'adamw', turn: false } as const;
    const { scores, lastLoss } = await train(normalised, asked('fresh norm', fresh));
    expect(running('fresh norm/start.onnx')).toEqual([
      [0, 0, 0],
      [1, 1, 1],
    ]);
    const [, variances] = running('fresh norm/network.onnx');
    for (const variance of variances) expect(Math.abs(variance - 1)).toBeGreaterThan(1e-3);
    // What it gives for single images by the running statistics is what it learned by those of batches.
    expect(lastLoss).toBeLessThan(0.4);
    expect(scores[0].value).toBeGreaterThan(0.9);
  });

  it('has its running statistics averaged over sites, and kept over an interruption', async () => {
    const one = { fresh: true, steps: 3 };
    await train(normalised, asked('norm of data', one));
    await train(normalised, asked('norm of other', { ...one, data: other }));
    const rounds = (output: string) => ({ ...inRounds(output, [data, other], 1, 3), fresh: true });
    await train(normalised, rounds('norm averaged'));
    const [a, b, got] = ['data', 'other', 'averaged'].map(name =>
      running(`norm ${name.replace(/^(data|other)/, 'of $1')}/network.onnx`),
    );
    for (const [which, values] of got.entries()) {
      const want = values.map((_, c) => (6 * a[which][c] + 8 * b[which][c]) / 14);
      expect(relativeError(values, want)).toBeLessThan(1e-5);
    }
    const path = await interrupted(rounds('norm stopped'), 4, normalised);
    await resumeTrain(path);
    expect(await weightsIn(path)).toEqual(await weightsIn(join(folder(), 'norm averaged')));
  });
});

describe('deep supervision', () => {
  const file = 'fixtures/deep_supervision.onnx';
  let images: string;

  beforeAll(async () => {
    images = join(folder(), 'images.npz');
    const random = Random.seeded(4);
    const data = Float32Array.from({ length: 4 * 384 }, () => random.normal());
    const labels = Uint8Array.from(data, v => (v > 0.8 ? 2 : v > 0 ? 1 : 0));
    await writeOutput(
      images,
      formatNpz({ images: npyArray(data, [4, 1, 16, 24]), labels: npyArray(labels, [4, 16, 24]) }),
    );
  });

  const deep = (output: string, more: Partial<TrainOptions> = {}) =>
    asked(output, { ...{ data: images, validation: images, steps: 2, fresh: true }, ...more });
  const outputsOf = (path: string) => importOnnx(join(folder(), path)).graph.outputs.map(({ name }) => name);

  it('trains the coarser outputs of a file besides, and leaves the one of the full size', async () => {
    const { outputs } = await train(file, deep('deep'));
    expect(outputs).toEqual(['seg', 'seg/2']);
    expect([outputsOf('deep/start.onnx'), outputsOf('deep/network.onnx')]).toEqual([['seg', 'seg/2'], ['seg']]);
    const [{ terms }] = (await readFile(join(folder(), 'deep', 'metrics.jsonl'), 'utf8'))
      .split('\n', 1)
      .map(line => JSON.parse(line));
    expect(Object.keys(terms)).toEqual(['labels', 'labels/seg/2']);
    const path = await interrupted(deep('deep stopped'), 1, file);
    await resumeTrain(path);
    expect(await weightsIn(path)).toEqual(await weightsIn(join(folder(), 'deep')));
  });

  it('is left out where that is said, or where an output is named that has no coarser ones', async () => {
    const { outputs } = await train(file, deep('shallow', { steps: 1, deepSupervision: false }));
    expect(outputs).toBeUndefined();
    expect(outputsOf('shallow/start.onnx')).toEqual(['seg']);
    const { firstLoss } = await train(file, deep('shallow tuned', { steps: 1, deepSupervision: false, fresh: false }));
    const other = await train(file, deep('deep tuned', { steps: 1, fresh: false }));
    expect(Math.abs(other.firstLoss! - firstLoss!)).toBeGreaterThan(1e-4);
    await expect(train(file, deep('none', { outputs: { a: 'nothing' } }))).rejects.toThrow("has no output 'nothing'");
  });
});

describe('refuses', () => {
  it.each([
    [{ rounds: 3 }, '--rounds and --local-steps are said with --federate'],
    [{ sites: [{ name: 'a', file: 'x.npz' }] }, 'not both'],
    [{ data: undefined }, 'Name the labelled images to train on'],
    [{ batch: 1e9 }, 'choose a smaller --batch'],
  ])('%o', async (more, message) => {
    await expect(train(network, asked('never', more))).rejects.toThrow(message);
    expect(await readdir(folder())).not.toContain('never');
  });

  it('images of other channels or sizes, and names their file', async () => {
    const shapes: readonly (readonly [string, readonly number[]])[] = [
      ['coloured', [2, 3, 8, 8]],
      ['wide', [2, 1, 8, 16]],
    ];
    for (const [name, shape] of shapes) {
      const file = join(folder(), `${name}.npz`);
      const images = npyArray(new Float32Array(shape.reduce((p, q) => p * q)), shape);
      const labels = npyArray(new Uint8Array(2 * shape[2] * shape[3]), [2, ...shape.slice(2)]);
      await writeOutput(file, formatNpz({ images, labels }));
      await expect(train(network, asked('never', { data: file }))).rejects.toMatchObject({
        code: 'data-invalid',
        message: expect.stringContaining(`${file}: "images" has the shape [${shape.join(', ')}], and `),
      });
    }
  });

  it('labels that fit no place of its output, and names its file', async () => {
    const file = join(folder(), 'few.npz');
    const images = npyArray(new Float32Array(2 * 64), [2, 1, 8, 8]);
    await writeOutput(file, formatNpz({ images, labels: npyArray(new Uint8Array(2 * 5), [2, 5]) }));
    await expect(train(network, asked('never', { validation: file }))).rejects.toThrow(
      `"labels" has the shape [2, 5], and ${network} answers for `,
    );
  });

  it('a folder that holds something else, and says what makes one', async () => {
    await cp((await tuned()).directory, join(folder(), 'there'), { recursive: true });
    await expect(train(network, asked('there', { steps: 1 }))).rejects.toThrow('holds a network already');
    await train(network, asked('there', { steps: 2, force: true }));
    expect(JSON.parse(await readFile(join(folder(), 'there', 'config.json'), 'utf8')).training.steps).toBe(2);
    await expect(resumeTrain(folder())).rejects.toThrow(
      "is no trained network's directory: there is no config.json of one in it; `suture train -o` makes one",
    );
    const { code, stderr } = await suture('train', network, '--data', data, '--val', data);
    expect(code).toBe(2);
    expect(stderr).toContain('-o NET');
  });
});
