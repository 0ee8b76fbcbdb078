/** The library as the README shows it. */

import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { exportOnnx, float32, importOnnx } from '../../ir/library.ts';
import { averagedAt, doubleBatch, kaimingStitches, match, settle, stitch, trainingStep } from '../../passes/index.ts';
import { commandNames } from '../../src/cli/program.ts';
import * as api from '../../src/index.ts';
import { openExecutor, Runnable } from '../../src/index.ts';
import { known } from '../../src/options/members.ts';
import { smallParents } from './cli/small.ts';
import { scratch } from './cli/support.ts';

describe('the public API', () => {
  it('leads from two files to one', async () => {
    const [a, b] = (await smallParents(await scratch())).map(file => importOnnx(file).graph);
    const network = stitch(
      [
        { tag: 'a', graph: a },
        { tag: 'b', graph: b },
      ],
      match(a, b).pairs,
    );
    const step = trainingStep(doubleBatch(network), { steps: 300 });
    expect(step.graph.outputs.map(o => o.name)).toContain('loss');

    let next = 0;
    const parameters = kaimingStitches(network, () => (next = (next + 0.37) % 1));
    const stitched = settle(network, averagedAt(network, 1), parameters, { standard: true });
    const again = importOnnx(exportOnnx(stitched)).graph;
    const x = float32(
      [2, 1, 8, 8],
      Array.from({ length: 128 }, (_, i) => Math.sin(i)),
    );
    const executor = await openExecutor({ executor: 'ort' });
    const [before, after] = [new Runnable(executor, stitched), new Runnable(executor, again)];
    expect((await after.run({ x })).logits).toEqual((await before.run({ x })).logits);
    executor.dispose();
  });

  it('refuses options that it does not have, wherever they are, and takes undefined for absent', async () => {
    const refusal = async (of: unknown, ...given: readonly unknown[]): Promise<string> =>
      (of as (...given: readonly unknown[]) => Promise<unknown>)(...given).then(
        () => 'done',
        (error: Error) => error.message,
      );
    expect(await refusal(api.stitch, { networks: [], settings: 'all' })).toBe(
      "stitch has no option 'settings'; the nearest that it has is 'training.settings'.",
    );
    expect(await refusal(api.stitch, { training: { learningrate: 1 } })).toBe(
      "stitch has no option 'training.learningrate'; the nearest that it has is 'training.learningRate'.",
    );
    expect(await refusal(api.sweep, 'run', 'v.npz', { labels: { folder: { plan: 'plans.json' } } })).toMatch(
      /'labels\.folder\.plan'; the nearest .* 'labels\.folder\.plans'/,
    );
    expect(await refusal(api.evaluate, [], 'v.npz', { toString: 1 })).toMatch(/no option 'toString'/);
    expect(await refusal(api.exportNetwork, 'run', 'out.onnx', 17)).toMatch(/takes an object of options, not 17/);
    const given = { labels: { regions: undefined, ignoreLabel: 255 }, stress: false, batch: undefined };
    const table = { labels: { regions: true, ignoreLabel: true }, stress: { files: true }, batch: true } as const;
    expect(known('f', given, table)).toEqual({ labels: { ignoreLabel: 255 }, stress: false });
    expect(known('f', { ...given, shift: undefined }, table)).not.toHaveProperty('batch');
  });

  it('is what docs/api.md lists, and no more', async () => {
    const text = await readFile('docs/api.md', 'utf8');
    const listed = [...text.matchAll(/^\| `(\w+)/gm)].map(([, name]) => name);
    expect(listed.toSorted()).toEqual(Object.keys(api).toSorted());
  });

  it('has a function for every command', () => {
    const named = { export: 'exportNetwork' } as Readonly<Record<string, string>>;
    for (const name of commandNames) expect(api).toHaveProperty(named[name] ?? name);
  });
});
