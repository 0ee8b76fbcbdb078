/** Prediction from files to files: what is written, what is left alone, what is refused. */
import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { exportOnnx, float32, GraphBuilder, symbol, type Value } from '../../../ir/index.ts';
import { predict } from '../../../src/api/predict.ts';
import { npyArray } from '../../../src/data/npy.ts';
import { formatNpz, parseNpz } from '../../../src/data/npz.ts';
import { readVolume, writeLabels } from '../../../src/volumes/files.ts';
import { scratch, suture } from '../cli/support.ts';

/** A network that says which of three bands an intensity is in, place by place: logits -x², -(x-4)², -(x-8)², without their x². */
async function bands(folder: string, metadata: Readonly<Record<string, string>> = {}): Promise<string> {
  const to = new GraphBuilder('bands', { metadata });
  const x = to.input('x', { dtype: 'float32', shape: [symbol('N'), 1, symbol('H'), symbol('W')] });
  const constant = (shape: readonly number[], values: readonly number[]): Value => to.constant(float32(shape, values));
  to.output('y', to.op('Conv', [x, constant([3, 1, 1, 1], [0, 8, 16]), constant([3], [0, -16, -64])]));
  const file = join(folder, 'bands.onnx');
  await writeFile(file, exportOnnx(to.build()));
  return file;
}

const values = [0, 1, 3, 4, 5, 7, 8, 9, 20, 0, 6, 2];
const pixels = { kind: 'pixels' } as const;
const wanted = [0, 0, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0];

async function images(folder: string): Promise<string> {
  const path = join(folder, 'images');
  await mkdir(path);
  for (const name of ['one', 'two'])
    await writeLabels(join(path, `${name}_0000.png`), values, { shape: [1, 3, 4], geometry: pixels });
  return path;
}

