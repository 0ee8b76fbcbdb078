import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { Curve } from '../../../src/api/curve.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch, suture } from '../cli/support.ts';

describe('suture curve', () => {
  it('scores runs with more and more positions, and draws them', async () => {
    const folder = await scratch();
    const [a, b] = await smallParents(folder, [[3], [2, 3]]);
    const data = await smallData(join(folder, 'data.npz'));
    const run = async (name: string, ...options: readonly string[]): Promise<string> => {
      const path = join(folder, name);
      const common = ['--data', data, '--batch', '2', '--executor', 'ort', '-o', path];
      expect(await suture('stitch', a, b, ...common, ...options)).toMatchObject({ code: 0 });
      return path;
    };
    const begun = ['--steps', '2', '--init', 'kaiming', '--closing-images', '0'];
    const one = await run('one', ...begun);
    const two = await run('two', ...begun, '--seed', '1');
    const direct = await run('direct', '--steps', '0', '--method', 'direct');
    const figure = join(folder, 'curve.svg');
    const options = ['--data', data, '--executor', 'ort', '-o', figure];
    const { code, stdout } = await suture('curve', one, two, direct, ...options, '--json');
    expect(code).toBe(0);
    const { counts, runs, recipes, metric } = JSON.parse(stdout) as Curve;
    expect(metric).toBe('dice');
    expect(runs.map(r => r.run)).toEqual([one, two, direct]);
    expect(recipes.map(r => [r.recipe, r.runs])).toEqual([
      ['double-batched, sampled, 2 steps', 2],
      ['direct, ridge only', 1],
    ]);
    for (const { scores, positions } of runs) {
      expect(scores.map(s => s.count)).toEqual(counts);
      expect(scores.at(-1)!.positions).toEqual(Array.from({ length: positions }, (_, i) => i));
    }
    const [mean] = recipes[0].scores;
    expect(mean.mean).toBeCloseTo((runs[0].scores[0].value + runs[1].scores[0].value) / 2, 12);

    // All positions stitched is the network that `export --all` writes.
    const file = join(folder, 'all.onnx');
    expect(await suture('export', one, '--all', '-o', file)).toMatchObject({ code: 0 });
    const score = async (...models: readonly string[]): Promise<number> => {
      const scored = await suture('evaluate', ...models, '--data', data, '--executor', 'ort', '--json');
      return (JSON.parse(scored.stdout).rows as { score: { value: number } }[]).at(-1)!.score.value;
    };
    expect(runs[0].scores.at(-1)!.value).toBeCloseTo(await score(file), 6);
    expect(runs[0].references.ensemble).toBeCloseTo(await score(a, b, '--ensemble'), 6);

    const svg = await readFile(figure, 'utf8');
    expect(svg).toContain('double-batched, sampled, 2 steps (2 runs)');
    expect(await suture('curve', one, ...options)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('exists'),
    });
    const far = await suture('curve', one, '--data', data, '--counts', '1,99', '--executor', 'ort');
    expect(far).toMatchObject({ code: 2, stderr: expect.stringContaining('99 positions') });
    const table = await suture('curve', one, two, '--counts', '1,2', '--data', data, '--executor', 'ort');
    expect(table.stdout).toMatch(/2 runs +double-batched, sampled, 2 steps +0\.\d{4} +0\.\d{4}/);
  });
});
