/** From a run to the network that is worth its cost: search, export, and the exported file scored. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Search } from '../../../src/selection/search/search.ts';
import { smallData, smallParents } from './small.ts';
import { shared, suture, sutureWith } from './support.ts';

describe('suture search', () => {
  const folder = shared();
  let [run, data] = ['', ''];
  const ort = ['--executor', 'ort'] as const;
  const searched = (...more: readonly string[]) =>
    suture('search', run, '--data', data, '--changes', 'gamma', ...ort, ...more);
  const kept = async (): Promise<Search> => JSON.parse(await readFile(join(run, 'search.json'), 'utf8')) as Search;

  beforeAll(async () => {
    const [a, b] = await smallParents(folder(), [[3], [2, 3]]);
    data = await smallData(join(folder(), 'data.npz'));
    run = join(folder(), 'run');
    const stitched = await suture(
      'stitch',
      a,
      b,
      '--data',
      data,
      '--steps',
      '0',
      '--init',
      'kaiming',
      ...ort,
      '-o',
      run,
    );
    expect(stitched.code).toBe(0);
  }, 60_000);

  it('finds settings, draws them, goes on where it was, and exports what a budget allows', async () => {
    expect(await suture('export', run, '--budget', '65%', '-o', join(folder(), 'none.onnx'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('run `suture search` first'),
    });
    const figure = join(folder(), 'front.svg');
    const first = await searched('--evaluations', '6', '-o', figure);
    expect(first).toMatchObject({ code: 0, stdout: expect.stringContaining('of 6 evaluated') });
    expect(await readFile(figure, 'utf8')).toContain('under shift');
    const before = await kept();
    expect((await searched('--evaluations', '9')).code).toBe(0);
    const after = await kept();
    expect(after.evaluated.slice(0, 6)).toEqual(before.evaluated);
    expect(after.evaluated).toHaveLength(9);

    const whole = await suture('export', run, '--budget', '200%', '-o', join(folder(), 'best.onnx'), '--json');
    const { found, file } = JSON.parse(whole.stdout) as { found: Search['front'][number]; file: string };
    expect(after.front.map(p => p.name)).toContain(found.name);
    const scored = await suture('evaluate', file, '--data', data, ...ort, '--json');
    const { rows } = JSON.parse(scored.stdout) as { rows: { score: { value: number } }[] };
    expect(rows[0].score.value).toBeCloseTo(found.own, 3);

    const last = after.front.length - 1;
    const named = await suture('export', run, '--setting', after.front[last].name, '-o', join(folder(), 'n.onnx'));
    expect(named).toMatchObject({ code: 0, stdout: expect.stringContaining(after.front[last].name) });
    for (const [option, value] of [
      ['--budget', '0.1%'],
      ['--setting', '99'],
    ] as const) {
      const refused = await suture('export', run, option, value, '-o', join(folder(), 'refused.onnx'));
      expect(refused).toMatchObject({ code: 2, stderr: expect.stringMatching(/Nothing costs|found no setting/) });
    }
  }, 60_000);

  it('keeps what was found where it is interrupted', async () => {
    const controller = new AbortController();
    controller.abort();
    const before = await kept();
    const stopped = await sutureWith(controller.signal, 'search', run, '--data', data, '--changes', 'gamma', ...ort);
    expect(stopped).toMatchObject({ code: 130, stderr: expect.stringContaining('after 9 evaluations') });
    expect(await kept()).toEqual(before);
  }, 60_000);
});
