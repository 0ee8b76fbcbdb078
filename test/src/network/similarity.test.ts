import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { exportOnnx, type Value } from '../../../ir/index.ts';
import { match, matchableValues } from '../../../passes/index.ts';
import { loadDataset } from '../../../src/data/load.ts';
import { withExecutor } from '../../../src/execution/open.ts';
import { loadModel } from '../../../src/network/load.ts';
import { ckaSimilarity } from '../../../src/network/similarity.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { demo, scratch, suture } from '../cli/support.ts';
import { allImages } from '../data/support.ts';

/** Samples × channels of a feature [N, C, H, W], centred. */
function matrixOf({ dims, data }: Tensor): number[][] {
  const [n, channels, height, width] = dims as [number, number, number, number];
  const columns = Array.from({ length: channels }, (_, c) => {
    const column: number[] = [];
    for (let i = 0; i < n; i++) {
      const from = (i * channels + c) * height * width;
      column.push(...(data.slice(from, from + height * width) as Float32Array));
    }
    const mean = column.reduce((sum, x) => sum + x, 0) / column.length;
    return column.map(x => x - mean);
  });
  return columns;
}

function squaredNorm(x: readonly number[][], y: readonly number[][]): number {
  let sum = 0;
  for (const u of x) for (const v of y) sum += u.reduce((product, value, i) => product + value * v[i], 0) ** 2;
  return sum;
}

describe('the similarity of features on data', () => {
  it('is linear CKA of what ONNX Runtime computes', async () => {
    const folder = await scratch();
    const models = await Promise.all((await smallParents(folder)).map(file => loadModel(file)));
    const dataset = await loadDataset(await smallData(join(folder, 'data.npz')));
    const [a, b] = [models[0], models[1]];
    const values = matchableValues(a.graph, b.graph);
    const measured = await withExecutor({ executor: 'ort' }, executor => ckaSimilarity({ executor }, [a, b], dataset));

    const features = async (
      model: typeof a,
      observed: readonly Value[],
    ): Promise<InferenceSession.OnnxValueMapType> => {
      const outputs = observed.map(value => ({ name: value.name, value }));
      const session = await InferenceSession.create(exportOnnx(model.graph.with({ outputs })));
      const found = await session.run({ x: new Tensor('float32', allImages(dataset), [6, 1, 8, 8]) });
      await session.release();
      return found;
    };
    const [ofA, ofB] = [await features(a, values.a), await features(b, values.b)];
    expect(values.a.length).toBeGreaterThan(4);
    for (const { name: nameA } of values.a) {
      for (const { name: nameB } of values.b) {
        const [x, y] = [matrixOf(ofA[nameA] as Tensor), matrixOf(ofB[nameB] as Tensor)];
        const expected = squaredNorm(x, y) / Math.sqrt(squaredNorm(x, x) * squaredNorm(y, y));
        expect(measured(nameA, nameB)).toBeCloseTo(expected, 4);
      }
    }
  });

  it('is 1 between a feature and itself, and mostly less elsewhere, at sampled positions', async () => {
    const parent = await loadModel(demo('parent_a.onnx'));
    const dataset = await loadDataset(demo('site_a_val.npz'));
    const similarity = await withExecutor({ executor: 'ort' }, executor =>
      ckaSimilarity({ executor }, [parent, parent], dataset, { images: 4 }),
    );
    const { pairs, score } = match(parent.graph, parent.graph, { similarity });
    expect(pairs.every(({ features: { a, b } }) => a === b)).toBe(true);
    expect(score).toBeCloseTo(pairs.length, 3);
    const [first, last] = [pairs[0], pairs.at(-1)!].map(pair => pair.features);
    expect(similarity(first.a, last.b)).toBeLessThan(0.9);
    expect(similarity('no such', last.b)).toBe(0);
  });

  it('asks for some images', async () => {
    const folder = await scratch();
    const [a, b] = await Promise.all((await smallParents(folder)).map(file => loadModel(file)));
    const dataset = await loadDataset(await smallData(join(folder, 'data.npz')));
    await expect(
      withExecutor({ executor: 'ort' }, executor => ckaSimilarity({ executor }, [a, b], dataset, { images: 3 })),
    ).rejects.toMatchObject({ code: 'data-invalid' });
  });
});

describe('suture match --similarity cka', () => {
  it('writes pairs that stitch takes', async () => {
    const folder = await scratch();
    const [a, b] = await smallParents(folder);
    const data = await smallData(join(folder, 'data.npz'));
    const pairs = join(folder, 'pairs.json');
    const flags = ['--similarity', 'cka', '--data', data, '--images', '6', '--executor', 'ort'];
    const matched = await suture('match', a, b, ...flags, '--matcher', 'exact', '-o', pairs, '--json');
    const found = JSON.parse(matched.stdout);
    expect(JSON.parse(await readFile(pairs, 'utf8'))).toEqual(found);
    expect(found).toMatchObject({ optimal: true, ended: 'proof' });
    const plain = JSON.parse((await suture('match', a, b, '--json')).stdout);
    expect(found.score).toBeLessThan(plain.score);
    const training = ['--steps', '0', '--init', 'kaiming', '--closing-images', '0', '--executor', 'ort'];
    const run = ['-o', join(folder, 'run'), '--json'];
    const stitched = JSON.parse(
      (await suture('stitch', a, b, '--data', data, '--pairs', pairs, ...training, ...run)).stdout,
    );
    expect(stitched.positions).toBe(found.pairs.length);
  });

  it('takes the other metric, but not both', async () => {
    const folder = await scratch();
    const [a, b] = await smallParents(folder);
    const data = await smallData(join(folder, 'data.npz'));
    const linear = JSON.parse((await suture('match', a, b, '--metric', 'linear', '--json')).stdout);
    expect(linear.pairs[0].score).toBeCloseTo(1 - Math.abs(linear.pairs[0].positionA - linear.pairs[0].positionB), 9);
    const similar = ['--similarity', 'cka', '--executor', 'ort'];
    const both = await suture('match', a, b, '--metric', 'linear', ...similar, '--data', data);
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('--similarity') });
    expect(await suture('match', a, b, ...similar)).toMatchObject({ stderr: expect.stringContaining('--data') });
    const needless = await suture('match', a, b, '--data', data);
    expect(needless.stderr).toContain('--similarity cka');
  });
});
