/** What a search found in a run is trained further: its stitches alone, from where they were, to a run like any other. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { SuperNetwork } from '../../../passes/index.ts';
import { exportNetwork } from '../../../src/api/export.ts';
import { search } from '../../../src/api/search.ts';
import { resumeStitch, stitch, stitchFurther } from '../../../src/api/stitch.ts';
import { sweep } from '../../../src/api/sweep.ts';
import type { DiscreteSetting } from '../../../src/network/discrete.ts';
import { type LoadedRun, loadRun } from '../../../src/run/load.ts';
import type { SearchPoint } from '../../../src/selection/search/search.ts';
import { discreteText } from '../../../src/selection/search/text.ts';
import { FoundSampler } from '../../../src/training/found.ts';
import { smallData, smallNetworks } from '../cli/small.ts';
import { scratch, shared, suture } from '../cli/support.ts';

const executor = 'ort';

/** A run of networks of these widths, its data, and a search in it that found an unstitched setting and these. */
async function searched(
  folder: string,
  widths: readonly (readonly number[])[],
  settingsOf: (network: SuperNetwork) => readonly DiscreteSetting[],
) {
  const networks = await smallNetworks(folder, widths);
  const data = await smallData(join(folder, 'data.npz'));
  const run = join(folder, 'run');
  await stitch({
    networks,
    data,
    executor,
    output: run,
    training: { steps: 0, init: 'kaiming', closingImages: 0, batch: 3 },
  });
  const found = await search(run, data, { executor, evaluations: 1 });
  const { directory, network } = await loadRun(run);
  const front = [{ uses: {}, output: 'mean' }, ...settingsOf(network)].map(
    (setting): SearchPoint => ({
      ...setting,
      uses: { ...setting.uses },
      name: discreteText(network, setting),
      own: 0.5,
      cost: 1,
    }),
  );
  await directory.writeJson('search', { ...found, front });
  return { run, data, stitched: front.slice(1) };
}

/** The stitches whose features a setting takes. */
const usedBy = ({ network }: LoadedRun, { uses }: DiscreteSetting): ReadonlySet<string> =>
  new Set(
    Object.entries(uses).flatMap(([name, use]) => {
      const [, position, to] = name.split('/');
      const from = use.startsWith('from ') ? [use.slice(5)] : network.parents.map(p => p.tag).filter(tag => tag !== to);
      return from.map(tag => `stitch/${position}/${tag}-${to}`);
    }),
  );

const stitchOf = (parameter: string): string => parameter.slice(0, parameter.lastIndexOf('/'));

