/** What stitches take is known before anything long begins, and compared with what there is. */
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { exportOnnx, float32, type Graph, GraphBuilder, staticShape, symbol } from '../../../ir/index.ts';
import { featureStatistics, fitBytesOf, type SuperNetwork, stitch } from '../../../passes/index.ts';
import { stitch as stitchFiles } from '../../../src/api/stitch.ts';
import { npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';
import { type TrainingRequest, withDefaults } from '../../../src/training/options.ts';
import { requireRoom, stitchMemory } from '../../../src/training/room.ts';
import { scratch } from '../cli/support.ts';

/** Linear layers with activations; the last gives two classes. */
function perceptron(...widths: readonly number[]): Graph {
  const b = new GraphBuilder('perceptron');
  let x = b.input('x', { dtype: 'float32', shape: [symbol('N'), 4] });
  for (const [i, width] of [...widths, 2].entries()) {
    const inputs = x.type.shape[1] as number;
    const weight = b.constant(float32([inputs, width], new Float32Array(inputs * width).fill(1 / inputs)));
    x = b.op('Gemm', [x, weight], {}, { name: `gemm${i}` });
    if (i < widths.length) x = b.op('Relu', [x], {}, { name: `relu${i}` });
  }
  b.output('y', x);
  return b.build();
}

const joined = (graph: Graph, ...features: readonly string[]): SuperNetwork =>
  stitch(
    [
      { tag: 'a', graph },
      { tag: 'b', graph },
    ],
    features.map(name => ({ features: { a: name, b: name } })),
  );

const images = { count: 200, imageShape: [4] };
const settings = (given: TrainingRequest = {}) =>
  withDefaults({ init: 'identity', closingImages: 0, ...given }, { dense: false });

afterEach(() => vi.unstubAllEnvs());

describe('an estimate', () => {
  it.each([
    ['of moments', 30, 100, 3],
    ['of samples', 100, 30, 1],
  ])('has what a batch hands over, %s', (_, width, count, copies) => {
    const network = joined(perceptron(width), 'relu0');
    const data = { binding: { N: count }, images: count };
    const handed = featureStatistics(network, data).outputs.reduce((sum, { value: { type } }) => {
      const shape = staticShape(type.shape.map(d => (typeof d === 'number' ? d : count)))!;
      return sum + shape.reduce((x, y) => x * y, 4);
    }, 0);
    const held = network.stitches.reduce((sum, s) => sum + fitBytesOf(s, data).held, 0);
    // Moments are kept in double precision besides; their means are left out of the account.
    expect(held / (copies * handed)).toBeGreaterThan(0.95);
    expect(held / (copies * handed)).toBeLessThanOrEqual(1);
  });

  it('grows with what is trained, fitted at once and fitted to the outputs', () => {
    const network = joined(perceptron(50, 50), 'relu0', 'relu1');
    const memory = (given: TrainingRequest) => stitchMemory(network, settings(given), images);
    const { parameters, training } = memory({});
    expect(parameters).toBe(4 * 51 * 50);
    expect(training).toBe(40 * parameters);
    expect(memory({ settings: 'fixed', positions: [1] }).training).toBe(26 * parameters);
    expect(memory({ steps: 0 }).training).toBe(12 * parameters);
    const [least, sequential, ridge] = (['identity', 'sequential', 'ridge'] as const).map(
      init => memory({ init, initImages: 200 }).fitting,
    );
    expect(least).toBe(4 * parameters);
    // Two stitches of a position, and all four; what one is fitted with is the same.
    const held = 2 * 12 * 2 * 50 * 50;
    expect(ridge - sequential).toBe(held);
    expect(memory({ closingImages: 20 }).closing).toBe(12 * parameters + (120 * parameters) / 2);
  });
});

describe('stitches that take more', () => {
  it('than is free are refused, and not where it is', () => {
    const network = joined(perceptron(50, 70), 'relu0', 'relu1');
    const { training } = stitchMemory(network, settings(), images);
    requireRoom(network, settings(), images, { free: training });
    const refused = (): void => requireRoom(network, settings(), images, { free: training - 1 });
    expect(refused).toThrow(expect.objectContaining({ code: 'memory-short' }));
    expect(refused).toThrow(
      /stitches of 2 positions have 15040 parameters, which take to be trained 0\.6 MiB, and 0\.6 MiB of memory are free; the widest is at position 1 \('[ab]\/relu1', 70 to 70 channels\): take pairs out .* --pairs PAIRS\.json, or say with SUTURE_MEMORY_GIB/,
    );
  });

  it('than is free with what ONNX Runtime takes beside are refused, with both figures', () => {
    const network = joined(perceptron(50, 70), 'relu0', 'relu1');
    const { training, session } = stitchMemory(network, settings({ batch: 10 }), images);
    // Both parents' weights and biases three times; of ten images sources and results of two stitches at each position.
    const weights = 2 * (4 * 50 + 50 * 70 + 70 * 2);
    const rest = session - 4 * (3 * weights + 10 * 4 * (50 + 70));
    // A few numbers that outputs are combined with.
    expect(rest).toBeGreaterThanOrEqual(0);
    expect(rest).toBeLessThan(200);
    const room = (free: number) => () =>
      requireRoom(network, settings({ batch: 10 }), images, { free, withSession: true });
    expect(room(training + session)).not.toThrow();
    expect(room(training)).toThrow(
      /take to be trained 0\.6 MiB, a step of 10 images takes 0\.1 MiB besides, and 0\.6 MiB of memory are free; .*, take a smaller --batch, or say/,
    );
  });

  it('than a file holds are refused whatever is free', () => {
    const network = joined(perceptron(25_088), 'relu0');
    expect(() => requireRoom(network, settings(), images, { free: Infinity })).toThrow(
      /1 position have 1258\.\d million parameters, which take 14\.1 GiB in a file, and one holds 4\.0 GiB; .*--pairs PAIRS\.json\.$/,
    );
  });

  it('are refused before the parents are compared, and leave nothing', async () => {
    const folder = await scratch();
    const [file, data, output] = ['net.onnx', 'data.npz', 'run'].map(name => join(folder, name));
    await writeFile(file, exportOnnx(perceptron(64, 64)));
    await writeFile(data, formatNpz({ images: npyArray(new Float32Array(80), [20, 4]) }));
    const onProgress = vi.fn();
    vi.stubEnv('SUTURE_MEMORY_GIB', '0.0002');
    await expect(stitchFiles({ networks: [file, file], data, output }, { onProgress })).rejects.toMatchObject({
      code: 'memory-short',
    });
    expect(await readdir(folder)).toEqual(['data.npz', 'net.onnx']);
    expect(onProgress).not.toHaveBeenCalled();
  });
});