describe('prediction', () => {
  it('takes intensities as they are where nothing says what is done to them, and writes labels beside each other', async () => {
    const folder = await scratch();
    const [model, data, output] = [await bands(folder), await images(folder), join(folder, 'out')];
    const found = await predict({ model, data, output, executor: 'ort' });
    expect(found.cases.map(({ name }) => name)).toEqual(['one', 'two']);
    const labels = await readVolume(join(output, 'two.png'), 'labels');
    expect(labels.shape).toEqual([1, 1, 3, 4]);
    expect([...labels.data]).toEqual(wanted);
  });

  it('gives labels the values that dataset.json names, by the file of the network or the data', async () => {
    const folder = await scratch();
    const names = { channel_names: { 0: 'gray' }, labels: { background: 0, low: 10, high: 300 } };
    const model = await bands(folder, { 'suture.dataset': JSON.stringify(names) });
    const [data, output] = [await images(folder), join(folder, 'out')];
    await predict({ model, data, output, executor: 'ort' });
    const { data: labels } = await readVolume(join(output, 'one.png'), 'labels');
    expect([...labels]).toEqual(wanted.map(k => [0, 10, 300][k]));
  });

  it('does not make again what is there, unless it is told to, and mixes nothing', async () => {
    const folder = await scratch();
    const [model, data, output] = [await bands(folder), await images(folder), join(folder, 'out')];
    const request = { model, data, output, executor: 'ort' } as const;
    await predict(request);
    const before = await stat(join(output, 'one.png'));
    expect((await predict(request)).cases.every(({ already }) => already)).toBe(true);
    expect((await stat(join(output, 'one.png'))).mtimeMs).toBe(before.mtimeMs);
    await expect(predict({ ...request, mirror: [0] })).rejects.toMatchObject({ code: 'output-exists' });
    const again = await predict({ ...request, mirror: [0], force: true });
    expect(again.cases.some(({ already }) => already)).toBe(false);
  });

  it('takes no labels for its own that something else made, or that are of other images of the same name', async () => {
    const folder = await scratch();
    const [model, data, output] = [await bands(folder), await images(folder), join(folder, 'out')];
    const request = { model, data, output, executor: 'ort' } as const;
    await mkdir(output);
    await writeLabels(join(output, 'one.png'), values, { shape: [1, 3, 4], geometry: pixels });
    await writeFile(join(output, 'notes.txt'), 'mine');
    const before = await readFile(join(output, 'one.png'));
    await expect(predict({ ...request, output: model, force: true })).rejects.toThrow(
      /bands\.onnx is a file; name a folder/,
    );
    await expect(predict(request)).rejects.toThrow(
      /holds 1 of 2 files that this prediction did not make.*\(one\.png\)/,
    );
    expect(await readFile(join(output, 'one.png'))).toEqual(before);
    await predict({ ...request, force: true });
    expect([...(await readVolume(join(output, 'one.png'), 'labels')).data]).toEqual(wanted);
    expect((await predict(request)).cases.every(({ already }) => already)).toBe(true);

    await writeLabels(
      join(data, 'two_0000.png'),
      [...values, ...values],
      { shape: [1, 6, 4], geometry: pixels },
      { force: true },
    );
    await expect(predict(request)).rejects.toThrow(/made of other images \(two\.png\)/);
    // What is of images that are gone stays, with a word.
    await rename(join(data, 'two_0000.png'), join(data, 'three_0000.png'));
    expect((await predict(request)).warnings).toEqual([expect.stringMatching(/labels of other images .*\(two\.png\)/)]);
    await rename(join(data, 'three_0000.png'), join(data, 'two_0000.png'));
    await rm(join(output, 'two.png'));
    expect((await predict(request)).cases.map(({ already }) => already)).toEqual([true, undefined]);
  });

  it('names a case that lacks a channel since its labels were made, and leaves these as they are', async () => {
    const folder = await scratch();
    const [model, data, output] = [await bands(folder), join(folder, 'images'), join(folder, 'out')];
    const request = { model, data, output, executor: 'ort' } as const;
    await images(folder);
    await predict(request);
    const two = await readFile(join(output, 'two.png'));
    await rename(join(data, 'two_0000.png'), join(data, 'two_0001.png'));
    const { cases } = await predict(request);
    expect(cases.map(({ already, problem }) => already ?? problem)).toEqual([true, 'case two lacks a channel.']);
    expect(await readFile(join(output, 'two.png'))).toEqual(two);
    await rename(join(data, 'two_0001.png'), join(data, 'two_0000.png'));
    expect((await predict(request)).cases.every(({ already }) => already)).toBe(true);
  });

  it('does not go on with labels that were being written over when that was stopped', async () => {
    const folder = await scratch();
    const [model, data, output] = [await bands(folder), await images(folder), join(folder, 'out')];
    const request = { model, data, output, executor: 'ort' } as const;
    await predict(request);
    await writeFile(join(data, 'two_0000.png'), 'broken');
    expect((await predict({ ...request, mirror: [0], force: true })).cases[1].problem).toMatch(/no PNG file/);
    await writeLabels(join(data, 'two_0000.png'), values, { shape: [1, 3, 4], geometry: pixels }, { force: true });
    await expect(predict({ ...request, mirror: [0] })).rejects.toThrow(/were being written over when that was stopped/);
    await predict({ ...request, mirror: [0], force: true });
    expect((await predict({ ...request, mirror: [0] })).cases.every(({ already }) => already)).toBe(true);
  });

  it('names a case that is broken and labels the others', async () => {
    const folder = await scratch();
    const [model, data, output] = [await bands(folder), await images(folder), join(folder, 'out')];
    await writeFile(join(data, 'broken_0000.png'), 'no image');
    // A TIFF file of two pages: its labels would be a volume without a NIfTI header.
    const page = (next: number): Buffer => {
      const entry = (tag: number, value: number): Buffer => {
        const bytes = Buffer.alloc(12);
        bytes.writeUInt16LE(tag, 0);
        bytes.writeUInt16LE(3, 2);
        bytes.writeUInt32LE(1, 4);
        bytes.writeUInt32LE(value, 8);
        return bytes;
      };
      const tags = [
        [256, 1],
        [257, 1],
        [258, 8],
        [259, 1],
        [262, 1],
        [273, 8],
        [277, 1],
        [278, 1],
        [279, 1],
      ] as const;
      const count = Buffer.alloc(2);
      count.writeUInt16LE(tags.length);
      const last = Buffer.alloc(4);
      last.writeUInt32LE(next);
      return Buffer.concat([count, ...tags.map(([tag, value]) => entry(tag, value)), last]);
    };
    const head = Buffer.from([0x49, 0x49, 42, 0, 10, 0, 0, 0, 7, 0]);
    await writeFile(join(data, 'pages_0000.tif'), Buffer.concat([head, page(10 + page(0).length), page(0)]));
    const { code, stdout, stderr } = await suture(
      'predict',
      model,
      '--data',
      data,
      '-o',
      output,
      '--executor',
      'ort',
      '--json',
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/2 of 4 cases have no labels/);
    expect(stderr).toMatch(
      /pages.png: a PNG file holds one slice, and there are 2; labels of volumes are written for NIfTI/,
    );
    expect(stderr).toMatch(/broken_0000.png/);
    const found = JSON.parse(stdout) as { cases: { name: string; problem?: string }[] };
    expect(found.cases.filter(({ problem }) => problem === undefined).map(({ name }) => name)).toEqual(['one', 'two']);
    await expect(stat(join(output, 'broken.png'))).rejects.toThrow();
  });

  it('labels the images of an .npz file in one', async () => {
    const folder = await scratch();
    const [model, data, output] = [await bands(folder), join(folder, 'some.npz'), join(folder, 'out')];
    await writeFile(data, formatNpz({ images: npyArray(Float32Array.from([...values, ...values]), [2, 1, 3, 4]) }));
    await predict({ model, data, output, executor: 'ort' });
    const labels = parseNpz(await readFile(join(output, 'some.npz'))).get('labels');
    expect(labels?.shape).toEqual([2, 3, 4]);
    expect([...(labels?.data ?? [])]).toEqual([...wanted, ...wanted]);
  });

  it('refuses what does not fit before it makes anything', async () => {
    const folder = await scratch();
    const [model, data, output] = [await bands(folder), await images(folder), join(folder, 'out')];
    const refused = (more: object) => expect(predict({ model, data, output, executor: 'ort', ...more })).rejects;
    await refused({ mirror: [2] }).toThrow(/2 axes, 0 to 1/);
    await refused({ plans: join(folder, 'none.json') }).toThrow(/no such file/);
    await refused({ data: join(folder, 'none') }).toThrow(/none: there is no such folder/);
    await refused({ data: model }).toThrow(/it is neither a folder of image files nor an .npz file/);
    await refused({ dataset: join(folder, 'none.json') }).toThrow(/no such file/);
    await refused({ model: folder }).toMatchObject({ code: 'run-invalid' });
    const arrays = join(folder, 'other.npz');
    await refused({ data: arrays }).toThrow(/other.npz/);
    await writeFile(arrays, formatNpz({ images: npyArray(new Float32Array(12), [1, 1, 3, 4]) }));
    await refused({ data: arrays, plans: join(folder, 'plans.json') }).toThrow(/--plans: .*are taken as they are/);
    await writeFile(arrays, formatNpz({ images: npyArray(new Float32Array(24), [1, 2, 3, 4]) }));
    await refused({ data: arrays }).toThrow(/has 2 channels, and .*bands.onnx takes 1/);
    await expect(stat(output)).rejects.toThrow();

    const before = await readFile(join(data, 'one_0000.png'));
    await symlink(data, join(folder, 'link'));
    for (const same of [data, join(folder, 'link')])
      await refused({ output: same, force: true }).toThrow(/is the folder of the images; choose another one/);
    expect(await readFile(join(data, 'one_0000.png'))).toEqual(before);
    expect(await readdir(data)).toEqual(['one_0000.png', 'two_0000.png']);
  });
});

