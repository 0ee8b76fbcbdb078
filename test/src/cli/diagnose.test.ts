/** `suture diagnose` on a small run: what it shows, and what it leaves alone. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { expect, it } from 'vitest';
import { diagnosisSchema } from '../../../src/selection/diagnose/diagnose.ts';
import { smallData, smallNetworks, smallParents } from './small.ts';
import { scratch, suture } from './support.ts';

it('shows signs and positions, or the document, and writes nothing', async () => {
  const folder = await scratch();
  const [a, b] = await smallParents(folder, [[3], [2, 3]]);
  const data = await smallData(join(folder, 'data.npz'));
  const run = join(folder, 'run');
  const training = ['--steps', '0', '--init-images', '4', '--closing-images', '0', '--executor', 'ort'];
  expect(await suture('stitch', a, b, '--data', data, ...training, '-o', run)).toMatchObject({ code: 0 });
  const files = await readdir(run);
  const asked = ['--data', data, '--test', `elsewhere=${data}`, '--changes', 'gamma,bias-field', '--executor', 'ort'];

  const { code, stdout } = await suture('diagnose', run, ...asked, '--json');
  expect(code).toBe(0);
  const found = v.parse(diagnosisSchema, JSON.parse(stdout));
  expect(found).toMatchObject({ metric: 'dice', data: { images: 6 }, tests: [{ name: 'elsewhere', images: 6 }] });
  expect(found.signs.outOfDistribution).toMatchObject({ status: 'not seen', changes: ['gamma', 'bias-field'] });
  expect(Object.keys(found.correlations!)).toContain('shiftedResidual');

  const table = await suture('diagnose', run, ...asked);
  for (const { position } of found.positions) expect(table.stdout).toMatch(new RegExp(`^ +${position} `, 'm'));
  expect(table.stdout).toMatch(/own-site loss of the ensemble +(seen|not seen) +output ensemble − parent a: [+−0]/);
  expect(table.stdout).toContain('suggested');
  expect(table.stdout).toMatch(
    /depth \S+, residual \S+, shifted \S+, CKA \S+, KL \S+, entropy \S+\. What promises most is/,
  );

  const blind = await suture('diagnose', run, '--executor', 'ort');
  expect(blind.stdout.match(/not judged +no images were given/g)).toHaveLength(4);
  expect(await readdir(run)).toEqual(files);
});

it('looks at three networks, of which two are stitched to the first', async () => {
  const folder = await scratch();
  const networks = await smallNetworks(folder, [[3, 4], [4, 3, 4], [5]]);
  const data = await smallData(join(folder, 'data.npz'));
  const run = join(folder, 'run');
  const training = ['--steps', '0', '--init', 'ridge', '--init-images', '4', '--closing-images', '0'];
  const stitched = await suture('stitch', ...networks, '--data', data, ...training, '--executor', 'ort', '-o', run);
  expect(stitched).toMatchObject({ code: 0 });
  const asked = ['--data', data, '--changes', 'gamma', '--executor', 'ort', '--json'];
  const { positions, signs } = v.parse(diagnosisSchema, JSON.parse((await suture('diagnose', run, ...asked)).stdout));
  expect(signs.noGain.agreements!.map(({ partner }) => partner)).toEqual(['b', 'c']);
  expect(signs.noGain.comparisons!.map(({ against }) => against)).toEqual([
    'output ensemble',
    ...['a', 'b', 'c'].map(tag => `parent ${tag}`),
  ]);
  for (const { similarity, residual, value } of positions) {
    expect(similarity).toBeGreaterThan(0);
    expect(similarity).toBeLessThanOrEqual(1);
    for (const figure of [residual, value]) expect(figure).toBeGreaterThan(0);
  }
});
