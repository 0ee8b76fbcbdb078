/** One process at a time writes in a run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rename, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { exportNetwork } from '../../../src/api/export.ts';
import { resumeStitch, stitch } from '../../../src/api/stitch.ts';
import { sweep } from '../../../src/api/sweep.ts';
import { loadRun } from '../../../src/run/load.ts';
import { withLock, withNewLock, writerOf } from '../../../src/run/lock.ts';
import { filesOf } from '../cli/files.ts';
import { scratch, suture } from '../cli/support.ts';
import { finished, interrupted, requestIn, withSeed } from './prepared.ts';

it('two that go on with one training: one does, with the same bytes, and the other is told', async () => {
  const folder = await scratch();
  const request = await requestIn(folder);
  const whole = await finished({ ...request, output: join(folder, 'whole') });
  const run = await interrupted(request);
  const found = await Promise.allSettled([resumeStitch(run), resumeStitch(run)]);
  expect(found.map(f => f.status).sort()).toEqual(['fulfilled', 'rejected']);
  expect(found.find(f => f.status === 'rejected')).toMatchObject({
    reason: {
      code: 'run-locked',
      message: expect.stringMatching(/is in use: (process \d+ on .+|another process) is writing in it; wait/),
    },
  });
  expect(await filesOf(run)).toEqual(await filesOf(whole));
});

it('two that make one run: one does, and the other is told at once', async () => {
  const folder = await scratch();
  const request = { ...(await requestIn(folder)), output: join(folder, 'new', 'run') };
  let ended = 0;
  const count = <T>(work: Promise<T>): Promise<{ at: number; error?: unknown }> =>
    work.then(
      () => ({ at: ended++ }),
      (error: unknown) => ({ at: ended++, error }),
    );
  const found = await Promise.all([count(stitch(request)), count(stitch(withSeed(request, 2, request.output)))]);
  const refused = found.filter(f => f.error !== undefined);
  expect(refused).toMatchObject([{ at: 0, error: { code: 'run-locked' } }]);
  await loadRun(request.output);
  expect(await readdir(request.output)).not.toContain('.suture-lock');
});

it('a process that is killed holds nothing, and while it lives others read', async () => {
  const folder = await scratch();
  const run = await interrupted(await requestIn(folder));
  const holding = `
    const { openSync } = require('node:fs');
    const { tryLock } = require('fs-native-extensions');
    console.log(tryLock(openSync(process.argv[1], 'a+')));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['-e', holding, join(run, '.suture-lock')]);
  expect(String((await once(child.stdout, 'data'))[0])).toBe('true\n');
  const refused = await suture('stitch', '--resume', run);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/^error .* is in use: [^\n]+\.\n$/) });
  expect(await suture('inspect', run)).toMatchObject({ code: 0 });
  child.kill('SIGKILL');
  await once(child, 'close');
  await resumeStitch(run);
});

describe('a lock file that was left behind', () => {
  /** As another start of a machine would have it: `text`, and its last sign of life. */
  async function left(text: string, secondsAgo = 0): Promise<string> {
    const folder = await scratch();
    const file = join(folder, '.suture-lock');
    await writeFile(file, text);
    const at = Date.now() / 1000 - secondsAgo;
    await utimes(file, at, at);
    return folder;
  }

  it.each(['', 'what\never', `process 1 on ${hostname()}`, `process ${process.pid} on ${hostname()}`])(
    'by a process of this machine locks nothing: %j',
    async text => {
      const folder = await left(text);
      expect(await writerOf(folder)).toEqual({
        name: text.startsWith('process') ? text : 'another process',
        isGone: true,
      });
      await withLock(folder, async () => undefined);
      expect(await readdir(folder)).toEqual([]);
    },
  );

  it('by another machine locks as long as it is fresh, for its lock may not be seen here', async () => {
    const folder = await left('process 7 on node9\n0', 100);
    expect(await writerOf(folder)).toEqual({ name: 'process 7 on node9', isGone: false });
    await expect(withLock(folder, async () => undefined)).rejects.toMatchObject({
      code: 'run-locked',
      message: expect.stringMatching(/process 7 on node9 is writing in it, whose lock .* 100 s ago, and after 180 s/),
    });
    // Who is refused leaves it.
    expect(await readdir(folder)).toEqual(['.suture-lock']);
    const gone = await left('process 7 on node9\n0', 200);
    expect(await writerOf(gone)).toEqual({ name: 'process 7 on node9', isGone: true });
    await withLock(gone, async () => undefined);
    expect(await readdir(gone)).toEqual([]);
    // Also where there is no run yet.
    const request = await requestIn(await scratch());
    await rename(await left('process 7 on node9\n0', 200), request.output);
    await finished(request);
  });

  it('is told by its process where the file system has no locks', async () => {
    vi.doMock('fs-native-extensions', () => ({
      tryLock: () => {
        throw Object.assign(new Error('no locks'), { code: 'ENOLCK' });
      },
    }));
    onTestFinished(() => void vi.doUnmock('fs-native-extensions'));
    const alive = await left(`process ${process.ppid} on ${hostname()}`, 1000);
    await expect(withLock(alive, async () => undefined)).rejects.toThrow(/is writing in it; wait/);
    const dead = spawn('true');
    await once(dead, 'close');
    const folder = await left(`process ${dead.pid} on ${hostname()}`);
    await withLock(folder, async () => {
      await expect(withLock(folder, async () => undefined)).rejects.toThrow(`process ${process.pid} on`);
      expect(await writerOf(folder)).toMatchObject({ isGone: false });
    });
    expect(await readdir(folder)).toEqual([]);
  });
});

