/** The cells of a study as processes: some at once, one that fails, one that is killed, and all that stop and go on. */
import { cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { study as computeStudy, studyStatus } from '../../../src/api/study.ts';
import { studyCell } from '../../../src/api/study-cell.ts';
import { buildProgram, start } from '../../program.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { shared, suture } from '../cli/support.ts';
import { keyOf, launch, processesOf } from './program.ts';

const folder = shared();

beforeAll(async () => {
  await buildProgram();
  await smallParents(folder(), [[3], [2, 3]]);
  await smallData(join(folder(), 'data.npz'));
});

async function described(name: string, more: object): Promise<{ readonly file: string; readonly output: string }> {
  const data = { train: 'data.npz', validation: 'data.npz', test: 'data.npz' };
  const sites = ['a', 'b'].map(site => ({ name: site, ...data, network: `${site}.onnx` }));
  const file = join(folder(), `${name}.json`);
  await writeFile(file, JSON.stringify({ sites, pairs: [['a', 'b']], curves: [], executor: 'ort', ...more }));
  return { file, output: join(folder(), name) };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 3000; tries++) {
    if (await isSo()) return;
    await sleep(10);
  }
  throw new Error(`${what} does not come`);
}

describe('two at once', () => {
  it('go on where one fails, which the table and the exit code say', async () => {
    await smallData(join(folder(), 'large.npz'), 12);
    const data = { validation: 'data.npz', test: 'data.npz' };
    const sites = [
      { name: 'a', train: 'data.npz', network: 'a.onnx', ...data },
      // The networks take 8 × 8 pixels: what b is to be fine-tuned on they cannot read.
      { name: 'b', train: 'large.npz', network: 'b.onnx', ...data },
    ];
    const pairs = [
      ['b', 'a'],
      ['a', 'b'],
    ];
    const more = { sites, pairs, methods: ['alone', 'finetune'], finetune: { steps: 2, batch: 2 } };
    const { file, output } = await described('failing', more);
    const { code, stderr } = await start(['study', file, '-o', output, '--jobs', '2']).ended;
    expect(code).toBe(1);
    expect(stderr).toContain('1 of 4 cells failed, and 0 wait for them');
    expect(stderr).toMatch(/finetune-b-a-s0-\w+: .*large\.npz/);
    const { cells } = await studyStatus(output);
    const failed = keyOf(cells, 'finetune-b-a');
    for (const { key, status } of cells)
      expect({ key, status }).toEqual({ key, status: key === failed ? 'failed' : 'done' });
    expect((await suture('study', 'status', output)).stdout).toMatch(new RegExp(`^${failed} +failed`, 'm'));
    expect(await readFile(join(output, 'study.md'), 'utf8')).toContain('3 of 4 cells have ended.');
    expect(await readFile(join(output, 'report.html'), 'utf8')).toContain('1 cell failed');
    expect(await readFile(join(output, 'cells', failed, 'log.txt'), 'utf8')).toContain('large.npz');
  });
});

