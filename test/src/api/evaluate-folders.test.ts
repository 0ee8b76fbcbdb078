/** Folders of labels compared: numbers are NumPy's by nnU-Net's formulas. */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from 'fast-png';
import { beforeEach, describe, expect, it } from 'vitest';
import { evaluateFolders } from '../../../src/api/evaluate-folders.ts';
import { scratch, suture } from '../cli/support.ts';

let [predicted, reference] = ['', ''];

const write = (path: string, labels: readonly number[], width = 3): Promise<void> =>
  writeFile(
    path,
    encode({ width, height: labels.length / width, data: Uint8Array.from(labels), channels: 1, depth: 8 }),
  );

beforeEach(async () => {
  const root = await scratch();
  [predicted, reference] = [join(root, 'predicted'), join(root, 'labelsTr')];
  for (const folder of [predicted, reference]) await mkdir(folder);
  await write(join(reference, 'a.png'), [0, 1, 1, 2, 2, 0]);
  await write(join(predicted, 'a.png'), [0, 1, 2, 2, 1, 1]);
  await write(join(reference, 'b.png'), [0, 0, 3, 0, 2, 0]);
  await write(join(predicted, 'b.png'), [1, 0, 2, 0, 2, 0]);
});

const describeLabels = (labels: object, more: object = {}): Promise<void> =>
  writeFile(
    join(reference, '..', 'dataset.json'),
    JSON.stringify({ channel_names: { 0: 'x' }, labels, file_ending: '.png', ...more }),
  );

