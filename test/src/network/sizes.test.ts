import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exportOnnx, float32, type Graph, GraphBuilder, symbol, verify } from '../../../ir/index.ts';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { inspect } from '../../../src/api/inspect.ts';
import { run } from '../../../src/api/run.ts';
import { graphForImages } from '../../../src/network/sizes.ts';
import { random } from '../../passes/ort.ts';
import { sizedNetwork } from '../../passes/sizes/networks.ts';

const next = random(11);
const draw = (...shape: number[]) =>
  float32(
    shape,
    Float32Array.from({ length: shape.reduce((x, y) => x * y) }, () => next() - 0.5),
  );

/** A small network that halves its features and brings them back. */
function halving(name: string, channels: number, up: 'nearest' | 'size', [h, w]: readonly string[]): Graph {
  const b = new GraphBuilder(name);
  const x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, symbol(h), symbol(w)] });
  const conv = (from: typeof x, inputs: number, outputs: number, name: string) =>
    b.op('Relu', [b.op('Conv', [from, b.constant(draw(outputs, inputs, 3, 3))], { pads: [1, 1, 1, 1] })], {}, { name });
  const top = conv(x, 1, channels, 'top');
  const down = b.op('MaxPool', [top], { kernel_shape: [2, 2], strides: [2, 2] });
  const low = conv(down, channels, channels, 'low');
  const sizes = () => b.op('Shape', [top]);
  const large = {
    nearest: () => b.op('Resize', [low, undefined, b.constant(float32([4], [1, 1, 2, 2]))], { mode: 'nearest' }),
    size: () => b.op('Resize', [low, undefined, undefined, sizes()], { mode: 'linear' }),
  }[up]();
  const both = conv(b.op('Concat', [large, top], { axis: 1 }), 2 * channels, channels, 'both');
  b.output('y', b.op('Conv', [both, b.constant(draw(2, channels, 1, 1))], {}, { name: 'head' }));
  return verify(b.build());
}

/** An array in NumPy's format. */
function npy(descr: string, shape: readonly number[], data: Uint8Array): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(', ')},), }`;
  const header = Buffer.from(`\x93NUMPY\x01\x00\0\0${text.padEnd(117)}\n`, 'latin1');
  header.writeUInt16LE(118, 8);
  return Buffer.concat([header, data]);
}

/** @param whole one label for an image, and not one for each place. */
const images = (count: number, size: number, whole = false): Uint8Array => {
  const { data } = draw(count, 1, size, size);
  const labels = Uint8Array.from(data, v => (v > 0 ? 1 : 0));
  return zipSync({
    'images.npy': npy('<f4', [count, 1, size, size], new Uint8Array(data.buffer)),
    'labels.npy': whole
      ? npy(
          '|u1',
          [count],
          Uint8Array.from({ length: count }, (_, i) => i % 2),
        )
      : npy('|u1', [count, size, size], labels),
  });
};

let folder: string;
const at = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'suture-sizes-'));
  await writeFile(at('a.onnx'), exportOnnx(halving('net', 3, 'nearest', ['H', 'W'])));
  await writeFile(at('b.onnx'), exportOnnx(halving('net', 4, 'size', ['height', 'width'])));
  for (const size of [8, 9, 12]) await writeFile(at(`${size}.npz`), images(4, size));
});
afterAll(() => rm(folder, { recursive: true }));

const sizes = 'height and width that are multiples of 2';

const runOf = (a: string, test: string) =>
  run({
    networks: [at(a), at('b.onnx')],
    train: at('8.npz'),
    validation: at('8.npz'),
    tests: [{ name: 't', file: at(test) }],
    output: at('run'),
    force: true,
    executor: 'ort',
    stress: false,
    training: { steps: 1, batch: 2, initImages: 4, closingImages: 0 },
  });

describe('height and width that are open in both parents', () => {
  test('trains at the size of the data, tests at another, stays open, and says for which sizes', async () => {
    const { agreement, exported, warnings, tests } = await runOf('a.onnx', '12.npz');
    expect(agreement.agrees).toBe(true);
    expect(tests[0].rows.every(r => Number.isFinite(r.score.value))).toBe(true);
    expect(exported.sizes).toBe(sizes);
    // The parents say so themselves.
    expect(warnings.filter(w => w.includes(sizes))).toEqual([]);
    const { graph } = importOnnx(at('run/stitched.onnx'));
    expect(graph.inputs[0].type.shape.map(String)).toEqual(['N', '1', 'H', 'W']);
  });

  test('a test set whose size does not fit is found before training, with a multiple that would do', async () => {
    await expect(runOf('a.onnx', '9.npz')).rejects.toThrow(
      /9\.npz: images of 9×9 do not fit .*a\.onnx, which takes a height and width that are multiples of 2: pad or crop them\.$/,
    );
  });

  describe('that poolings and strides round differently', () => {
    const files = (skip: 'Concat' | 'none') =>
      (['pool', 'strided'] as const).map(halving => at(`${halving}${skip}.onnx`));
    const request = (skip: 'Concat' | 'none', test: string) => ({
      networks: files(skip),
      train: at(`${skip}8.npz`),
      validation: at(`${skip}8.npz`),
      tests: [{ name: 't', file: at(test) }],
      output: at(`run-${skip}`),
      force: true,
      executor: 'ort' as const,
      stress: false as const,
      gate: false,
      training: { steps: 1, batch: 2, initImages: 4, closingImages: 0 },
    });
    beforeAll(async () => {
      for (const skip of ['Concat', 'none'] as const) {
        for (const [i, file] of files(skip).entries()) {
          const halving = (['pool', 'strided'] as const)[i];
          await writeFile(file, exportOnnx(sizedNetwork({ halving, levels: 1, skip, seed: i + 1 })));
        }
        for (const size of [7, 8, 12]) await writeFile(at(`${skip}${size}.npz`), images(4, size, skip === 'none'));
      }
    });

    test('are stitched, and the file says for which sizes', async () => {
      const { agreement, exported, warnings, tests } = await run(request('none', 'none12.npz'));
      expect(agreement.agrees).toBe(true);
      expect(tests[0].rows.every(r => Number.isFinite(r.score.value))).toBe(true);
      expect(exported.sizes).toBe(sizes);
      expect(warnings.some(w => w.includes(sizes))).toBe(true);
      const { graph } = importOnnx(exported.file);
      expect(graph.inputs[0].type.shape.map(String)).toEqual(['N', '1', 'H', 'W']);
      expect(graph.info.metadata?.['suture.sizes']).toBe(sizes);
      expect((await inspect(exported.file)).sizes).toBe(sizes);
    });

    test('other sizes are refused before training', async () => {
      await expect(run(request('Concat', 'Concat7.npz'))).rejects.toThrow(/7×7 do not fit .*pool.*multiples of 2/);
      await expect(run(request('none', 'none7.npz'))).rejects.toThrow(
        /7×7 do not fit the joined networks, whose pairs are for a height and width that are multiples of 2: pad or crop them, or match anew\.$/,
      );
    });
  });

  test('every size but the batch becomes a number', () => {
    const dataset = { imageShape: [1, 8, 8], source: 'x.npz' };
    const graph = graphForImages(halving('net', 3, 'nearest', ['H', 'W']), dataset, 'a');
    expect(graph.outputs[0].value.type.shape.map(String)).toEqual(['N', '2', '8', '8']);
  });
});
