/** Studies handed to a real Slurm, which the test starts: what comes of one is what comes of it in order. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { study, studyCancel, studyStatus } from '../../../src/api/study.ts';
import { buildProgram, start } from '../../program.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { shared, suture } from '../cli/support.ts';
import { keyOf, launch, processesOf } from './program.ts';
import { startSlurm, whyNoSlurm } from './slurm.ts';

const run = promisify(execFile);

const why = whyNoSlurm();

describe.skipIf(why !== undefined)(`a study on Slurm${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  const folder = shared();
  let stop: (() => Promise<void>) | undefined;

  beforeAll(async () => {
    await mkdir(join(folder(), 'slurm'));
    [stop] = await Promise.all([startSlurm(join(folder(), 'slurm')), buildProgram()]);
  }, 120_000);

  afterAll(async () => {
    vi.unstubAllEnvs();
    await stop?.();
  });

  const squeue = async (...args: readonly string[]): Promise<string> =>
    (await run('squeue', ['--noheader', ...args])).stdout.trim();

  async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
    for (let tries = 0; tries < 1000; tries++) {
      if (await isSo()) return;
      await sleep(100);
    }
    throw new Error(`${what} does not come: ${await squeue()}`);
  }

  const reportOf = (path: string): Promise<string> => readFile(join(path, 'study.md'), 'utf8');

  it('comes to what it comes to in order after it was cancelled, with cells that fail, wait, and are queued again', async () => {
    await smallParents(folder(), [[3], [2, 3]]);
    await smallData(join(folder(), 'data.npz'));
    // The networks take 8 × 8 pixels: what b is to be stitched on they cannot read.
    await smallData(join(folder(), 'large.npz'), 12);
    const data = { validation: 'data.npz', test: 'data.npz' };
    const sites = [
      { name: 'a', train: 'data.npz', network: 'a.onnx', ...data },
      { name: 'b', train: 'large.npz', network: 'b.onnx', ...data },
    ];
    const pairs = [
      ['a', 'b'],
      ['b', 'a'],
    ];
    // Long enough to be held while it trains.
    const stitch = { steps: 300, batch: 2, init: 'kaiming', closingImages: 0 };
    const file = join(folder(), 'study.json');
    await writeFile(file, JSON.stringify({ sites, pairs, methods: ['gated'], stitch, curves: [], executor: 'ort' }));
    // Whatever the folder is called.
    const [output, serial] = [join(folder(), '5% handed'), join(folder(), 'serial')];

    expect(await start(['study', file, '-o', serial, '--slurm']).ended).toMatchObject({ code: 0 });
    expect((await studyCancel(serial)).length).toBeGreaterThan(2);
    const { stdout } = await start(['study', file, '-o', output, '--slurm', '--json']).ended;
    const { jobs } = JSON.parse(stdout) as { jobs: { job: string; cells: string[] }[] };
    const { cells: planned } = await studyStatus(output);
    expect(jobs.flatMap(({ cells }) => cells).sort()).toEqual(planned.map(({ key }) => key).sort());

    const held = keyOf(planned, 'run-a-b');
    const { job, cells: array } = jobs.find(({ cells }) => cells.includes(held))!;
    const task = `${job}_${array.indexOf(held)}`;
    const statusNow = async () => (await studyStatus(output)).cells.find(({ key }) => key === held);
    const trained = async (): Promise<readonly string[]> =>
      (await readdir(join(output, 'cells', held), { recursive: true }).catch(() => [])).map(String);
    for (let tries = 0; !(await trained()).some(name => name.endsWith('metrics.jsonl')); tries++) {
      if (tries > 10_000) throw new Error('the training does not come');
      await sleep(10);
    }
    const signalled = async (signal: NodeJS.Signals): Promise<void> => {
      for (const pid of (await processesOf(held)) ?? []) process.kill(pid, signal);
    };
    await signalled('SIGSTOP');
    expect(await statusNow()).toMatchObject({ status: 'running', queue: 'RUNNING' });
    // As before its time is over.
    await run('scancel', ['--batch', '--signal=USR1', task]);
    await signalled('SIGCONT');
    // In order, what was cancelled, meanwhile.
    const inOrder = expect(study(serial, { launch })).rejects.toThrow('1 of 6 cells failed');
    // Slurm keeps what is queued again waiting for two minutes, in which it ends all that is left of it; here seconds are enough.
    await until('the cell in the queue', async () =>
      (await squeue('--array', '--format=%F_%K %t %r')).includes(`${task} PD BeginTime`),
    );
    await sleep(3000);
    await run('scontrol', ['update', `JobId=${task}`, 'StartTime=now']);
    await until('the end of all jobs', async () => (await squeue()) === '');

    const { cells } = await studyStatus(output);
    const said = Object.fromEntries(
      cells.map(({ key, status, error }) => [key.replace(/-s0.*/, ''), { status, error }]),
    );
    expect(said).toMatchObject({
      ...{ 'alone-a': { status: 'done' }, 'alone-b': { status: 'done' }, 'run-a-b': { status: 'done' } },
      ...{ 'gated-a-b': { status: 'done' }, 'gated-b-a': { status: 'blocked' } },
      'run-b-a': { status: 'failed', error: expect.stringContaining('large.npz') },
    });
    const logs = await readdir(join(output, 'slurm'));
    const [log] = logs.filter(name => name === `run-${task.replace('_', '-')}.txt`);
    expect(await readFile(join(output, 'slurm', log), 'utf8')).toMatch(/stopped after \d+ of 300 steps/);
    await inOrder;
    const resultOf = async (path: string, key: string): Promise<unknown> =>
      JSON.parse(await readFile(join(path, 'cells', key, 'cell.json'), 'utf8')).result;
    for (const { key, status } of cells) {
      if (status === 'done') expect(await resultOf(output, key), key).toEqual(await resultOf(serial, key));
    }
    expect(await reportOf(output)).toBe(await reportOf(serial));
    expect(await reportOf(output)).toContain('1 failed');

    // What has ended is not handed over again, nor what waits.
    vi.stubEnv('SBATCH_HOLD', '1');
    const again = JSON.parse((await suture('study', serial, '--slurm', '--json')).stdout) as { jobs: typeof jobs };
    const open = cells.filter(({ status }) => status !== 'done').map(({ key }) => key);
    expect(again.jobs.flatMap(found => found.cells)).toEqual(open);
    expect((await suture('study', serial, '--slurm')).stdout).toContain('nothing to hand over');
    expect((await suture('study', 'cancel', serial)).stdout).toBe('Cancelled 3 jobs.\n');
    expect((await suture('study', 'cancel', output)).stdout).toBe('No job of it waits or runs.\n');
    // Where no Slurm answers, what is on disk is known.
    await writeFile(join(folder(), 'broken.conf'), 'no configuration');
    vi.stubEnv('SLURM_CONF', join(folder(), 'broken.conf'));
    const elsewhere = await suture('study', 'status', output);
    expect(elsewhere).toMatchObject({ code: 0, stderr: expect.stringMatching(/not known: squeue: /) });
    expect(elsewhere.stdout).toContain(held);
  }, 600_000);
});