describe('volumes of another spacing than the network was trained for', () => {
  const fixture = (file: string): string => join('fixtures', 'volumes3d', file);

  it.each([
    ['expected', [], ['bTs0.nii.gz', 'bTs1.nii.gz']],
    ['expected_mirrored', [0, 2], ['bTs0.nii.gz']],
  ])('are labelled as PyTorch, SciPy and scikit-image do it: %s', async (folder, mirror, names) => {
    const output = await scratch();
    const cases = join(await scratch(), 'imagesTs');
    for (const name of names.map(label => label.replace('.nii', '_0000.nii')))
      await cp(fixture(`b/imagesTs/${name}`), join(cases, name));
    const request = { model: fixture('a.onnx'), plans: fixture('a/plans.json'), data: cases, output };
    await predict({ ...request, mirror, executor: 'ort' });
    for (const name of names) {
      const found = await readVolume(join(output, name), 'labels');
      const expected = await readVolume(fixture(`${folder}/${name}`), 'labels');
      expect(found.shape).toEqual(expected.shape);
      expect(found.spacing).toEqual([2.5, 1.25, 1.25]);
      // The same but where two classes are all but equal.
      expect(found.data.filter((label, i) => label !== expected.data[i]).length).toBeLessThanOrEqual(1);
      const image = await readVolume(fixture(`b/imagesTs/${name.replace('.nii', '_0000.nii')}`));
      if (found.geometry.kind !== 'nifti' || image.geometry.kind !== 'nifti') throw new Error('no NIfTI');
      expect(found.geometry.affine).toEqual(image.geometry.affine);
    }
  });
});