it('to ask who writes disturbs nobody', async () => {
  const folder = await scratch();
  let isOver = false;
  const asking = Array.from({ length: 4 }, async () => {
    const said = new Set<unknown>();
    while (!isOver) said.add((await writerOf(folder))?.isGone);
    return said;
  });
  for (let i = 0; i < 40; i++) await withLock(folder, () => readdir(folder));
  await withLock(folder, () => new Promise(resolve => setTimeout(resolve, 50)));
  isOver = true;
  for (const said of await Promise.all(asking)) expect(said).toContain(false);
});

it('a run that is not made leaves no folder, and one that is read on the way is whole', async () => {
  const folder = await scratch();
  const made = join(folder, 'x', 'y');
  await expect(withNewLock(made, () => Promise.reject(new RangeError('no')))).rejects.toThrow('no');
  expect(await readdir(folder)).toEqual([]);

  const run = await finished(await requestIn(folder));
  await mkdir(join(run, '.suture-ready'));
  await rename(join(run, 'parameters.npz'), join(run, '.suture-ready', 'parameters.npz'));
  // Another process is moving the files of a replacement: who reads waits for it.
  let reading: Promise<unknown> = Promise.resolve();
  await withLock(run, async () => {
    reading = exportNetwork(run, join(folder, 'out.onnx'), { position: 0 });
    reading.catch(() => undefined);
    await new Promise(resolve => setTimeout(resolve, 100));
  });
  await reading;
  expect(await readdir(run)).not.toContain('.suture-ready');
});

it('what is no run is not locked', async () => {
  const folder = await scratch();
  for (const [path, what] of [
    [folder, /is no run directory/],
    [join(folder, 'none'), /none does not exist; .* makes a run directory/],
  ] as const) {
    await expect(sweep(path, 'data.npz')).rejects.toThrow(what);
    await expect(resumeStitch(path)).rejects.toThrow(what);
  }
  expect(await readdir(folder)).toEqual([]);
});

it('a folder that cannot be locked is named, and the file in it only where something else is in its place', async () => {
  const folder = await scratch();
  await expect(withLock(join(folder, 'none'), async () => undefined)).rejects.toThrow(/none cannot be written: /);
  await mkdir(join(folder, '.suture-lock'));
  await expect(withLock(folder, async () => undefined)).rejects.toThrow(/\.suture-lock cannot be written: /);
});
