/** A study handed to Slurm: submitted, asked after, cancelled. Job ids lie in the study's folder. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import * as v from 'valibot';
import { printable, SutureError } from '../../ir/errors.ts';
import { readRegular } from '../files/input.ts';
import { jsonText, makeFolder, writeOutput } from '../files/output.ts';
import { isThere } from '../files/there.ts';
import type { StudyFolder } from '../study/folder.ts';
import {
  arrayScript,
  arraysOf,
  type Demand,
  least,
  type ProgramCommand,
  reportScript,
  slurmFolder,
} from '../study/slurm.ts';

const run = promisify(execFile);

const jobsSchema = v.array(
  v.object({
    job: v.pipe(v.string(), v.regex(/^\d+$/, 'the number of a job is expected')),
    /** By their numbers in the array; none of the job that writes the report. */
    cells: v.array(v.string()),
  }),
);

type Jobs = v.InferOutput<typeof jobsSchema>;

const jobsFile = (folder: StudyFolder): string => join(slurmFolder(folder), 'jobs.json');

/** What was submitted. @throws SutureError `study-invalid`. */
async function submitted(folder: StudyFolder): Promise<Jobs> {
  const file = jobsFile(folder);
  if (!(await isThere(file))) return [];
  try {
    return v.parse(jobsSchema, JSON.parse((await readRegular(file)).toString('utf8')));
  } catch (cause) {
    throw new SutureError('study-invalid', `${printable(file)} is damaged: \`squeue\` says what runs.`, { cause });
  }
}

/** One of Slurm's programs. @returns undefined where it is not there. @throws SutureError `study-invalid` with what it said. */
async function slurm(program: string, args: readonly string[]): Promise<string | undefined> {
  try {
    return (await run(program, [...args])).stdout;
  } catch (error) {
    const { code, stderr = '' } = error as NodeJS.ErrnoException & { stderr?: string };
    if (code === 'ENOENT') return undefined;
    // It names itself, as a rule.
    const [first] = stderr
      .trim()
      .split('\n')
      .map(line => line.replace(/^\w+: (error: )?/, ''));
    throw new SutureError('study-invalid', `${program}: ${printable(first || 'no reason is known', 300)}`, {
      cause: error,
    });
  }
}

/** What Slurm has of a study. */
interface Queue {
  /** Numbers of jobs that wait or run, those that were submitted first before others. */
  readonly jobs: readonly string[];
  /** In Slurm's words, the state of each cell that a job waits with or works on. */
  readonly cells: ReadonlyMap<string, string>;
}

/** @returns undefined where there is no Slurm. @throws SutureError `study-invalid` where it does not answer. */
export async function queueOf(folder: StudyFolder): Promise<Queue | undefined> {
  const jobs = await submitted(folder);
  if (jobs.length === 0) return { jobs: [], cells: new Map() };
  // Of jobs that ended long ago Slurm knows nothing, and complains where they are named.
  const text = await slurm('squeue', ['--noheader', '--array', '--format=%F %K %T']);
  if (text === undefined) return undefined;
  const found = new Set<string>();
  const cells = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [job, index, state] = line.trim().split(/\s+/);
    if (state === 'COMPLETING') continue;
    found.add(job);
    const key = jobs.find(known => known.job === job)?.cells[Number(index)];
    if (key !== undefined) cells.set(key, state);
  }
  return { jobs: jobs.flatMap(({ job }) => (found.has(job) ? [job] : [])), cells };
}

/** A job that was submitted. */
export interface SubmittedJob {
  readonly job: string;
  readonly script: string;
  readonly cells: readonly string[];
  /** What each cell may take. */
  readonly demand: Demand;
}

/**
 * Submits the cells of a study that have not ended and that no job has, kind by kind as array jobs, those of a stage when those before have
 * ended, in whatever way: what needs a cell that failed ends at once. Last of all a job writes the report.
 *
 * @param program what computes a cell, as words of a command.
 * @throws SutureError `option-invalid` without Slurm, and for a folder that it cannot write in; `study-invalid` with what it complains of.
 */
export async function submitStudy(
  folder: StudyFolder,
  program: ProgramCommand,
  { jobs: atOnce }: { readonly jobs?: number | undefined } = {},
): Promise<readonly SubmittedJob[]> {
  const queue = await queueOf(folder);
  const arrays = arraysOf(await folder.states(), new Set(queue?.cells.keys()));
  if (arrays.length === 0) return [];
  await makeFolder(slurmFolder(folder));
  const made: SubmittedJob[] = [];
  const known = await submitted(folder);
  const submit = async (
    { name, text }: { readonly name: string; readonly text: string },
    after: readonly string[],
    { cells, demand }: Pick<SubmittedJob, 'cells' | 'demand'>,
  ) => {
    const script = join(slurmFolder(folder), `${name}.sh`);
    await writeOutput(script, text, { force: true });
    const dependency = after.length > 0 ? [`--dependency=afterany:${after.join(':')}`] : [];
    const answer = await slurm('sbatch', ['--parsable', ...dependency, script]);
    if (answer === undefined) {
      throw new SutureError('option-invalid', 'There is no sbatch here: submit where Slurm is, or leave out --slurm.');
    }
    const [, job] = /^(\d+)(?:;\S*)?$/.exec(answer.trim().split('\n').at(-1)!) ?? [];
    if (job === undefined) {
      const text = `sbatch gave no number for ${printable(script)}, but: ${printable(answer.trim())}; \`squeue\` says what it took.`;
      throw new SutureError('study-invalid', text);
    }
    made.push({ job, script, cells, demand });
    known.push({ job, cells: [...cells] });
    // What runs is known even if the next is refused.
    await writeOutput(jobsFile(folder), jsonText(known), { force: true });
    return job;
  };
  // What was handed over before and has not ended may be what these need.
  let before = [...(queue?.jobs ?? [])];
  for (const stage of [...new Set(arrays.map(array => array.stage))]) {
    const here: string[] = [];
    for (const array of arrays.filter(a => a.stage === stage)) {
      const { name, demand } = array;
      const cells = array.cells.map(({ key }) => key);
      const text = arrayScript(folder, array, program, atOnce);
      here.push(await submit({ name, text }, stage === 0 ? [] : before, { cells, demand }));
    }
    before = [...before, ...here];
  }
  await submit({ name: 'report', text: reportScript(folder, program) }, before, { cells: [], demand: least });
  return made;
}

/**
 * Cancels what waits or runs of what a study has submitted; what was computed stays.
 *
 * @returns the jobs.
 * @throws SutureError `option-invalid` without Slurm.
 */
export async function cancelStudy(folder: StudyFolder): Promise<readonly string[]> {
  const queue = await queueOf(folder);
  if (!queue) throw new SutureError('option-invalid', 'There is no Slurm here: cancel where it is.');
  const { jobs } = queue;
  if (jobs.length > 0) await slurm('scancel', ['--quiet', ...jobs]);
  return jobs;
}
