/** Three networks and more, from files to a report. */
import { copyFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { importOnnx } from '../../../ir/onnx/file.ts';
import { evaluate } from '../../../src/api/evaluate.ts';
import { exportNetwork } from '../../../src/api/export.ts';
import { match } from '../../../src/api/match.ts';
import { run } from '../../../src/api/run.ts';
import { stitch } from '../../../src/api/stitch.ts';
import { sweep } from '../../../src/api/sweep.ts';
import { weigh } from '../../../src/api/weigh.ts';
import { loadRun } from '../../../src/run/load.ts';
import { sharesOf } from '../../../src/selection/combination.ts';
import type { Front } from '../../../src/selection/weighted.ts';
import { smallData, smallNetworks } from '../cli/small.ts';
import { scratch, suture } from '../cli/support.ts';

const executor = 'ort';
const training = { steps: 1, batch: 2, init: 'identity', closingImages: 0 } as const;

async function inputs() {
  const folder = await scratch();
  const networks = await smallNetworks(folder, [[3], [2, 3], [3]]);
  return { folder, networks, data: await smallData(join(folder, 'data.npz')) };
}

it('are joined, trained, scored, exported and reported on as two are', async () => {
  const { folder, networks, data } = await inputs();
  const output = join(folder, 'run');
  const given = {
    networks,
    train: data,
    validation: data,
    tests: [{ name: 't', file: data }],
    training,
    stress: false,
  } as const;
  const found = await run({ ...given, executor, output });
  expect(found.summary.parents).toEqual({ a: networks[0], b: networks[1], c: networks[2] });
  expect(found.sweep.references.map(r => r.name)).toEqual(['a', 'b', 'c', 'ensemble']);
  expect(found.tests[0].rows.map(r => r.network).slice(0, 4)).toEqual([
    'parent a',
    'parent b',
    'parent c',
    'output ensemble',
  ]);
  expect(found.agreement.agrees).toBe(true);
  // What the sweep says of the parents and their ensemble is what `evaluate` says of the files.
  const { rows } = await evaluate(networks, data, { ensemble: true, executor });
  for (const [i, { score }] of rows.entries()) expect(found.sweep.references[i].value).toBeCloseTo(score.value, 6);
  expect(await readFile(join(output, 'report.md'), 'utf8')).toContain(`Parent c: \`${networks[2]}\``);
  const { metadata } = importOnnx(join(output, 'stitched.onnx')).graph.info;
  expect(Object.keys(metadata!).filter(key => key.startsWith('suture.parent.'))).toHaveLength(3);
  const learned = await weigh(output, data, { learn: ['switches', 'outputs'], steps: 4, batch: 3, executor });
  const shares = sharesOf(learned.output);
  expect(shares).toHaveLength(3);
  expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1, 6);
  const all = await evaluate(
    [(await exportNetwork(output, join(folder, 'learned.onnx'), { learned: true })).file],
    data,
    { executor },
  );
  expect(all.rows[0].score.value).toBeGreaterThan(0);
});

