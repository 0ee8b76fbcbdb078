/** Two small segmentation networks and data for them, for tests that are about everything around the numbers. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { exportOnnx, float32, type Graph, GraphBuilder, symbol, type Value } from '../../../ir/index.ts';
import { npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';
import { Random } from '../../../src/data/random.ts';

const SIDE = 8;

/** Convolutions of these widths with instance norm and LeakyReLU, and a head of two classes. */
function network(widths: readonly number[], seed: number): Graph {
  const random = Random.seeded(seed, 'weights');
  const b = new GraphBuilder(`net${seed}`);
  const weights = (shape: readonly number[], scale: number): Value =>
    b.constant(
      float32(
        shape,
        Float32Array.from({ length: shape.reduce((x, y) => x * y) }, () => scale * random.normal()),
      ),
      'w',
    );
  let x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 1, SIDE, SIDE] });
  let channels = 1;
  for (const width of widths) {
    const scale = Math.sqrt(2 / (9 * channels));
    x = b.op('Conv', [x, weights([width, channels, 3, 3], scale), weights([width], 0.1)], { pads: [1, 1, 1, 1] });
    const ones = b.constant(float32([width], new Float32Array(width).fill(1)), 'scale');
    x = b.op('InstanceNormalization', [x, ones, weights([width], 0.1)]);
    x = b.op('LeakyRelu', [x], { alpha: 0.01 });
    channels = width;
  }
  b.output('logits', b.op('Conv', [x, weights([2, channels, 1, 1], 1)]));
  return b.build();
}

/** Writes two networks of different width and depth and returns their paths. */
export async function smallParents(
  folder: string,
  widths: readonly [readonly number[], readonly number[]] = [
    [4, 5],
    [3, 4, 4],
  ],
): Promise<[string, string]> {
  const [a, b] = await smallNetworks(folder, widths);
  return [a, b];
}

/** Writes networks of these widths and depths, `a.onnx`, `b.onnx`, …, and returns their paths. */
export async function smallNetworks(folder: string, widths: readonly (readonly number[])[]): Promise<string[]> {
  const files = widths.map((_, i) => join(folder, `${'abcdef'[i]}.onnx`));
  for (const [i, file] of files.entries()) await writeFile(file, exportOnnx(network(widths[i], i + 1)));
  return files;
}

/** Writes six noisy images with labels and two folds, and returns the path. `id`: the cases that they belong to. */
export async function smallData(file: string, side = SIDE, id?: readonly number[]): Promise<string> {
  const random = Random.seeded(3, 'images');
  const images = Float32Array.from({ length: 6 * side * side }, () => random.normal());
  const labels = Uint8Array.from(images, v => (v > 0.5 ? 1 : 0));
  await writeFile(
    file,
    formatNpz({
      images: npyArray(images, [6, 1, side, side]),
      labels: npyArray(labels, [6, side, side]),
      fold: npyArray(Int32Array.of(0, 0, 0, 1, 1, 1), [6]),
      ...(id && { id: npyArray(Int32Array.from(id), [6]) }),
    }),
  );
  return file;
}
