/** The library as the README shows it. */

import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { exportOnnx, float32, importOnnx } from '../../ir/library.ts';
import { averagedAt, doubleBatch, kaimingStitches, match, settle, stitch, trainingStep } from '../../passes/index.ts';
import { commandNames } from '../../src/cli/program.ts';
import * as api from '../../src/index.ts';
import { openExecutor, Runnable } from '../../src/index.ts';
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
