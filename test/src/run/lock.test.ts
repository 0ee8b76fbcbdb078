/** One process at a time writes in a run. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { exportNetwork } from '../../../src/api/export.ts';
import { resumeStitch, stitch } from '../../../src/api/stitch.ts';
import { sweep } from '../../../src/api/sweep.ts';
import { loadRun } from '../../../src/run/load.ts';
import { withLock, withNewLock } from '../../../src/run/lock.ts';
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

it('a file that was left behind locks nothing, whatever it says', async () => {
  const folder = await scratch();
  const request = await requestIn(folder);
  await mkdir(request.output);
  const lock = join(request.output, '.suture-lock');
  for (const text of ['', 'process 1 on elsewhere', `process ${process.pid} on here`]) {
    await writeFile(lock, text);
    await withLock(request.output, async () => undefined);
    expect(await readdir(request.output)).toEqual([]);
  }
  // Also where there is no run yet.
  await writeFile(lock, 'process 1 on elsewhere');
  await finished(request);
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
  for (const path of [folder, join(folder, 'none')]) {
    await expect(sweep(path, 'data.npz')).rejects.toThrow(/is no run directory/);
    await expect(resumeStitch(path)).rejects.toThrow(/is no run directory/);
  }
  expect(await readdir(folder)).toEqual([]);
});
