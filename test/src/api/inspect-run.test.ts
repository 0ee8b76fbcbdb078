/** Memory plans of runs, and training within a budget. */
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { inspectRun } from '../../../src/api/inspect-run.ts';
import { match } from '../../../src/api/match.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { loadRun } from '../../../src/run/load.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { demo, scratch, shared, suture } from '../cli/support.ts';

const folder = shared();

/** A run that keeps its first stitches. */
async function run(
  name: string,
  [a, b, data]: readonly [string, string, string],
  settings: 'all' | 'sampled' = 'all',
): Promise<string> {
  const output = join(folder(), name);
  const training = { steps: 0, settings, init: 'kaiming', closingImages: 0 } as const;
  await stitch({ networks: [a, b], data, output, training, executor: 'ort' });
  return output;
}

const files = [demo('parent_a.onnx'), demo('parent_b.onnx'), demo('site_a_train.npz')] as const;
let [demoRun, smallRun] = ['', ''];
let smallFiles: readonly [string, string, string];
beforeAll(async () => {
  demoRun = await run('demo', files);
  smallFiles = [...(await smallParents(folder())), await smallData(join(folder(), 'data.npz'))];
  smallRun = await run('small', smallFiles);
});

describe('the memory plan of a run', () => {
  it('accounts for every byte of the peak, says when it is, and needs no more than a tape', async () => {
    const facts = await inspectRun(demoRun, { memory: 0.5 });
    expect(facts).toMatchObject({ method: 'double-batched', batch: 8, positions: 28 });
    for (const plan of facts.plans) {
      expect(Object.values(plan.uses).reduce((x, y) => x + y)).toBe(plan.activations);
      expect(plan.values.reduce((sum, v) => sum + v.bytes, 0)).toBe(plan.activations);
      expect(Math.max(...plan.timeline)).toBe(plan.activations);
      expect(plan.timeline).toHaveLength(20);
      expect(plan.node).not.toBe('');
    }
    const [frugal, own, direct] = facts.plans;
    expect(frugal).toMatchObject({ method: 'double-batched', memory: 0.5, uses: { update: 0 } });
    expect(frugal.recomputed).toBeGreaterThan(0);
    expect(own).toMatchObject({ schedule: 'planned', recomputed: 0, uses: { recomputed: 0 } });
    // Without a stitch upstream nothing is kept; the tape of a framework keeps all the same.
    expect(direct.uses.kept).toBeLessThan(own.uses.kept / 10);
    // At most 1.3 times what a tape keeps for direct training, and half of that within a budget.
    const [, , , , tape] = facts.plans;
    expect(tape).toMatchObject({ method: 'direct', schedule: 'conventional' });
    expect(own.activations).toBeLessThan(1.3 * tape.activations);
    expect(frugal.activations).toBeLessThanOrEqual(0.5 * own.activations);
    expect(direct.activations).toBeLessThan(0.1 * tape.activations);
  });

  it('grows with the batch', async () => {
    // Of the run's own batch, which is 8.
    const [eight] = (await inspectRun(smallRun)).plans;
    const [four] = (await inspectRun(smallRun, { batch: 4 })).plans;
    expect(four.method).toBe(eight.method);
    expect(eight.activations / four.activations).toBeCloseTo(2, 1);
  });

  it('needs no more under sampled settings', async () => {
    const { plans } = await inspectRun(await run('sampled', smallFiles, 'sampled'), { memory: 0.8 });
    const [frugal, free] = plans;
    const tape = plans.find(p => p.method === 'direct' && p.schedule === 'conventional');
    expect(free.activations).toBeLessThan(1.3 * tape!.activations);
    expect(frugal.activations).toBeLessThanOrEqual(0.8 * free.activations);
  });

  it('is a table for people, and refuses what is for networks', async () => {
    const { code, stdout } = await suture('inspect', smallRun);
    expect(code).toBe(0);
    expect(stdout).toContain('kept for the backward pass');
    expect(stdout).toMatch(/double-batched: the peak is at node \d+ of \d+/);
    expect(await suture('inspect', smallRun, '--graph')).toMatchObject({ code: 2 });
    expect(await suture('inspect', demo('parent_a.onnx'), '--memory', '50%')).toMatchObject({ code: 2 });
    for (const wrong of ['0', '2', '-1', '150%', 'much', '5 parsec']) {
      expect(await suture('inspect', smallRun, '--memory', wrong), wrong).toMatchObject({ code: 2 });
    }
  });

  it('says how little is possible when a budget is too small', async () => {
    const refused = await suture('inspect', smallRun, '--batch', '64', '--memory', '100kB');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/take \d+\.?\d* MiB however much is computed again, and 0\.1 MiB were allowed/);
  });
});

describe('training within a budget', () => {
  it('gives the same stitches as without', async () => {
    const folder = await scratch();
    const [a, b, data] = smallFiles;
    const { pairs: matched } = await match([a, b]);
    const pairs = join(folder, 'pairs.json');
    await writeFile(pairs, JSON.stringify({ pairs: [matched[1], matched[4]] }));
    const trained = async (name: string, ...more: string[]) => {
      const path = join(folder, name);
      const words = ['--data', data, '--pairs', pairs, '--executor', 'webgpu', ...more];
      const how = ['--steps', '1', '--batch', '6', '--init', 'kaiming', '--settings', 'all'];
      const { code, stderr } = await suture('stitch', a, b, ...words, ...how, '-o', path);
      expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
      return loadRun(path);
    };
    const free = await trained('free');
    const frugal = await trained('frugal', '--memory', '80%');
    const config = JSON.parse(await readFile(frugal.directory.file('config'), 'utf8')) as { training: object };
    expect(config.training).toMatchObject({ memory: 0.8 });
    for (const [name, { data: values }] of free.parameters) {
      const found = frugal.parameters.get(name)!.data as Float32Array;
      for (const [i, value] of (values as Float32Array).entries()) expect(found[i], name).toBeCloseTo(value, 5);
    }
  });

  it('is not promised where ONNX Runtime plans the memory', async () => {
    const [a, b, data] = smallFiles;
    const path = join(await scratch(), 'run');
    const refused = await suture('stitch', a, b, '--data', data, '--memory', '50%', '--executor', 'ort', '-o', path);
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('--executor webgpu') });
    expect(existsSync(path)).toBe(false);
  });
});
