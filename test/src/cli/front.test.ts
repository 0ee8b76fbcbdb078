/** From a run to settings: sweep over weights, learn weights, export what was chosen, score the file. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importOnnx } from '../../../ir/onnx/file.ts';
import type { WeighSummary } from '../../../src/api/weigh.ts';
import type { Front } from '../../../src/selection/weighted.ts';
import { smallData, smallParents } from './small.ts';
import { type Outcome, suture } from './support.ts';

function documentOf<T>({ code, stdout, stderr }: Outcome): T {
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

describe('a sweep over settings', () => {
  let folder = '';
  let [run, data] = ['', ''];
  const ort = ['--executor', 'ort'] as const;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'suture-test-'));
    const [a, b] = await smallParents(folder, [[3], [2, 3]]);
    data = await smallData(join(folder, 'data.npz'));
    run = join(folder, 'run');
    documentOf(
      await suture('stitch', a, b, '--data', data, '--method', 'direct', '--steps', '0', ...ort, '-o', run, '--json'),
    );
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  const scoreOf = async (file: string, on = data): Promise<number> => {
    const found = documentOf<{ rows: { score: { value: number } }[] }>(
      await suture('evaluate', file, '--data', on, ...ort, '--json'),
    );
    return found.rows[0].score.value;
  };

  it('gives the scores that the exported files have, and draws the front', async () => {
    const figure = join(folder, 'front.svg');
    const options = ['--weights', '0.5,0.9', '--outputs', '0,0.5,1', '--positions', '1', '--positions', '0-2'];
    const tests = ['--test', `own=${data}`, '--test', `partner=${data}`, '--test', `third=${data}`];
    const front = documentOf<Front>(
      await suture('sweep', run, '--data', data, ...options, ...tests, ...ort, '-o', figure, '--json'),
    );
    expect(front).toMatchObject({ metric: 'dice', axes: [1, 2, 3] });
    expect(front.sets.map(s => s.name)).toEqual(['validation', 'own', 'partner', 'third']);
    expect(front.rivals).toHaveLength(41);
    // (the parents + 2 groups × 2 weights) × (3 shares, and the one of both outputs with a gate)
    expect(front.points).toHaveLength(5 * (3 + 1));
    expect(front.points.filter(p => p.gated).map(p => p.output)).toEqual(Array(5).fill(0.5));
    for (const { scores } of front.points) expect(new Set(scores).size).toBe(1);
    for (const n of ['', '.2']) expect(await readFile(join(folder, `front${n}.svg`), 'utf8')).toContain('</svg>');

    const file = join(folder, 'out.onnx');
    for (const p of [front.points[1], front.points[3], front.points.at(-1)!, front.points.at(-2)!]) {
      const where = ['--positions', p.positions.join(',') || 'none', '--weight', String(p.weight)];
      const gate = p.gated ? ['--gate'] : [];
      const output = ['--output-weight', String(p.output)];
      documentOf(await suture('export', run, ...where, ...output, ...gate, '-o', file, '--force', '--json'));
      expect(await scoreOf(file)).toBeCloseTo(p.scores[0], 3);
      expect(importOnnx(file).graph.nodes.some(n => n.op === 'Switch')).toBe(false);
    }
    const same = [
      ['--position', '1'],
      ['--positions', '1'],
    ];
    const files = same.map((_, i) => join(folder, `gated${i}.onnx`));
    for (const [i, where] of same.entries()) {
      documentOf(await suture('export', run, ...where, '--gate', '-o', files[i], '--json'));
    }
    expect(await scoreOf(files[0])).toBe(await scoreOf(files[1]));
    for (const chosen of ['best', 'even'] as const) {
      documentOf(await suture('export', run, '--chosen', chosen, '-o', file, '--force', '--json'));
      expect(await scoreOf(file)).toBeCloseTo(front.points[front.chosen[chosen]].scores[0], 3);
    }
  });

  it('gates the images of a case alike, as the exported file does', async () => {
    const cases = await smallData(join(folder, 'cases.npz'), undefined, [7, 7, 7, 2, 5, 5]);
    const options = ['--data', cases, '--weights', '0', '--outputs', '0.5', '--positions', '1', ...ort, '--json'];
    const [alone, together] = [
      documentOf<Front>(await suture('sweep', run, ...options)),
      documentOf<Front>(await suture('sweep', run, ...options, '--gate-over', 'case')),
    ];
    expect(together).toMatchObject({ gateOver: 'case' });
    expect(alone).not.toHaveProperty('gateOver');
    const gated = ({ points }: Front) => points.filter(p => p.gated);
    expect(gated(together).map(p => p.scores)).not.toEqual(gated(alone).map(p => p.scores));
    const file = join(folder, 'cases.onnx');
    for (const p of gated(together)) {
      const where = ['--positions', p.positions.join(',') || 'none', '--weight', String(p.weight)];
      documentOf(await suture('export', run, ...where, '--gate-over', 'case', '-o', file, '--force', '--json'));
      expect(await scoreOf(file, cases)).toBeCloseTo(p.scores[0], 6);
    }
    const chosen = documentOf(await suture('export', run, '--chosen', 'even', '-o', file, '--force', '--json'));
    expect(chosen).toMatchObject({ combination: { gated: true, gateOver: 'case' } });
    expect((await suture('evaluate', file, '--data', cases, '--batch', '2', ...ort)).stderr).toMatch(
      /leave out --batch 2/,
    );
    const again = await suture('stitch', file, file, '--data', cases, '-o', join(folder, 'again'));
    expect(again.stderr).toMatch(/gated over cases, so its answers depend/);
    const apart = await smallData(join(folder, 'apart.npz'), undefined, [7, 2, 7, 2, 5, 5]);
    expect((await suture('evaluate', file, '--data', apart, ...ort)).stderr).toMatch(
      /image 2 .* the case 7, .* not next/,
    );
  });

  it('shows a table for people, and the score over the outputs without test sets', async () => {
    const { code, stdout } = await suture('sweep', run, '--data', data, '--weights', '0.5', '--positions', '1', ...ort);
    expect(code).toBe(0);
    expect(stdout).toContain('beyond');
    expect(stdout).toContain('Chosen on the validation data alone');
  });

  it.each(['switches', 'channels', 'outputs', 'channels,outputs'])('learns %s from labels', async what => {
    const learning = ['--learn', what, '--positions', '0-2', '--steps', '12', '--batch', '6', '--lr', '0.05'];
    const found = documentOf<WeighSummary>(await suture('weigh', run, '--data', data, ...learning, ...ort, '--json'));
    expect(found.learned).toEqual(what.split(','));
    expect(found.lastLoss).toBeLessThan(found.firstLoss);
    if (what === 'outputs')
      expect(found.switches).toContainEqual({ position: 1, a: expect.closeTo(0.9), b: expect.closeTo(0.9) });

    const front = documentOf<Front>(
      await suture('sweep', run, '--data', data, '--learned', '--weights', '1', '--outputs', '0,1', ...ort, '--json'),
    );
    const point = front.points.find(p => p.weight === 'learned' && p.output === found.output)!;
    const file = join(folder, 'learned.onnx');
    documentOf(await suture('export', run, '--learned', '-o', file, '--force', '--json'));
    expect(await scoreOf(file)).toBeCloseTo(point.scores[0], 3);
  });

  it.each([
    [['sweep', '--test', 'a=x.npz'], /belong to a sweep over settings/],
    [['sweep', '--gate-over', 'case'], /belong to a sweep over settings/],
    [['sweep', '--weights', '1', '--no-gate', '--gate-over', 'case'], /leave out --gate-over/],
    [['sweep', '--positions', '99'], /no position 99/],
    [['sweep', '--weights', '1.5'], /numbers from 0 to 1/],
    [['weigh', '--learn', 'switches,channels'], /not both/],
    [['weigh', '--learn', 'switches', '--positions', 'none'], /nothing to learn/],
  ] as const)('refuses %j', async ([command, ...options], message) => {
    const { code, stderr } = await suture(command, run, '--data', data, ...ort, ...options);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('says where a gate has nothing to weigh, and what is missing for an export', async () => {
    const file = join(folder, 'none.onnx');
    const alone = ['--positions', 'none', '--output-weight', '1', '--gate'];
    const { stdout, stderr } = await suture('export', run, ...alone, '-o', join(folder, 'alone.onnx'));
    expect(stderr).toMatch(/Only parent a has a share of the output, so a gate has nothing to weigh/);
    expect(stdout).toMatch(/^no stitch, output 1: parent a alone\.$/m);
    expect(stdout).toMatch(/^Wrote \S+alone\.onnx: the network, [\d ]+ nodes, [\d ]+ parameters\.$/m);
    expect((await suture('export', run, '--weight', '0.5', '-o', file)).stderr).toMatch(/go with --positions/);
    expect((await suture('export', run, '--chosen', 'even', '--gate', '-o', file)).stderr).toMatch(/leave out --gate/);
  });
});
