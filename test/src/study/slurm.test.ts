/** A study handed to a real Slurm, which the test starts: what comes of it is what comes of it in order. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, start } from '../../program.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { shared } from '../cli/support.ts';
import { type Facts, keyOf, processesOf, statusOf } from './program.ts';
import { type Slurm, startSlurm, whyNoSlurm } from './slurm.ts';

const run = promisify(execFile);

const why = whyNoSlurm();

describe.skipIf(why !== undefined)(`a study on Slurm${why === undefined ? '' : ` (skipped: ${why})`}`, () => {
  const folder = shared();
  let slurm: Slurm | undefined;
  let file: string;

  beforeAll(async () => {
    await buildProgram();
    await mkdir(join(folder(), 'slurm'));
    slurm = await startSlurm(join(folder(), 'slurm'));
    await smallParents(folder(), [[3], [2, 3]]);
    await smallData(join(folder(), 'data.npz'));
    const sites = ['a', 'b'].map(name => ({
      ...{ name, train: 'data.npz', validation: 'data.npz', test: 'data.npz' },
      network: `${name}.onnx`,
    }));
    file = join(folder(), 'study.json');
    // Long enough to be held while it trains.
    const finetune = { steps: 800, batch: 2 };
    const methods = ['finetune', 'gated'];
    const stitch = { steps: 2, batch: 2, init: 'kaiming', closingImages: 0 };
    const request = { sites, methods, finetune, stitch, curves: [], pairs: [['a', 'b']], executor: 'ort' };
    await writeFile(file, JSON.stringify(request));
  }, 120_000);

  afterAll(() => slurm?.stop());

  const suture = (...args: readonly string[]) => start(args, slurm!.env).ended;
  const cellsOf = (output: string): Promise<readonly Facts[]> => statusOf(output, slurm!.env);

  /** Until no job has any of the cells. */
  async function ended(output: string): Promise<readonly Facts[]> {
    for (let tries = 0; tries < 200; tries++) {
      const { stdout } = await run('squeue', ['--noheader'], { env: slurm!.env });
      if (stdout.trim() === '') return cellsOf(output);
      await sleep(500);
    }
    throw new Error('the queue does not become empty');
  }

  const scoresOf = async (output: string, key: string): Promise<unknown> => {
    const { result } = JSON.parse(await readFile(join(output, 'cells', key, 'cell.json'), 'utf8'));
    return result;
  };

  it('comes to what it comes to in order, with a cell that is stopped and queued again', async () => {
    const [serial, output] = [join(folder(), 'serial'), join(folder(), 'handed')];
    await suture('study', file, '-o', serial, '--jobs', '2');
    const first = await cellsOf(serial);
    expect(first.map(({ status }) => status)).toEqual(first.map(() => 'done'));

    const { stdout } = await suture('study', file, '-o', output, '--slurm', '--json');
    const { jobs } = JSON.parse(stdout) as { jobs: { job: string; cells: string[] }[] };
    expect(jobs.flatMap(({ cells }) => cells)).toHaveLength(first.length);
    const tuning = jobs.find(({ cells }) => cells.some(key => key.startsWith('finetune-')))!.job;
    const tuned = keyOf(first, 'finetune');
    const isTraining = async (): Promise<boolean> =>
      (await readdir(join(output, 'cells', tuned, 'net')).catch(() => [] as string[])).includes('metrics.jsonl');
    for (let tries = 0; tries < 2000 && !(await isTraining()); tries++) await sleep(10);
    const signalled = async (signal: NodeJS.Signals): Promise<void> => {
      for (const pid of (await processesOf(tuned)) ?? []) process.kill(pid, signal);
    };
    await signalled('SIGSTOP');
    expect((await cellsOf(output)).find(({ key }) => key === tuned)).toMatchObject({
      status: 'running',
      queue: 'RUNNING',
    });
    // As before its time is over.
    await run('scancel', ['--batch', '--signal=USR1', `${tuning}_0`], { env: slurm!.env });
    await signalled('SIGCONT');
    // Slurm keeps what is queued again waiting for two minutes, in which it ends all that is left of it; here seconds are enough.
    for (let tries = 0; tries < 200; tries++) {
      const format = '--format=%F %t %r';
      const { stdout: waiting } = await run('squeue', ['--noheader', '--array', format], { env: slurm!.env });
      if (waiting.includes(`${tuning} PD BeginTime`)) break;
      await sleep(200);
    }
    await sleep(3000);
    await run('scontrol', ['update', `JobId=${tuning}_0`, 'StartTime=now'], { env: slurm!.env });
    const cells = await ended(output);
    expect(cells.map(({ status }) => status)).toEqual(cells.map(() => 'done'));
    const [log] = (await readdir(join(output, 'slurm'))).filter(name => name.startsWith(`finetune-${tuning}`));
    expect(await readFile(join(output, 'slurm', log), 'utf8')).toMatch(/stopped after \d+ of 800 steps/);
    for (const { key } of first) expect(await scoresOf(output, key), key).toEqual(await scoresOf(serial, key));
    const report = (path: string) => readFile(join(path, 'study.md'), 'utf8');
    expect(await report(output)).toBe(await report(serial));
    // Nothing is left to hand over.
    const again = JSON.parse((await suture('study', output, '--slurm', '--json')).stdout);
    expect(again.jobs).toEqual([]);
    expect((await suture('study', output, '--slurm')).stdout).toContain('nothing to hand over');
    expect((await suture('study', 'cancel', output)).stdout).toBe('No job of it waits or runs.\n');
    // Where no Slurm answers, what is on disk is known.
    const elsewhere = await start(['study', 'status', output], { ...slurm!.env, SLURM_CONF: join(folder(), 'nowhere') })
      .ended;
    expect(elsewhere).toMatchObject({ code: 0, stderr: expect.stringMatching(/not known: squeue: /) });
    expect(elsewhere.stdout).toContain(tuned);
  }, 600_000);

  it('shows a cell that fails, and ends what waits for it', async () => {
    // Whatever the folder is called.
    const output = join(folder(), '5% failing');
    const broken = join(folder(), 'broken.json');
    const request = JSON.parse(await readFile(file, 'utf8'));
    const methods = ['gated', 'ensemble'];
    await writeFile(broken, JSON.stringify({ ...request, methods, stitch: { ...request.stitch, learningRate: 1e30 } }));
    await suture('study', broken, '-o', output, '--slurm');
    const cells = await ended(output);
    const byKind = Object.fromEntries(cells.map(({ key, status, error }) => [key.split('-')[0], { status, error }]));
    expect(byKind).toMatchObject({
      alone: { status: 'done' },
      ensemble: { status: 'done' },
      run: { status: 'failed', error: expect.stringMatching(/loss|finite/) },
      gated: { status: 'blocked' },
    });
    expect(await readFile(join(output, 'study.md'), 'utf8')).toContain('1 failed');
    expect(await readdir(join(output, 'slurm'))).toContainEqual(expect.stringMatching(/^run-\d+-0\.txt$/));
  }, 600_000);

  it('is cancelled, and goes on in order', async () => {
    const output = join(folder(), 'cancelled');
    const short = join(folder(), 'short.json');
    const request = JSON.parse(await readFile(file, 'utf8'));
    const methods = ['finetune'];
    await writeFile(short, JSON.stringify({ ...request, methods, finetune: { steps: 20, batch: 2 } }));
    await suture('study', short, '-o', output, '--slurm');
    const { stdout } = await suture('study', 'cancel', output, '--json');
    expect(JSON.parse(stdout).jobs.length).toBeGreaterThan(2);
    await ended(output);
    await rename(join(output, 'slurm', 'jobs.json'), join(output, 'slurm', 'old.json'));
    await suture('study', output);
    const cells = await cellsOf(output);
    expect(cells.map(({ status }) => status)).toEqual(cells.map(() => 'done'));
  }, 600_000);
});
