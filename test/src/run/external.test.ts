/** Parents whose weights lie in files beside them. */
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { exportModel } from '../../../ir/onnx/export.ts';
import { importOnnx, writeModelFile } from '../../../ir/onnx/file.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch, suture } from '../cli/support.ts';

const training = ['--steps', '2', '--batch', '2', '--init', 'kaiming', '--executor', 'ort'];

/** The small parents again, each as `model.onnx` with `model.onnx.data` in a folder of its own, as PyTorch writes large models. */
async function withExternalData(folder: string): Promise<{ plain: [string, string]; external: string[] }> {
  const plain = await smallParents(folder, [
    [8, 8],
    [8, 9, 8],
  ]);
  const external: string[] = [];
  for (const [i, path] of plain.entries()) {
    const file = join(folder, String(i), 'model.onnx');
    await mkdir(dirname(file));
    writeModelFile(file, exportModel(importOnnx(path).graph), { maxBytes: 0 });
    expect(importOnnx(file).external).toEqual(['model.onnx.data']);
    external.push(file);
  }
  return { plain, external };
}

it('keep them apart in the run, whatever they are called', async () => {
  const folder = await scratch();
  const { plain, external } = await withExternalData(folder);
  const data = await smallData(join(folder, 'data.npz'));
  const [one, two] = [join(folder, 'one'), join(folder, 'two')];
  expect(await suture('stitch', ...plain, '--data', data, ...training, '-o', one)).toMatchObject({ code: 0 });
  expect(await suture('stitch', ...external, '--data', data, ...training, '-o', two)).toMatchObject({ code: 0 });
  for (const [i, tag] of ['a', 'b'].entries()) {
    const copy = join(two, 'parents', tag, 'model.onnx.data');
    expect(await readFile(copy)).toEqual(await readFile(`${external[i]}.data`));
  }
  const exports = [one, two].map(run => join(folder, `${run.slice(-3)}.onnx`));
  expect(await suture('export', one, '--all', '-o', exports[0])).toMatchObject({ code: 0 });
  expect(await suture('export', two, '--all', '-o', exports[1])).toMatchObject({ code: 0 });
  const constants = (file: string) =>
    importOnnx(file)
      .graph.constants()
      .map(c => c.constant);
  expect(constants(exports[1])).toEqual(constants(exports[0]));
});

it('are refused where they point out of the folder', async () => {
  const folder = await scratch();
  const { external } = await withExternalData(folder);
  const data = await smallData(join(folder, 'data.npz'));
  const [a, b] = external as [string, string];
  await writeFile(join(folder, 'secret'), await readFile(`${b}.data`));

  await rm(`${b}.data`);
  await symlink(join(folder, 'secret'), `${b}.data`);
  const found = await suture('stitch', a, b, '--data', data, ...training, '-o', join(folder, 'run'));
  expect(found).toMatchObject({ code: 1, stderr: expect.stringContaining("a link out of the model's folder") });
});
