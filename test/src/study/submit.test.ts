/** What is handed to Slurm, and what becomes of answers that it should not give: programs of its names stand in for it. */
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { submitStudy } from '../../../src/api/study-slurm.ts';
import { StudyFolder } from '../../../src/study/folder.ts';
import { parseStudy } from '../../../src/study/request.ts';
import { smallData, smallParents } from '../cli/small.ts';
import { shared } from '../cli/support.ts';

const folder = shared();
const path = process.env.PATH;

beforeAll(async () => {
  await smallParents(folder(), [[3], [2, 3]]);
  await smallData(join(folder(), 'data.npz'));
});

beforeEach(async () => {
  await mkdir(join(folder(), 'bin'), { recursive: true });
  process.env.PATH = `${join(folder(), 'bin')}${delimiter}${path}`;
});

afterEach(() => {
  process.env.PATH = path;
});

/** A program of Slurm's that does what a shell is told. */
async function standIn(name: string, text: string): Promise<void> {
  const file = join(folder(), 'bin', name);
  await writeFile(file, `#!/bin/sh\n${text}\n`);
  await chmod(file, 0o755);
}

/** `sbatch` that counts jobs from 1 on, and keeps what it was told of each. */
const counting = (log: string): Promise<void> =>
  standIn('sbatch', `echo "$@" >> '${log}'; wc -l < '${log}' | tr -d ' '`);

async function made(name: string, more: object): Promise<StudyFolder> {
  const data = { train: 'data.npz', validation: 'data.npz', test: 'data.npz' };
  const sites = ['a', 'b'].map(site => ({ name: site, ...data, network: `${site}.onnx` }));
  const text = JSON.stringify({ sites, pairs: [['a', 'b']], curves: [], ...more });
  return StudyFolder.make(join(folder(), name), parseStudy(text, join(folder(), 'study.json')));
}

it('no array has more cells than Slurm takes', async () => {
  const study = await made('large', { methods: ['alone'], seeds: Array.from({ length: 501 }, (_, i) => i) });
  await counting(join(folder(), 'large.log'));
  const jobs = await submitStudy(study, ['suture']);
  expect(jobs.map(({ cells }) => cells.length)).toEqual([1000, 2, 0]);
  expect(new Set(jobs.flatMap(({ cells }) => cells)).size).toBe(1002);
  expect((await readdir(join(study.path, 'slurm'))).toSorted()).toEqual([
    ...['alone-2.sh', 'alone.sh', 'jobs.json', 'report.sh'],
  ]);
  expect(await readFile(jobs[1].script, 'utf8')).toContain('#SBATCH --array=0-1\n');
});

it('what is handed over later waits for what it needs of what was handed over before', async () => {
  const log = join(folder(), 'later.log');
  await counting(log);
  await submitStudy(await made('later', { methods: ['alone'] }), ['suture']);
  // The first array and the report have not ended.
  await standIn('squeue', "printf '1 0 RUNNING\\n1 1 PENDING\\n2 N/A PENDING\\n'");
  const jobs = await submitStudy(await made('later', { methods: ['alone', 'ensemble'] }), ['suture']);
  expect(jobs.map(({ cells }) => cells.map(key => key.replace(/-.*/, '')))).toEqual([['ensemble'], []]);
  const [, , ensemble, report] = (await readFile(log, 'utf8')).split('\n');
  expect(ensemble).toContain('--dependency=afterany:1:2 ');
  expect(report).toContain('--dependency=afterany:1:2:3 ');
});

it('an answer that is no number is said, and what is known of the jobs stays readable', async () => {
  const study = await made('strange', { methods: ['alone', 'ensemble'] });
  const log = join(folder(), 'strange.log');
  await standIn(
    'sbatch',
    `echo x >> '${log}'; [ $(wc -l < '${log}') = 1 ] && echo '7;cluster' || echo 'Welcome to the cluster'`,
  );
  await standIn('squeue', "printf '7 0 PENDING\\n7 1 PENDING\\n'");
  await expect(submitStudy(study, ['suture'])).rejects.toMatchObject({
    code: 'study-invalid',
    message: expect.stringMatching(/^sbatch gave no number for .*ensemble\.sh, but: Welcome to the cluster; `squeue`/),
  });
  await counting(log);
  expect((await submitStudy(study, ['suture'])).map(({ cells }) => cells.length)).toEqual([1, 0]);
});

it('a folder may have any name that a line for Slurm can hold', async () => {
  await counting(join(folder(), 'named.log'));
  const [{ script }] = await submitStudy(await made("50% of 'a'", { methods: ['alone'] }), ['suture']);
  expect(await readFile(script, 'utf8')).toContain(`/50%% of 'a'/slurm/alone-%A-%a.txt"\n`);
  for (const name of ['"a"', 'a\\b', 'a\nb']) {
    const refused = submitStudy(await made(name, { methods: ['alone'] }), ['suture']);
    await expect(refused).rejects.toMatchObject({ code: 'option-invalid' });
  }
});