it('share the output as the command line says, one share for each', async () => {
  const { folder, networks, data } = await inputs();
  const output = join(folder, 'run');
  await stitch({ networks, data, output, executor, training: { steps: 0, init: 'identity' } });
  const settings = ['--outputs', '1/0/0,0.5/0.25/0.25,0/0/1', '--positions', 'none', '--no-gate'];
  const swept = await suture('sweep', output, '--data', data, ...settings, '--executor', executor, '--json');
  const { points } = JSON.parse(swept.stdout) as Front;
  expect(points.slice(0, 3).map(p => p.output)).toEqual([
    [0, 0, 1],
    [0.5, 0.25, 0.25],
    [1, 0, 0],
  ]);
  const { rows } = await evaluate(networks, data, { executor });
  expect(points[0].scores[0]).toBeCloseTo(rows[2].score.value, 6);
  expect(points[2].scores[0]).toBeCloseTo(rows[0].score.value, 6);
  const exported = async (name: string, ...shares: string[]) => {
    const file = join(folder, name);
    expect(await suture('export', output, '--positions', 'none', ...shares, '-o', file)).toMatchObject({ code: 0 });
    return (await evaluate([file], data, { executor })).rows[0].score.value;
  };
  expect(await exported('own.onnx', '--output-weight', '1/0/0')).toBeCloseTo(rows[0].score.value, 6);
  expect(await exported('alike.onnx')).toBeCloseTo(
    (await evaluate(networks, data, { executor, ensemble: true })).rows.at(-1)!.score.value,
    6,
  );
  for (const [shares, words] of [
    ['0.5/0.5', /must be 3, one for each parent/],
    ['0.5/0.5/0.5', /must be a number from 0 to 1, or one for each network that sum to 1/],
  ] as const) {
    const file = join(folder, 'wrong.onnx');
    const { code, stderr } = await suture(
      'export',
      output,
      '--positions',
      'none',
      '--output-weight',
      shares,
      '-o',
      file,
    );
    expect({ shares, code }).toEqual({ shares, code: 2 });
    expect(stderr).toMatch(words);
  }
});

it('stay what they are where all are copies of one', async () => {
  const { folder, networks, data } = await inputs();
  const copies = [networks[0]];
  for (const i of [1, 2]) {
    copies.push(join(folder, `copy${i}.onnx`));
    await copyFile(networks[0], copies[i]);
  }
  const output = join(folder, 'run');
  await stitch({ networks: copies, data, output, executor, training: { steps: 0, init: 'identity' } });
  const { references, positions } = await sweep(output, data, { executor });
  for (const { value } of [...references, ...positions]) expect(value).toBeCloseTo(references[0].value, 6);
});

it('give the same scores in another order of the partners, under their other tags', async () => {
  const { folder, networks, data } = await inputs();
  const [a, b, c] = networks as [string, string, string];
  const scores = async (order: readonly string[], name: string) => {
    const output = join(folder, name);
    // The closing fit draws settings, and so is another one in another order.
    const begun = { steps: 0, init: 'ridge', initImages: 6, closingImages: 0 } as const;
    await stitch({ networks: order, data, output, executor, training: begun });
    const { references, positions } = await sweep(output, data, { executor });
    const own = new Map(references.map(r => [r.name, r.value]));
    return { own, ensemble: own.get('ensemble')!, positions: positions.map(p => p.value) };
  };
  const [one, other] = [await scores([a, b, c], 'abc'), await scores([a, c, b], 'acb')];
  expect(other.own.get('b')).toBe(one.own.get('c'));
  expect(other.own.get('c')).toBe(one.own.get('b'));
  expect(other.ensemble).toBeCloseTo(one.ensemble, 9);
  expect(other.positions).toHaveLength(one.positions.length);
  for (const [i, value] of other.positions.entries()) expect(value).toBeCloseTo(one.positions[i], 6);
});

it('are matched by the command, and the file of pairs is read again', async () => {
  const { folder, networks, data } = await inputs();
  const pairs = join(folder, 'pairs.json');
  const { code, stdout } = await suture('match', ...networks, '-o', pairs);
  expect(code).toBe(0);
  expect(stdout).toMatch(/a with b: \d+ pairs.*\na with c: \d+ pairs/);
  const matched = await match(networks, { matchWith: 'all' });
  expect('matched' in matched && matched.matched.map(({ a, b }) => a + b)).toEqual(['ab', 'ac', 'bc']);
  const [one, other] = [join(folder, 'one'), join(folder, 'other')];
  const begun = { networks, data, executor, training: { ...training, steps: 0 } } as const;
  await stitch({ ...begun, output: one });
  await stitch({ ...begun, output: other, pairs });
  expect(await readFile(join(other, 'pairs.json'), 'utf8')).toBe(await readFile(join(one, 'pairs.json'), 'utf8'));
  const { network } = await loadRun(one);
  expect(network.parents.map(p => p.tag)).toEqual(['a', 'b', 'c']);
  await exportNetwork(other, join(folder, 'all.onnx'), { all: true });
});
