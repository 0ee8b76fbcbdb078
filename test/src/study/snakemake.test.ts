/** The Snakefile of the documentation under a real Snakemake: cells after what they need, one that fails, and what is left afterwards. */
import { execFile, spawnSync } from 'node:child_process';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { studyStatus } from '../../../src/api/study.ts';
import { buildProgram, main } from '../../program.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { shared } from '../cli/support.ts';
import { keyOf } from './program.ts';

const isMissing = spawnSync('snakemake', ['--version']).status !== 0;
const why = isMissing ? ' (skipped: there is no Snakemake here; apt-get install snakemake)' : '';

describe.skipIf(isMissing)(`a study under Snakemake${why}`, () => {
  const folder = shared();

  beforeAll(async () => {
    await buildProgram();
    await smallParents(folder(), [[3], [2, 3]]);
    await smallData(join(folder(), 'data.npz'));
  });

  /** With a learning rate for what is fine-tuned. */
  async function described(learningRate: number): Promise<void> {
    const data = { train: 'data.npz', validation: 'data.npz', test: 'data.npz' };
    const sites = ['a', 'b'].map(name => ({ name, ...data, network: `${name}.onnx` }));
    const methods = ['alone', 'finetune'];
    const finetune = { steps: 3, batch: 2, learningRate };
    const request = { sites, methods, finetune, pairs: [['a', 'b']], executor: 'ort' };
    await writeFile(join(folder(), 'STUDY.json'), JSON.stringify(request));
  }

  async function snakemake(): Promise<{ readonly code: number; readonly text: string }> {
    const settings = ['study=DIR', 'description=STUDY.json', `suture=${process.execPath} ${resolve(main)}`];
    const args = ['-s', resolve('docs/study/Snakefile'), '--cores', '2', '--keep-going', '--config', ...settings];
    const env = { ...process.env, XDG_CACHE_HOME: folder() };
    try {
      const { stdout, stderr } = await promisify(execFile)('snakemake', args, { cwd: folder(), env });
      return { code: 0, text: stdout + stderr };
    } catch (error) {
      const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
      return { code, text: stdout + stderr };
    }
  }

  it('goes on past a cell that fails, reports on all, and computes again only what has not ended', async () => {
    const output = join(folder(), 'DIR');
    await described(1e30);
    const first = await snakemake();
    expect(first).toMatchObject({ code: 1, text: expect.stringContaining('2 of 3 cells') });
    const { cells } = await studyStatus(output);
    expect(cells.map(({ key, status }) => [key.split('-')[0], status])).toEqual([
      ['alone', 'done'],
      ['alone', 'done'],
      ['finetune', 'failed'],
    ]);
    expect(await readFile(join(output, 'study.md'), 'utf8')).toContain('1 failed');
    const written = async () => (await stat(join(output, 'cells', keyOf(cells, 'alone'), 'cell.json'))).mtimeMs;
    const before = await written();
    await described(1e-3);
    expect(await snakemake()).toMatchObject({ code: 0, text: expect.stringContaining('3 of 3 cells') });
    expect((await studyStatus(output)).cells.map(({ status }) => status)).toEqual(cells.map(() => 'done'));
    expect(await written()).toBe(before);
    expect(await readFile(join(output, 'report.html'), 'utf8')).toContain('3 of 3 cells');
  });
});
