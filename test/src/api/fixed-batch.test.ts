/** Parents whose files fix the batch, and mix what is in it, so that it cannot be opened: every command gives them as many images. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportOnnx, float32, type Graph, GraphBuilder, symbol, type Value } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { Random } from '../../../src/data/random.ts';
import { runOrt } from '../../passes/ort.ts';
import { smallData } from '../cli/small.ts';
import { type Outcome, scratch, suture } from '../cli/support.ts';
import { allImages } from '../data/support.ts';

const side = 8;

/** Two convolutions and a head of two classes; features are shifted by their mean over the batch, unless it is open. */
function network(batch: number | 'N', seed: number): Graph {
  const random = Random.seeded(seed, 'weights');
  const b = new GraphBuilder(`net${seed}`);
  const weights = (shape: readonly number[]): Value =>
    b.constant(
      float32(
        shape,
        Float32Array.from({ length: shape.reduce((x, y) => x * y) }, () => 0.4 * random.normal()),
      ),
    );
  const dim = batch === 'N' ? symbol('N') : batch;
  let x = b.input('x', { dtype: 'float32', shape: [dim, 1, side, side] });
  let channels = 1;
  for (const width of [3, 4]) {
    x = b.op('Relu', [b.op('Conv', [x, weights([width, channels, 3, 3]), weights([width])], { pads: [1, 1, 1, 1] })]);
    if (batch !== 'N') x = b.op('Add', [x, b.op('ReduceMean', [x, b.ints([0])], { keepdims: 1 })]);
    channels = width;
  }
  b.output('logits', b.op('Conv', [x, weights([2, channels, 1, 1])]));
  return b.build();
}

async function files(folder: string, batches: readonly (number | 'N')[]): Promise<readonly string[]> {
  const paths = batches.map((batch, i) => join(folder, `net${i}_${batch}.onnx`));
  for (const [i, batch] of batches.entries()) await writeFile(paths[i], exportOnnx(network(batch, i + 1)));
  return paths;
}

/** What ONNX Runtime makes of the images of a file, so many at a time; the last batch is filled up with its first images. */
async function predictions(model: string, data: string, batch: number): Promise<Float32Array> {
  const dataset = await loadDataset(data);
  const { count } = dataset;
  const images = allImages(dataset);
  const size = side * side;
  const result: number[] = [];
  for (let first = 0; first < count; first += batch) {
    const own = Math.min(batch, count - first);
    const part = Float32Array.from(
      { length: batch * size },
      (_, i) => images[(first + (Math.floor(i / size) % own)) * size + (i % size)],
    );
    const { logits } = await runOrt(importOnnx(model).graph, { x: float32([batch, 1, side, side], part) });
    result.push(...logits.data.subarray(0, own * 2 * size));
  }
  return Float32Array.from(result);
}

/** The mean Dice of class 1 over images, from logits [n, 2, side, side]. */
async function diceOf(logits: Float32Array, data: string): Promise<number> {
  const { labels, count } = await loadDataset(data);
  const size = side * side;
  let sum = 0;
  for (let n = 0; n < count; n++) {
    let [both, either] = [0, 0];
    for (let p = 0; p < size; p++) {
      const at = n * 2 * size + p;
      const yes = logits[at + size] > logits[at] ? 1 : 0;
      const truth = Number(labels!.data[n * size + p]);
      both += yes * truth;
      either += yes + truth;
    }
    sum += (2 * both) / either;
  }
  return sum / count;
}

const ok = (outcome: Outcome): Outcome => {
  expect(outcome, outcome.stderr).toMatchObject({ code: 0 });
  return outcome;
};

