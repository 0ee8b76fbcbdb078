/** Whatever is wrong with the input: one clear sentence, an exit code that is not 0, and nothing half-written. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { exportOnnx, float32, type Graph, GraphBuilder, symbol } from '../../../ir/index.ts';
import { type NpyArray, npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';
import { demo, type Outcome, scratch, suture } from './support.ts';

/** One line with the sentence; no stack, and nothing on standard output. */
function expectError({ code, stdout, stderr }: Outcome, pattern: RegExp, exit = 1): void {
  // Where the machine is slow, what takes long is said before it.
  const [line] = stderr.split('\n').filter(text => !/^([A-Z].*: (done in|\d+ of \d+)|\{"stage")/.test(text));
  expect(line).toMatch(/^error /);
  expect(line).toMatch(pattern);
  expect(stderr).not.toMatch(/defect of suture|\n {2,}at /);
  expect(stdout).toBe('');
  expect(code).toBe(exit);
}

const A = demo('parent_a.onnx');
const B = demo('parent_b.onnx');
const TRAIN = demo('site_a_train.npz');

/** A small convolutional network on [N, channels, side, side]. */
function network({ channels = 1, side = 48, classes = 3, outputs = 1, stride = 1, weight: first = 0.1 } = {}): Graph {
  const b = new GraphBuilder('net');
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), channels, side, side] });
  const weight = (name: string, m: number, c: number): ReturnType<GraphBuilder['constant']> =>
    b.constant(
      float32(
        [m, c, 1, 1],
        Array.from({ length: m * c }, (_, i) => first * (i + 1)),
      ),
      name,
    );
  const hidden = b.op('Conv', [x, weight('w1', 4, channels)], { strides: [stride, stride] });
  for (let i = 0; i < outputs; i++) b.output(`y${i}`, b.op('Conv', [b.op('Relu', [hidden]), weight('w2', classes, 4)]));
  return b.build();
}

async function modelFile(graph: Graph, name = 'model.onnx'): Promise<string> {
  const file = join(await scratch(), name);
  await writeFile(file, exportOnnx(graph));
  return file;
}

async function dataFile(arrays: Record<string, NpyArray>): Promise<string> {
  const file = join(await scratch(), 'data.npz');
  await writeFile(file, formatNpz(arrays));
  return file;
}

const images = (...shape: readonly number[]): NpyArray =>
  npyArray(new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(0.5), shape);
const labels = (value: number, ...shape: readonly number[]): NpyArray =>
  npyArray(new Uint8Array(shape.reduce((a, b) => a * b, 1)).fill(value), shape);

describe('models', () => {
  let whole: Uint8Array;
  beforeAll(async () => {
    whole = await readFile(A);
  });

  it.each([0, 1, 100, 5000])('cut off after %i bytes', async length => {
    const file = join(await scratch(), 'cut.onnx');
    await writeFile(file, whole.subarray(0, length));
    expectError(await suture('inspect', file), /cut\.onnx/);
  });

  it('random bytes', async () => {
    const file = join(await scratch(), 'noise.onnx');
    // Fixed, so that a failure can be repeated: the multiples of a prime, modulo 251.
    await writeFile(
      file,
      Uint8Array.from({ length: 4096 }, (_, i) => (i * i * 7919 + 13) % 251),
    );
    expectError(await suture('match', file, B), /noise\.onnx/);
  });

  it('not there, or a folder', async () => {
    expectError(await suture('inspect', 'no-such.onnx'), /no-such\.onnx.*does not exist/);
    expectError(
      await suture('match', 'fixtures', B),
      /'fixtures' is a folder: a model file was expected, as batch_statistics\.onnx, /,
    );
    expectError(await suture('match', 'docs', B), /'docs' is a folder: a model file was expected\.$/);
    expectError(await suture('inspect', 'fixtures'), /fixtures is no run directory/);
  });

  it('escapes what a terminal would obey', async () => {
    const { stderr } = await suture('inspect', 'no\u001b[31m.onnx');
    expect(stderr).not.toContain('\u001b');
    expect(stderr).toContain('no\\x1b[31m.onnx');
  });
});

