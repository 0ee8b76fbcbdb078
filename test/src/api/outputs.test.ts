/** Networks with deep supervision in commands: one output of each is joined, kept in the run, scored and predicted by. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { evaluate } from '../../../src/api/evaluate.ts';
import { exportNetwork } from '../../../src/api/export.ts';
import { match } from '../../../src/api/match.ts';
import { predict } from '../../../src/api/predict.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { npyArray } from '../../../src/data/npy.ts';
import { formatNpz } from '../../../src/data/npz.ts';
import { Random } from '../../../src/data/random.ts';
import { loadRun } from '../../../src/run/load.ts';
import { shared } from '../cli/support.ts';

const file = 'fixtures/deep_supervision.onnx';
const folder = shared();

describe('networks with deep supervision', () => {
  let data: string;
  const run = (): string => join(folder(), 'run');
  beforeAll(async () => {
    const random = Random.seeded(3, 'images');
    const images = Float32Array.from({ length: 6 * 16 * 16 }, () => random.normal());
    data = join(folder(), 'data.npz');
    const labels = Uint8Array.from(images, v => (v > 1 ? 2 : v > 0 ? 1 : 0));
    await writeFile(
      data,
      formatNpz({ images: npyArray(images, [6, 1, 16, 16]), labels: npyArray(labels, [6, 16, 16]) }),
    );
    const training = { steps: 0, initImages: 4 };
    await stitch({
      networks: [file, file],
      outputs: { b: 'seg' },
      data,
      output: run(),
      executor: 'ort',
      training,
    });
  });

  it('are joined at the outputs that are as large as the image, and opened as they were', async () => {
    const { parents, network } = await loadRun(run());
    expect(parents.map(({ output }) => output)).toEqual(['seg', 'seg']);
    expect(network.outputs.map(({ name }) => name)).toEqual(['seg']);
    const model = join(folder(), 'even.onnx');
    await exportNetwork(run(), model, { combination: { positions: [], weight: 1, output: 0.5 } });
    expect(importOnnx(model).graph.outputs.map(({ name }) => name)).toEqual(['seg']);
  });

  it('are scored by that output alone', async () => {
    const model = join(folder(), 'a.onnx');
    await exportNetwork(run(), model, { combination: { positions: [], weight: 1, output: 1 } });
    const { rows } = await evaluate([file, model], data, { executor: 'ort' });
    expect(rows[0].score.value).toBeGreaterThan(0);
    expect(rows[1].score).toEqual(rows[0].score);
  });

  it('are matched without the others, or by another one', async () => {
    const [plain, coarse] = [await match([file, file]), await match([file, file], { outputs: { b: 'seg/4' } })];
    expect(plain.pairs.length).toBeGreaterThan(coarse.pairs.length);
    expect(plain.warnings).toHaveLength(2);
    expect(coarse.warnings).toHaveLength(1);
  });

  it('label images, and say by which output', async () => {
    const { warnings, cases } = await predict({ model: file, data, output: join(folder(), 'labels'), executor: 'ort' });
    expect(cases).toHaveLength(1);
    expect(warnings).toEqual([expect.stringContaining("'seg' is used")]);
  });

  it('are refused where outputs are of no network that is there', async () => {
    await expect(match([file, file], { outputs: { c: 'seg' } })).rejects.toThrow(
      'There are outputs of a network c, and here they can be of a, b.',
    );
  });
});