it('parents of which one takes so many images at a time are served by every command', async () => {
  const folder = await scratch();
  const [a, b] = (await files(folder, [4, 'N'])) as [string, string];
  // Six images: no multiple of four.
  const data = await smallData(join(folder, 'data.npz'));
  const run = join(folder, 'run');
  const ort = ['--executor', 'ort'];
  const training = ['--steps', '2', '--init-images', '5', '--closing-images', '4', '--no-shift'];
  const made = ok(
    await suture('run', a, b, '--train', data, '--val', data, '--test', `t=${data}`, ...training, ...ort, '-o', run),
  );
  expect(made.stderr).toContain(`${a}: takes 4 images at a time`);
  expect(made.stderr).toContain('--batch 4 is used');
  expect(made.stdout).toMatch(/agrees in ONNX Runtime: .* on [68] images/);
  expect(await readFile(join(run, 'report.md'), 'utf8')).toContain('It takes 4 images at a time');
  ok(await suture('match', a, b));
  ok(await suture('match', a, b, '--similarity', 'cka', '--data', data, ...ort));
  ok(await suture('weigh', run, '--data', data, '--steps', '1', ...ort));
  const settings = ['--weights', '0.5', '--outputs', '0.5', '--positions', '0', '--learned'];
  ok(await suture('sweep', run, '--data', data, ...settings, ...ort));
  ok(await suture('inspect', run));

  const file = join(folder, 'stitched.onnx');
  const { stdout } = ok(await suture('export', run, '--position', '0', '-o', file, '--json'));
  expect(JSON.parse(stdout)).toMatchObject({ batch: 4 });
  const { graph } = importOnnx(file);
  expect(graph.inputs[0].type.shape[0]).toBe(4);
  expect(graph.info.metadata).toMatchObject({ 'suture.batch': '4' });

  const scored = ok(await suture('evaluate', file, a, '--data', data, ...ort, '--json'));
  const rows = JSON.parse(scored.stdout).rows as { score: { value: number } }[];
  for (const [i, model] of [file, a].entries()) {
    expect(rows[i].score.value).toBeCloseTo(await diceOf(await predictions(model, data, 4), data), 6);
  }
  const swept = JSON.parse(ok(await suture('sweep', run, '--data', data, ...ort, '--json')).stdout);
  expect(swept.positions[0].value).toBeCloseTo(rows[0].score.value, 6);
  const curve = JSON.parse(ok(await suture('curve', run, '--data', data, '--counts', '1', ...ort, '--json')).stdout);
  expect(curve.runs[0].references.a).toBeCloseTo(rows[1].score.value, 6);
});

describe('numbers of images that do not fit', () => {
  it('are refused before anything is written', async () => {
    const folder = await scratch();
    const [one, four, any] = (await files(folder, [1, 4, 'N'])) as [string, string, string];
    const data = await smallData(join(folder, 'data.npz'));
    const run = join(folder, 'run');
    const common = ['--data', data, '--executor', 'ort'];
    for (const command of [
      ['match', one, four],
      ['stitch', one, four, ...common, '-o', run],
    ]) {
      expect(await suture(...command)).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/parent a \(.*net0_1.onnx\) takes 1 at a time and parent b \(.*net1_4.onnx\) 4/),
      });
    }
    expect(await suture('stitch', four, any, ...common, '--batch', '8', '-o', run)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining(
        'take 4 images at a time, and so do the steps: leave out --batch 8, or say --batch 4',
      ),
    });
    expect(await suture('evaluate', four, ...common, '--batch', '6')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('leave out --batch 6, or give a multiple of 4'),
    });
    ok(await suture('evaluate', one, four, any, ...common, '--batch', '8'));
    ok(await suture('evaluate', one, four, any, ...common, '--ensemble'));
    ok(await suture('stitch', four, any, ...common, '--steps', '1', '--init', 'ridge', '--batch', '4', '-o', run));
    expect(await suture('sweep', run, ...common, '--batch', '2')).toMatchObject({ code: 2 });
    expect(await suture('weigh', run, ...common, '--batch', '2')).toMatchObject({ code: 2 });
    expect(await suture('inspect', run, '--batch', '2')).toMatchObject({ code: 2 });
    expect(await suture('curve', run, ...common, '--batch', '2')).toMatchObject({ code: 2 });
  });
});

it.each([
  ['N', 'any number of images'],
  [1, '1 image'],
] as const)('says of a network of parents that take %s at a time that it takes %s', async (batch, many) => {
  const folder = await scratch();
  const [a, b] = (await files(folder, [batch, batch])) as [string, string];
  const data = await smallData(join(folder, 'data.npz'));
  const run = join(folder, 'run');
  const training = ['--steps', '0', '--init', 'identity', '--closing-images', '0'];
  ok(await suture('stitch', a, b, '--data', data, '--executor', 'ort', ...training, '-o', run));
  const file = join(folder, 'stitched.onnx');
  const { stdout } = ok(await suture('export', run, '--all', '-o', file));
  expect(stdout).toContain(`It takes ${many} at a time.`);
  expect(importOnnx(file).graph.info.metadata).toMatchObject({ 'suture.batch': batch === 'N' ? 'any' : '1' });
});
