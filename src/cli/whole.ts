/** What the commands share that train a whole network in a directory of its own: `train` and `distill`. */
import type { Command } from 'commander';
import { type MetricName, metricTitles } from '../metrics/metric.ts';
import type { ValidationScore } from '../metrics/validation.ts';
import type { TrainingWork } from '../run/lifecycle.ts';
import type { Context } from './context.ts';
import { missing, resumable } from './resume.ts';
import { fixed, name, type Terminal } from './terminal.ts';

/** What is said to such a command; what to train, on which data, and where to has no default. */
interface WholeFlags {
  readonly val?: string | undefined;
  readonly output?: string | undefined;
  readonly resume?: string | undefined;
  readonly checkpointEvery?: number | undefined;
}

interface WholeCommand<F, S> {
  /** What a training begins with, for the message where it is not named. */
  readonly from: string;
  readonly begin: (from: string, flags: F, work: TrainingWork) => Promise<S>;
  readonly resume: (directory: string, work: TrainingWork) => Promise<S>;
  readonly show: (summary: S, terminal: Terminal) => void;
}

/** Begins a training, or goes on with the one that `--resume` names, and shows what came of it. */
export const wholeAction =
  <F extends WholeFlags, S extends object>(
    { terminal, signal }: Context,
    { from, begin, resume, show }: WholeCommand<F, S>,
  ) =>
  async (named: string | undefined, flags: F, command: Command): Promise<void> => {
    const work = { signal, onProgress: terminal.progress, checkpointSeconds: flags.checkpointEvery };
    const began = (): Promise<S> => {
      if (named === undefined) throw missing(from);
      return begin(named, flags, work);
    };
    const summary = flags.resume === undefined ? await began() : await resume(resumable(flags.resume, command), work);
    terminal.result(summary, () => show(summary, terminal));
  };

/** What a network is scored on, and the directory. @param directory as the help names it. */
export function requireTarget({ val, output }: WholeFlags, directory: string) {
  if (val === undefined) throw missing('the labelled images to score on, --val VAL.npz');
  if (output === undefined) throw missing(`the directory to make, -o ${directory}`);
  return { validation: val, output };
}

interface WholeSummary {
  readonly firstLoss: number | undefined;
  readonly lastLoss: number | undefined;
  readonly metric: MetricName;
  readonly scores: readonly ValidationScore[];
  readonly file: string;
}

/** The losses, the scores and the file of a network that was trained. @param titleOf what a network is called in the table. */
export function showTrained(
  { firstLoss, lastLoss, metric, scores, file }: WholeSummary,
  titleOf: (network: string) => string,
  terminal: Terminal,
): void {
  if (firstLoss !== undefined && lastLoss !== undefined) {
    terminal.line(`Loss ${firstLoss.toPrecision(4)} at the first step, ${lastLoss.toPrecision(4)} at the last.`);
  }
  terminal.line();
  terminal.table(
    ['on the validation data', metricTitles[metric], 'under shift'],
    scores.map(({ network, value, shift }) => [titleOf(network), fixed(value), fixed(shift)]),
  );
  terminal.line();
  terminal.line(`${name(file)}: the network.`);
}