describe('a setting that a search found', () => {
  const folder = shared();
  let found: Awaited<ReturnType<typeof searched>>;

  beforeAll(async () => {
    found = await searched(folder(), [[3], [2, 3]], ({ switches }) => {
      const [a, b] = ['a', 'b'].map(tag => switches.filter(({ parent }) => parent === tag).map(s => s.weights));
      return [
        { uses: { [a[0]]: 'averaged', [b[1]]: 'stitched' }, output: 'gated' },
        { uses: { [a[0]]: 'averaged', [b[0]]: 'stitched' }, output: 'mean' },
      ];
    });
  });

  it('is trained: its loss falls, and stitches of no other change', async () => {
    const { run, data, stitched } = found;
    const [{ name }] = stitched;
    const output = join(await scratch(), 'further');
    const training = { steps: 30, batch: 3, learningRate: 0.05 };
    const { summary } = await stitchFurther({ run, settings: [{ setting: name }], data, executor, output, training });
    expect(summary.lastLoss).toBeLessThan(0.75 * summary.firstLoss!);
    expect(summary.settings).toEqual([name]);
    const [before, after] = [await loadRun(run), await loadRun(output)];
    const used = usedBy(before, stitched[0]);
    expect(used.size).toBeGreaterThan(0);
    for (const [parameter, tensor] of after.parameters) {
      const isSame = Buffer.from(tensor.data.buffer).equals(Buffer.from(before.parameters.get(parameter)!.data.buffer));
      expect(isSame, parameter).toBe(!used.has(stitchOf(parameter)));
    }

    const file = join(output, '..', 'out.onnx');
    const exported = await exportNetwork(output, file, { trained: true });
    expect(exported.found).toEqual({ name });
    await exportNetwork(output, file, { setting: name }, { force: true });
    expect((await sweep(output, data, { executor })).positions).toHaveLength(before.network.positions.length);
    const again = await search(output, data, { executor, evaluations: 2 });
    const evaluated = again.evaluated.map(({ uses }) => uses);
    expect(evaluated).toContainEqual(stitched[0].uses);
  });

  it('goes on to the same bytes, from a checkpoint or from its start', async () => {
    const { run, data, stitched } = found;
    const settings = stitched.slice(0, 2).map(({ name }) => ({ setting: name }));
    const training = { steps: 6, batch: 2 };
    const request = { run, settings, data, executor, training } as const;
    const whole = join(await scratch(), 'whole');
    await stitchFurther({ ...request, output: whole });
    const bytes = (path: string) => readFile(join(path, 'parameters.npz'));
    for (const stopAt of [0, 3]) {
      const output = join(await scratch(), 'stopped');
      const stop = new AbortController();
      const onProgress = ({ stage, done }: { readonly stage: string; readonly done: number }): void => {
        if (stage === 'training the stitches' && done === stopAt) stop.abort();
      };
      const stopped = stitchFurther({ ...request, output }, { signal: stop.signal, onProgress });
      await expect(stopped).rejects.toMatchObject({ code: 'interrupted' });
      await resumeStitch(output);
      expect((await bytes(output)).equals(await bytes(whole))).toBe(true);
    }
  });

  it('is named as export names it, and nothing else is said of the run', async () => {
    const { run, data, stitched } = found;
    const output = join(await scratch(), 'further');
    const further = (...more: readonly string[]) =>
      suture('stitch', run, '--data', data, '--executor', executor, '--steps', '1', '-o', output, ...more);
    const refused: readonly (readonly [readonly string[], string])[] = [
      [['--setting', '99'], 'The search found no setting 99'],
      [['--setting', '0', '--init', 'ridge'], 'from the stitches of its run: leave out --init'],
      [['--budget', '1%'], 'Nothing costs as little as 1 %'],
      [['--setting', '0'], 'has no stitch'],
    ];
    for (const [more, message] of refused) {
      expect(await further(...more)).toMatchObject({
        code: expect.any(Number),
        stderr: expect.stringContaining(message),
      });
    }
    const trained = await further('--setting', '1', '--setting', stitched[1].name);
    expect(trained).toMatchObject({ code: 0, stdout: expect.stringContaining(`Trained for ${stitched[0].name}.`) });
    expect(await suture('export', output, '--trained', '-o', join(output, '..', 'x.onnx'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('2 settings: name one with --setting'),
    });
    expect(await suture('export', run, '--trained', '-o', join(output, '..', 'x.onnx'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('trained for no setting'),
    });
  });
});

it('of three networks only the stitches with weight are trained', async () => {
  const folder = await scratch();
  const { run, data, stitched } = await searched(folder, [[3], [2, 3], [3]], ({ switches }) => {
    const { weights, sources } = switches.find(s => s.sources.length === 3)!;
    return [{ uses: { [weights]: `from ${sources[2]}` }, output: 'mean' }];
  });
  const output = join(folder, 'further');
  await stitchFurther({ run, settings: [{ setting: 1 }], data, executor, output, training: { steps: 3, batch: 3 } });
  const [before, after] = [await loadRun(run), await loadRun(output)];
  const changed = [...after.parameters].filter(([name, { data }]) =>
    (data as Float32Array).some((value, i) => value !== before.parameters.get(name)!.data[i]),
  );
  expect(new Set(changed.map(([name]) => stitchOf(name)))).toEqual(usedBy(before, stitched[0]));
});

describe('settings that are drawn', () => {
  const switches = ['a', 'b'].map((parent, position) => ({
    ...{ position, parent, weights: `switch/${position}/${parent}`, sources: [parent, parent === 'a' ? 'b' : 'a'] },
  })) as never;
  const found: readonly DiscreteSetting[] = [
    { uses: { 'switch/0/a': 'stitched', 'switch/1/b': 'averaged' }, output: 'mean' },
    { uses: { 'switch/1/b': 'averaged' }, output: 'gated' },
    { uses: { 'switch/1/b': 'averaged' }, output: 'a' },
  ];

  it('are one for each sample, each as likely, where they differ', () => {
    const sampler = FoundSampler.forTraining({ switches }, { seed: 1, found });
    expect([...sampler.inputs]).toEqual(['switch/0/a']);
    const state = sampler.state();
    const drawn = sampler.next(2000);
    const [own, stitchedOnes] = drawn.get('switch/0/a')!;
    expect(own.every((weight, i) => (weight === 0 || weight === 1) && weight + stitchedOnes[i] === 1)).toBe(true);
    const share = own.reduce((sum, weight) => sum + weight, 0) / 2000;
    expect(Math.abs(share - 0.5)).toBeLessThan(0.05);
    expect(FoundSampler.forTraining({ switches }, { seed: 9, found }, state).next(2000)).toEqual(drawn);
  });
});