describe('parents that do not fit together', () => {
  it('different inputs', async () => {
    const other = await modelFile(network({ channels: 3 }));
    expectError(await suture('match', A, other), /inputs do not fit together/);
  });

  it('different outputs', async () => {
    const other = await modelFile(network({ classes: 5 }));
    const output = join(await scratch(), 'run');
    expectError(await suture('stitch', A, other, '--data', TRAIN, '-o', output), /output .*logits/);
    expect(await readdir(join(output, '..'))).toEqual([]);
  });

  it('another number of outputs', async () => {
    const other = await modelFile(network({ outputs: 2 }));
    const output = join(await scratch(), 'run');
    expectError(await suture('stitch', A, other, '--data', TRAIN, '-o', output), /gives 2 outputs/);
  });

  it('no compatible pair', async () => {
    const shrinking = (() => {
      const b = new GraphBuilder('dense');
      const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, 48, 48] });
      b.output('y', b.op('GlobalAveragePool', [x]));
      return b.build();
    })();
    expectError(await suture('match', A, await modelFile(shrinking)), /No layer of/);
  });

  it('pairs of other networks', async () => {
    const folder = await scratch();
    const pairs = join(folder, 'pairs.json');
    await writeFile(pairs, JSON.stringify({ pairs: [{ a: 'nowhere', b: 'neither' }] }));
    const output = join(folder, 'run');
    // Before the data, and whatever else takes long.
    const missing = join(folder, 'missing.npz');
    expectError(await suture('stitch', A, B, '--data', missing, '--pairs', pairs, '-o', output), /nowhere/);
    await writeFile(pairs, '{"pairs": 3}');
    expectError(await suture('stitch', A, B, '--data', TRAIN, '--pairs', pairs, '-o', output), /pairs\.json: pairs/);
    await writeFile(pairs, 'pairs');
    expectError(await suture('stitch', A, B, '--data', TRAIN, '--pairs', pairs, '-o', output), /no JSON document/);
    expect(await readdir(folder)).toEqual(['pairs.json']);
  });
});