describe('two folders of labels', () => {
  it('are compared class by class, by the numbers of NumPy', async () => {
    await describeLabels({ background: 0, liver: 1, spleen: 2, ignore: 3 });
    const { mean, foreground_mean, metric_per_case } = await evaluateFolders(predicted, reference);
    expect(metric_per_case.map(({ metrics }) => metrics)).toEqual([
      {
        1: { Dice: 0.4, FN: 1, FP: 2, IoU: 0.25, TN: 2, TP: 1, n_pred: 3, n_ref: 2 },
        2: { Dice: 0.5, FN: 1, FP: 1, IoU: 1 / 3, TN: 3, TP: 1, n_pred: 2, n_ref: 2 },
      },
      {
        1: { Dice: 0, FN: 0, FP: 1, IoU: 0, TN: 4, TP: 0, n_pred: 1, n_ref: 0 },
        2: { Dice: 1, FN: 0, FP: 0, IoU: 1, TN: 4, TP: 1, n_pred: 1, n_ref: 1 },
      },
    ]);
    expect(mean[1]).toEqual({ Dice: 0.2, FN: 0.5, FP: 1.5, IoU: 0.125, TN: 3, TP: 0.5, n_pred: 2, n_ref: 1 });
    expect(foreground_mean).toMatchObject({
      Dice: 0.475,
      FN: 0.5,
      FP: 1,
      TN: 3.25,
      TP: 0.75,
      n_pred: 1.75,
      n_ref: 1.25,
    });
    expect(metric_per_case[0]).toMatchObject({
      prediction_file: join(predicted, 'a.png'),
      reference_file: join(reference, 'a.png'),
    });
  });

  it('are compared region by region, which are named as in Python', async () => {
    await describeLabels({ background: 0, all: [1, 2], core: 2, ignore: 3 }, { regions_class_order: [1, 2] });
    const { mean } = await evaluateFolders(predicted, reference);
    expect(Object.keys(mean).sort()).toEqual(['(1, 2)', '2']);
    // NumPy: (0.8888888888888888 + 0.6666666666666666) / 2
    expect(mean['(1, 2)'].Dice).toBeCloseTo(0.7777777777777777, 12);
  });

  it('become a file as nnU-Net writes it, ratios of nothing as NaN', async () => {
    await describeLabels({ background: 0, liver: 1, spleen: 2, other: 3, none: 4 });
    const { code, stdout } = await suture('evaluate', predicted, reference);
    expect(code).toBe(0);
    expect(stdout).toContain('1: Dice 0.2000');
    const text = await readFile(join(predicted, 'summary.json'), 'utf8');
    expect(text).toContain('"Dice": NaN');
    const summary = JSON.parse(text.replaceAll('NaN', 'null'));
    expect(Object.keys(summary)).toEqual(['foreground_mean', 'mean', 'metric_per_case']);
    expect(summary.mean[4].Dice).toBeNull();
    expect(summary.foreground_mean.Dice).toBeNull();
    // Its own of the same two folders is written anew; of others, nnU-Net's, or what is no summary, is not.
    await writeFile(join(predicted, 'summary.json'), text.replace('"FN": 1', '"FN": 7'));
    expect((await suture('evaluate', predicted, reference)).code).toBe(0);
    expect(await readFile(join(predicted, 'summary.json'), 'utf8')).toBe(text);
    for (const other of [text.replace('labelsTr', 'labelsTs'), text.trimEnd(), '{"mean": NaN}', '']) {
      await writeFile(join(predicted, 'summary.json'), other);
      expect((await suture('evaluate', predicted, reference)).stderr).toContain('exists already');
      expect(await readFile(join(predicted, 'summary.json'), 'utf8')).toBe(other);
    }
  });

  it('have the labels that are in the reference, where nothing says which', async () => {
    expect(Object.keys((await evaluateFolders(predicted, reference)).mean)).toEqual(['1', '2', '3']);
  });

  it('are said to lack what is only in the reference', async () => {
    await write(join(reference, 'c.png'), [0, 0, 0, 0, 1, 0]);
    const { code, stdout, stderr } = await suture('evaluate', predicted, reference);
    expect(code).toBe(0);
    expect(stdout).toMatch(/2 cases/);
    expect(stderr).toMatch(/1 files of .*labelsTr have no prediction in .*predicted and are in no mean: c\.png\./);
  });

  it('are of the same cases, whatever their endings', async () => {
    await rename(join(predicted, 'a.png'), join(predicted, 'a.PNG'));
    const { metric_per_case: cases } = await evaluateFolders(predicted, reference);
    expect(cases.map(({ prediction_file }) => prediction_file)).toEqual(
      ['a.PNG', 'b.png'].map(name => join(predicted, name)),
    );
    expect(cases[0].reference_file).toBe(join(reference, 'a.png'));
    await writeFile(join(reference, 'a.tif'), '');
    await expect(evaluateFolders(predicted, reference)).rejects.toThrow(/case a has two files, a.png and a.tif/);
  });

  it('are refused where they do not fit, case by case', async () => {
    await write(join(predicted, 'c.png'), [0, 0, 0]);
    await expect(evaluateFolders(predicted, reference)).rejects.toThrow(
      /1 of 3 files have none of their name in .*: c.png/,
    );
    await write(join(reference, 'c.png'), [0, 0, 0, 0, 0, 0]);
    await writeFile(join(predicted, 'b.png'), 'no image');
    await expect(evaluateFolders(predicted, reference)).rejects.toMatchObject({
      message: expect.stringMatching(/2 of 3 cases cannot be compared: .*b.png: it is no PNG file/),
      details: [expect.stringMatching(/c.png: it has other extents \(3 x 1 x 1, not 3 x 2 x 1 voxels\)/)],
    });
    const { code, stderr } = await suture('evaluate', predicted);
    expect(code).not.toBe(0);
    expect(stderr).toContain('--data, or two folders');
    expect((await suture('evaluate', predicted, join(predicted, 'a.png'))).stderr).toMatch(
      /a.png is no folder: name two/,
    );
  });

  it('hold no labels but those that dataset.json names', async () => {
    await describeLabels({ background: 0, liver: 1, spleen: 2 });
    await expect(evaluateFolders(predicted, reference)).rejects.toThrow(
      /1 of 2 cases cannot be compared: .*labelsTr.b.png: the label at x 2, y 0, z 0 is 3, which dataset.json does not name; it has 0 \(background\), 1 \(liver\), 2 \(spleen\): correct the file/,
    );
  });
});
