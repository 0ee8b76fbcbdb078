/** Replacing a run: the old one is whole until the new one is, whatever happens in between. */
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { recover } from '../../../src/run/replacement.ts';
import { filesOf } from '../cli/files.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { scratch, shared, suture, sutureWith } from '../cli/support.ts';

const names = ['config.json', 'pairs.json', 'parents', 'metrics.jsonl', 'parameters.npz', 'sweep.json'];

async function folderWith(path: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(path, name, '..'), { recursive: true });
    await writeFile(join(path, name), text);
  }
}

const old = {
  'config.json': 'old',
  'pairs.json': 'old',
  'parents/a.onnx': 'old a',
  'parents/c/c.onnx': 'old c',
  'sweep.json': 'old',
  'notes.txt': 'mine',
};
const fresh = { 'config.json': 'new', 'pairs.json': 'new', 'parents/a.onnx': 'new a', 'parameters.npz': 'new' };

describe('a replacement that was decided', () => {
  it('is ended from wherever a killed process left it', async () => {
    const folder = await scratch();
    const run = join(folder, 'run');
    const ready = join(run, '.suture-ready');
    /** What a process does, one system call after the other. */
    const steps = [
      ...['config.json', 'pairs.json', 'parents/c', 'parents', 'sweep.json'].map(
        name => () => rm(join(run, name), { recursive: true }),
      ),
      ...['config.json', 'parameters.npz', 'parents', 'pairs.json'].map(
        name => () => rename(join(ready, name), join(run, name)),
      ),
    ];
    for (let done = 0; done <= steps.length; done++) {
      await rm(run, { recursive: true, force: true });
      await folderWith(run, old);
      await folderWith(ready, fresh);
      for (const step of steps.slice(0, done)) await step();
      await recover(run, names);
      expect(await filesOf(run, 'utf8'), `after ${done} steps`).toEqual({ ...fresh, 'notes.txt': 'mine' });
      expect(await readdir(run)).not.toContain('.suture-ready');
      await recover(run, names);
      expect(await filesOf(run, 'utf8')).toEqual({ ...fresh, 'notes.txt': 'mine' });
    }
  });
});

const often = ['--checkpoint-every', '0'];

describe('--force', () => {
  const kept = shared();
  let inputs: readonly string[] = [];
  beforeAll(async () => {
    const parents = await smallParents(kept(), [[3], [2, 3]]);
    inputs = [...parents, '--data', await smallData(join(kept(), 'data.npz'))];
  });

  const training = ['--steps', '8', '--batch', '2', '--executor', 'ort', '--init', 'kaiming'];
  const stitch = (seed: number, out: string) => [
    ...['stitch', ...inputs, ...training],
    ...['--seed', String(seed), '-o', out],
  ];

  const wholes = new Map<number, Promise<string>>();
  /** A run of a seed, which is trained once for all tests. */
  function whole(seed: number): Promise<string> {
    const made = async (): Promise<string> => {
      const out = join(kept(), `whole-${seed}`);
      expect(await suture(...stitch(seed, out))).toMatchObject({ code: 0 });
      return out;
    };
    const known = wholes.get(seed) ?? made();
    wholes.set(seed, known);
    return known;
  }

  /** A run of the first seed to replace. */
  async function trained(): Promise<{ folder: string; run: string }> {
    const folder = await scratch();
    const run = join(folder, 'run');
    await cp(await whole(1), run, { recursive: true });
    return { folder, run };
  }

  it('leaves the old run as it is until the new one is trained, interrupted or not', async () => {
    const { folder, run } = await trained();
    const before = await filesOf(run);
    const controller = new AbortController();
    const going = sutureWith(controller.signal, ...stitch(2, run), '--force', ...often);
    const next = join(run, '.suture-next');
    while (!(await readdir(next).catch(() => [] as string[])).includes('checkpoint.npz')) {
      await new Promise(resolve => setTimeout(resolve, 1));
    }
    controller.abort();
    const { code, stderr } = await going;
    expect(code).toBe(130);
    expect(stderr).toContain(
      `go on with \`suture stitch --resume ${run}\`; ${run} holds the run that was there before`,
    );
    await cp(next, join(folder, 'next'), { recursive: true });
    await rm(next, { recursive: true });
    expect(await filesOf(run)).toEqual(before);
    expect(await suture('export', run, '--position', '0', '-o', join(folder, 's.onnx'))).toMatchObject({ code: 0 });
    await cp(join(folder, 'next'), next, { recursive: true });

    expect(await suture('stitch', '--resume', run)).toMatchObject({ code: 0 });
    expect(await filesOf(run)).toEqual(await filesOf(await whole(2)));
    expect(await filesOf(run)).not.toEqual(before);
  });

  it('leaves the old run where the new one fails', async () => {
    const { run } = await trained();
    const before = await filesOf(run);
    const failed = await suture(...stitch(2, run), '--lr', '1e30', '--force', ...often);
    expect(failed).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/lower --lr.*last good checkpoint is kept/),
    });
    expect(failed.stderr).toContain('holds the run that was there before');
    await rm(join(run, '.suture-next'), { recursive: true });
    expect(await filesOf(run)).toEqual(before);
    const mine = await suture(...stitch(2, run));
    expect(mine).toMatchObject({ code: 1, stderr: expect.stringContaining('holds a run already') });
  });

  it('takes the place of a run that its own parents come from', async () => {
    const { run } = await trained();
    const before = await filesOf(run);
    const [command, , ...rest] = stitch(2, run);
    const parent = join(run, 'parents', 'a.onnx');
    expect(await suture(command, parent, ...rest, '--force')).toMatchObject({ code: 0 });
    const after = await filesOf(run);
    expect(after['parents/a.onnx']).toEqual(before['parents/a.onnx']);
    expect(after['parameters.npz']).not.toEqual(before['parameters.npz']);
  });

  it('ends what was killed between the last step and the moving', async () => {
    const { run } = await trained();
    const other = await whole(2);
    const wanted = await filesOf(other);
    await cp(other, join(run, '.suture-next'), { recursive: true });
    await writeFile(join(run, '.suture-next', 'checkpoint.npz'), 'no longer needed');
    const { code, stdout } = await suture('stitch', '--resume', run, '--json');
    expect(code).toBe(0);
    const lines = (await readFile(join(run, 'metrics.jsonl'), 'utf8')).trimEnd().split('\n');
    expect(JSON.parse(stdout)).toMatchObject({
      firstLoss: JSON.parse(lines[0]).loss,
      lastLoss: JSON.parse(lines.at(-1)!).loss,
    });
    expect(await filesOf(run)).toEqual(wanted);
  });

  it('makes nothing of what a killed process left of a run that never was', async () => {
    const run = join(await scratch(), 'other');
    await folderWith(join(run, '.suture-next'), { 'parents/a.onnx': 'half', 'pairs.json': '' });
    expect(await suture('stitch', '--resume', run)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('is no run directory'),
    });
    expect(await suture(...stitch(1, run))).toMatchObject({ code: 0 });
    expect(await filesOf(run)).toEqual(await filesOf(await whole(1)));
  });
});