describe('data', () => {
  const evaluating = async (arrays: Record<string, NpyArray>): Promise<Outcome> =>
    suture('evaluate', A, '--data', await dataFile(arrays), '--executor', 'ort');

  it('of a wrong shape', async () => {
    const found = await evaluating({ images: images(2, 1, 32, 32), labels: labels(0, 2, 32, 32) });
    expectError(found, /\[2, 1, 32, 32\].*takes \[N, 1, 48, 48\]/);
  });

  it('of a wrong dtype', async () => {
    const found = await evaluating({ images: labels(7, 2, 1, 48, 48), labels: labels(0, 2, 48, 48) });
    expectError(found, /"images" is uint8/);
  });

  it('with NaN', async () => {
    const data = images(2, 1, 48, 48);
    data.data[48 * 48 + 3] = Number.NaN;
    expectError(await evaluating({ images: data, labels: labels(0, 2, 48, 48) }), /images\[1, 0, 0, 3\] is NaN/);
  });

  it('with labels outside the classes', async () => {
    const found = await evaluating({ images: images(2, 1, 48, 48), labels: labels(3, 2, 48, 48) });
    expectError(found, /labels\[0, 0, 0\] is 3; the networks have 3 classes, 0 to 2/);
  });

  it('with labels that the output has no place for', async () => {
    const found = await evaluating({ images: images(2, 1, 48, 48), labels: labels(0, 2) });
    expectError(found, /"labels" has the shape \[2\].*one label for each position/);
    const folder = await scratch();
    const data = await dataFile({ images: images(2, 1, 48, 48), labels: labels(0, 2) });
    const run = ['run', A, B, '--train', TRAIN, '--val', data, '-o', join(folder, 'run')];
    expectError(await suture(...run, '--executor', 'ort'), /"labels" has the shape/);
    expect(await readdir(folder)).toEqual([]);
  });

  it('without an extent in space, under shift', async () => {
    const b = new GraphBuilder('table');
    const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 2] });
    b.output('y', b.op('MatMul', [x, b.constant(float32([2, 2], [1, 2, 3, 4]), 'w')]));
    const file = await modelFile(b.build());
    const data = await dataFile({ images: images(3, 2), labels: labels(0, 3) });
    const found = await suture('evaluate', file, '--data', data, '--shift', '--executor', 'ort');
    expectError(found, /no extent in space.*--stress/, 2);
  });

  it('that a network answers with NaN', async () => {
    const side = 8;
    const [whole, file] = [await modelFile(network({ side })), await modelFile(network({ side, weight: Number.NaN }))];
    const data = await dataFile({ images: images(2, 1, side, side), labels: labels(0, 2, side, side) });
    for (const executor of ['ort', 'webgpu']) {
      const found = await suture('evaluate', whole, file, '--data', data, '--executor', executor);
      expectError(found, /model\.onnx: The output for image 0 has NaN in it/);
    }
  });

  it('from a pipe or a device', async () => {
    expectError(await suture('evaluate', A, '--data', '/dev/zero'), /must be a regular file/);
    expectError(await suture('inspect', '/dev/zero'), /a device or a pipe/);
    const stitch = ['stitch', A, B, '--data', TRAIN, '-o', join(await scratch(), 'run')];
    expectError(await suture(...stitch, '--pairs', '/dev/zero'), /no regular file/);
  });

  it('in batches that no memory holds', async () => {
    const folder = await scratch();
    const stitch = [
      'stitch',
      A,
      B,
      '--data',
      TRAIN,
      '--init',
      'kaiming',
      '--executor',
      'ort',
      '-o',
      join(folder, 'run'),
    ];
    expectError(await suture(...stitch, '--batch', '1000000000'), /smaller --batch/, 2);
    expect(await readdir(folder)).toEqual([]);
  });

  it('without labels', async () => {
    expectError(await evaluating({ images: images(2, 1, 48, 48) }), /there is no array "labels"/);
  });

  it('without images, cut off, no archive at all', async () => {
    expectError(await evaluating({ labels: labels(0, 2, 48, 48) }), /there is no array "images"/);
    const folder = await scratch();
    const whole = await readFile(demo('site_a_val.npz'));
    await writeFile(join(folder, 'cut.npz'), whole.subarray(0, whole.length / 2));
    expectError(await suture('evaluate', A, '--data', join(folder, 'cut.npz')), /cut\.npz.*cut off/);
    expectError(await suture('evaluate', A, '--data', A), /not a zip archive/);
  });

  it('that stops before anything is written', async () => {
    const folder = await scratch();
    const data = await dataFile({ images: images(2, 3, 48, 48) });
    expectError(await suture('stitch', A, B, '--data', data, '-o', join(folder, 'run')), /takes \[N, 1, 48, 48\]/);
    expect(await readdir(folder)).toEqual([]);
  });
});

