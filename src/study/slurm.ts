/** The cells of a study as Slurm's array jobs: scripts, what is asked of the cluster for each kind of cell, and what was submitted. */
import { join } from 'node:path';
import { printable, SutureError } from '../../ir/errors.ts';
import { type Cell, type Kind, stageOf } from './cells.ts';
import type { CellState, StudyFolder } from './folder.ts';

/** How many times the longest and the largest of the finished cells of a kind is asked for. */
const marginFactor = { time: 3, memory: 1.5 } as const;

/** What is asked for where no cell of a kind has ended. */
const usual = { minutes: 240, mebibytes: 8192 };

/** Beside what was measured: starting, reading, writing. */
export const least = { minutes: 10, mebibytes: 1024 };

/** The most cells of one array: where nothing else is configured, Slurm takes no more than 1001. */
const mostAtOnce = 1000;

/** Seconds before its end at which a job is told to write its checkpoint. */
const warning = 120;

export interface Demand {
  readonly minutes: number;
  readonly mebibytes: number;
}

/** An array job: cells of one kind, which all take about the same. */
export interface SlurmArray {
  /** Of its script: the kind, and of further arrays of a kind a number. */
  readonly name: string;
  readonly kind: Kind;
  readonly stage: number;
  readonly cells: readonly Cell[];
  readonly demand: Demand;
}

/** Time and memory for a cell of a kind, from those of the study that have ended. */
function demandOf(kind: Kind, states: readonly CellState[]): Demand {
  const records = states.flatMap(({ record }) => (record?.kind === kind && record.status === 'done' ? [record] : []));
  if (records.length === 0) return usual;
  const minutes = (marginFactor.time * Math.max(...records.map(({ seconds }) => seconds))) / 60;
  const mebibytes = (marginFactor.memory * Math.max(...records.map(({ peakBytes }) => peakBytes))) / 2 ** 20;
  return { minutes: Math.ceil(least.minutes + minutes), mebibytes: Math.ceil(least.mebibytes + mebibytes) };
}

/** Cells that have not ended and that no job has yet, kind by kind, stage after stage. @param taken keys of cells that jobs have. */
export function arraysOf(states: readonly CellState[], taken: ReadonlySet<string>): readonly SlurmArray[] {
  const open = states.filter(({ cell, status }) => status !== 'done' && status !== 'running' && !taken.has(cell.key));
  const kinds = [...new Set(open.map(({ cell }) => cell.kind))];
  return kinds
    .flatMap(kind => {
      const cells = open.filter(({ cell }) => cell.kind === kind).map(({ cell }) => cell);
      return Array.from({ length: Math.ceil(cells.length / mostAtOnce) }, (_, i) => ({
        name: i === 0 ? kind : `${kind}-${i + 1}`,
        ...{ kind, stage: stageOf(kind), demand: demandOf(kind, states) },
        cells: cells.slice(i * mostAtOnce, (i + 1) * mostAtOnce),
      }));
    })
    .sort((p, q) => p.stage - q.stage);
}

export const slurmFolder = (folder: StudyFolder): string => join(folder.path, 'slurm');

/** For a shell, whatever is in it. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/**
 * Where a job writes what it says: in a line for Slurm, which takes % for the begin of a pattern.
 *
 * @throws SutureError `option-invalid` for a folder that no such line can name.
 */
function outputLine(folder: StudyFolder, pattern: string): string {
  const path = slurmFolder(folder);
  if (/["\\\n\r]/.test(path)) {
    const text = `Slurm cannot write below ${printable(folder.path)}: choose a folder without quotes and backslashes in its path.`;
    throw new SutureError('option-invalid', text);
  }
  return `#SBATCH --output="${path.replaceAll('%', '%%')}/${pattern}"`;
}

/** The program as a command of a shell. */
export type ProgramCommand = readonly string[];

/**
 * The script of an array job. Before its time is over (USR1) a cell writes its checkpoint and is queued again; where it is preempted (TERM)
 * Slurm queues it again.
 *
 * @param atOnce how many of it may run at once; undefined: as many as the cluster will have.
 */
export function arrayScript(
  folder: StudyFolder,
  { kind, cells, demand }: SlurmArray,
  program: ProgramCommand,
  atOnce: number | undefined,
): string {
  return `#!/bin/bash
#SBATCH --job-name=suture-${kind}
#SBATCH --array=0-${cells.length - 1}${atOnce === undefined ? '' : `%${atOnce}`}
#SBATCH --time=${demand.minutes}
#SBATCH --mem=${demand.mebibytes}M
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:USR1@${warning}
${outputLine(folder, `${kind}-%A-%a.txt`)}
cells=(
${cells.map(({ key }) => `  ${key}`).join('\n')}
)
export SUTURE_THREADS="\${SUTURE_THREADS:-\${SLURM_CPUS_PER_TASK:-1}}"
${[...program, 'study', 'cell', folder.path].map(quoted).join(' ')} "\${cells[$SLURM_ARRAY_TASK_ID]}" &
cell=$!
stop() { kill -TERM "$cell" 2>/dev/null; wait "$cell"; }
trap 'stop; scontrol requeue "\${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"; exit 0' USR1
trap 'stop; exit 143' TERM
wait "$cell"
`;
}

/** The script of the job that writes the report when all others have ended. */
export const reportScript = (folder: StudyFolder, program: ProgramCommand): string => `#!/bin/bash
#SBATCH --job-name=suture-report
#SBATCH --time=${least.minutes}
#SBATCH --mem=${least.mebibytes}M
${outputLine(folder, 'report-%j.txt')}
${[...program, 'study', 'report', folder.path].map(quoted).join(' ')}
`;