describe('a study that is stopped', () => {
  /** Long enough to be held while it trains. */
  const more = { methods: ['alone', 'finetune'], finetune: { steps: 400, batch: 2 } };
  /** What comes of it where every cell is computed in this process. */
  let whole: string;
  beforeAll(async () => {
    const { file, output } = await described('whole', more);
    await computeStudy(file, { output, launch });
    whole = output;
  });

  const resultOf = async (cell: string): Promise<unknown> =>
    JSON.parse(await readFile(join(cell, 'cell.json'), 'utf8')).result;

  const signalled = async (key: string, signal: NodeJS.Signals): Promise<void> => {
    for (const pid of (await processesOf(key)) ?? []) process.kill(pid, signal);
  };

  /** The study without the cell that trains. */
  async function unfinished(name: string) {
    const output = join(folder(), name);
    await cp(whole, output, { recursive: true });
    const key = keyOf((await studyStatus(whole)).cells, 'finetune');
    const cell = join(output, 'cells', key);
    await rm(cell, { recursive: true });
    return { output, key, cell };
  }

  /** A process that goes on with it, and the cell held while it trains, where the system lists processes as files. */
  async function begun({ output, key, cell }: Awaited<ReturnType<typeof unfinished>>) {
    const { child, ended } = start(['study', output]);
    // The first line is of step 0.
    const linesOf = async () =>
      (await readFile(join(cell, 'net', 'metrics.jsonl'), 'utf8').catch(() => '')).split('\n');
    await until('the training', async () => (await linesOf()).length > 1);
    await signalled(key, 'SIGSTOP');
    return { child, ended };
  }

  const others = async (output: string, key: string): Promise<readonly number[]> => {
    const keys = (await readdir(join(output, 'cells'))).filter(name => name !== key);
    return Promise.all(keys.map(async name => (await stat(join(output, 'cells', name, 'cell.json'))).mtimeMs));
  };

  it('leaves no process behind, and goes on to the same numbers without computing anything twice', async () => {
    const study = await unfinished('stopped');
    const { output, key, cell } = study;
    const { child, ended } = await begun(study);
    const written = await others(output, key);
    // A second one does not get in the way of the first, nor does one that would hand it over.
    for (const more of [[], ['--slurm']]) {
      const second = await suture('study', output, ...more);
      expect(second).toMatchObject({
        code: 1,
        stderr: expect.stringContaining(`process ${child.pid} on ${hostname()}`),
      });
      expect(second.stderr).toContain(`suture study status ${output}`);
    }
    const shown = (await suture('study', 'status', output)).stdout;
    expect(shown).toMatch(new RegExp(`^${key} +running, process \\d+ on `, 'm'));
    expect(shown).toContain(`process ${child.pid} on ${hostname()} computes it.`);
    // As a scheduler asks every process of a job, and this one passes it on.
    await signalled(key, 'SIGTERM');
    child.kill('SIGINT');
    await signalled(key, 'SIGCONT');
    expect(await ended).toMatchObject({
      code: 130,
      stderr: expect.stringContaining('The study was interrupted; go on with `suture study '),
    });
    expect((await processesOf(cell)) ?? []).toEqual([]);
    const { cells } = await studyStatus(output);
    expect(cells.filter(({ status }) => status !== 'done').map(c => [c.key, c.status])).toEqual([[key, 'interrupted']]);
    const [, steps] = /stopped after (\d+) of 400 steps/.exec(await readFile(join(cell, 'log.txt'), 'utf8')) ?? [];
    expect(Number(steps)).toBeGreaterThan(0);
    await computeStudy(output, { launch });
    expect(await others(output, key)).toEqual(written);
    const lines = (await readFile(join(cell, 'net', 'metrics.jsonl'), 'utf8')).trim().split('\n');
    const seen = lines.map(line => JSON.parse(line).step as number);
    expect(seen).toEqual([...new Set(seen)].toSorted((p, q) => p - q));
    expect(await resultOf(cell)).toEqual(await resultOf(join(whole, 'cells', key)));
    expect(await readFile(join(output, 'study.md'), 'utf8')).toBe(await readFile(join(whole, 'study.md'), 'utf8'));
  });

  it('shows a cell whose process is killed as failed, computes it again, and takes it along where it is killed', async ({
    skip,
  }) => {
    if ((await processesOf(folder())) === undefined) return skip('the processes of this system are no files');
    const study = await unfinished('killed');
    const { output, key, cell } = study;
    const stateNow = async () => (await studyStatus(output)).cells.find(c => c.key === key)!;
    const { ended: failed } = await begun(study);
    await signalled(key, 'SIGKILL');
    expect(await failed).toMatchObject({ code: 1, stderr: expect.stringContaining('was ended by SIGKILL') });
    expect(await stateNow()).toMatchObject({ status: 'failed', error: expect.stringContaining('log.txt') });

    // What follows is of the next process.
    await rm(join(cell, 'net', 'metrics.jsonl'));
    const { child, ended } = await begun(study);
    child.kill('SIGKILL');
    await ended;
    await signalled(key, 'SIGCONT');
    await until('the end of the cell', async () => (await stateNow()).status !== 'running');
    expect(await stateNow()).toMatchObject({ status: 'interrupted' });
    expect(await readFile(join(cell, 'log.txt'), 'utf8')).toMatch(/stopped after \d+ of 400 steps/);
    expect((await suture('study', 'status', output)).stdout).toContain(
      `process ${child.pid} on ${hostname()}, which computed it, is gone: \`suture study ${output}\` goes on.`,
    );
    await studyCell(output, key);
    expect(await resultOf(cell)).toEqual(await resultOf(join(whole, 'cells', key)));
  });
});