describe('outputs', () => {
  it('that exist are not replaced without --force', async () => {
    const folder = await scratch();
    const file = join(folder, 'pairs.json');
    await writeFile(file, 'mine');
    expectError(await suture('match', A, B, '-o', file), /pairs\.json exists already.*--force/);
    expect(await readFile(file, 'utf8')).toBe('mine');
    expect(await suture('match', A, B, '-o', file, '--force')).toMatchObject({ code: 0 });
    expect(JSON.parse(await readFile(file, 'utf8'))).toHaveProperty('pairs');
  });

  it('that cannot be written are found out at once', async () => {
    const folder = await scratch();
    await writeFile(join(folder, 'file'), '');
    expectError(await suture('match', A, B, '-o', join(folder, 'no', 'p.json')), /its folder does not exist/);
    const inFile = join(folder, 'file', 'run');
    expectError(await suture('stitch', A, B, '--data', TRAIN, '-o', inFile), /is a file, not a folder/);
    expect(await readdir(folder)).toEqual(['file']);
  });

  it('that hold something else than a run are left alone, --force or not', async () => {
    const folder = await scratch();
    await mkdir(join(folder, 'thesis'));
    await writeFile(join(folder, 'thesis', 'chapter1.txt'), 'years of work');
    const output = join(folder, 'thesis');
    for (const force of [[], ['--force']]) {
      expectError(await suture('stitch', A, B, '--data', TRAIN, '-o', output, ...force), /other files than a run's/);
    }
    expect(await readdir(output)).toEqual(['chapter1.txt']);
  });
});

describe('runs', () => {
  it('that are none', async () => {
    const folder = await scratch();
    expectError(await suture('sweep', folder, '--data', TRAIN), /is no run directory/);
    expectError(await suture('export', folder, '--position', '0', '-o', join(folder, 'x.onnx')), /is no run directory/);
  });

  it('that are damaged', async () => {
    const folder = await scratch();
    await writeFile(join(folder, 'config.json'), '{"format": "suture-run", "version": 99}');
    expectError(await suture('sweep', folder, '--data', TRAIN), /version 99, this suture reads 2/);
    await writeFile(join(folder, 'config.json'), '{"form');
    expectError(await suture('sweep', folder, '--data', TRAIN), /cannot be read as JSON/);
  });
});

describe('usage', () => {
  it.each([
    [['frobnicate'], /unknown command/],
    [['match', A], /Name 2 to 26 networks to be joined, not 1/],
    [['match', A, B, '--matcher', 'psychic'], /Allowed choices are hirschberg, exact/],
    [['stitch', A, B, '--data', TRAIN, '-o', 'r', '--steps', '1.5'], /whole number/],
    [['stitch', A, B, '--data', TRAIN, '-o', 'r', '--lr', '-1'], /greater than 0/],
    [['stitch', A, B], /--data/],
    [['evaluate', A], /--data/],
    [['run', A, B, '--train', TRAIN, '--val', TRAIN, '-o', 'r', '--test', 'b'], /NAME=FILE/],
    [['export', 'r', '-o', 'x.onnx'], /--position I, or --rule 1, 2 or 3/],
    [['evaluate', A, '--data', TRAIN, '--data', TRAIN], /'--data <file>' is given twice/],
    [['export', 'r', '-o', 'x.onnx', '--rule', '4'], /Allowed choices are 1, 2, 3/],
    [['export', 'r', '-o', 'x.onnx', '--rule', '1', '--depth', '0.5'], /A depth goes with rule 3 alone/],
    [
      ['evaluate', A, '--data', demo('site_a_val.npz'), '--executor', 'ort', '--tune'],
      /kernels of WebGPU are measured/,
    ],
  ])('%j', async (args, pattern) => {
    const { code, stdout, stderr } = await suture(...args);
    expect(stderr).toMatch(pattern);
    expect(stdout).toBe('');
    expect(code).toBe(2);
  });

  it('shows help on request, and that is no error', async () => {
    const { code, stdout } = await suture('--help');
    expect(stdout).toMatch(/doctor.*\n[\s\S]*evaluate/);
    expect(code).toBe(0);
    expect(await suture('--version')).toMatchObject({ code: 0 });
  });
});

describe('validation data without foreground', () => {
  it('is refused before anything is trained or scored', async () => {
    const folder = await scratch();
    const empty = await dataFile({ images: images(2, 1, 48, 48), labels: labels(0, 2, 48, 48) });
    const run = join(folder, 'run');
    const outcome = await suture('run', A, B, '--train', TRAIN, '--val', empty, '-o', run);
    expectError(outcome, /no image has foreground in its labels/);
    expect(await readdir(folder)).toEqual([]);
  });
});
