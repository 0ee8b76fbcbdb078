/** What the commands share that train a whole network in a directory of its own: `train` and `distill`. */
import type { Command } from 'commander';
import type { LabelOptions } from '../data/dataset.ts';
import type { TrainingWork } from '../execution/progress.ts';
import { metricTitles } from '../metrics/metric.ts';
import { path } from '../options/kinds.ts';
import { optional, type ValuesOf } from '../options/option.ts';
import type { WholeOutcome } from '../run/train-whole.ts';
import { checkpointEvery, executor, force, json, labelOptions, labels, maybeOutputPath, metric } from './catalogue.ts';
import type { Context } from './context.ts';
import { missing, resumable } from './resume.ts';
import { fixed, type Terminal } from './terminal.ts';

/** Where the network goes. @param directory as the help names it. */
export const directoryOptions = (directory: string) => ({
  output: maybeOutputPath(directory, 'the directory to make'),
  force,
  resume: optional(path, directory, 'go on with a training that was interrupted, as it was begun'),
});

/** What comes last of such a command's options. */
export const closingOptions = { metric, ...labels, executor, checkpointEvery, json };

/** What is said to such a command; what to train, on which data, and where to has no default. */
type WholeFlags = ValuesOf<ReturnType<typeof directoryOptions> & typeof closingOptions> & {
  readonly val?: string | undefined;
};

/** The same with what must be said. */
type WholeRequest<F> = Omit<F, 'labels'> & {
  readonly validation: string;
  readonly output: string;
  readonly labels: LabelOptions;
};

interface WholeCommand<F, S> {
  /** What a training begins with, for the message where it is not named. */
  readonly from: string;
  /** What it makes, as the help names it. */
  readonly directory: string;
  readonly begin: (from: string, request: WholeRequest<F>, work: TrainingWork) => Promise<S>;
  readonly resume: (directory: string, work: TrainingWork) => Promise<S>;
  readonly show: (summary: S, terminal: Terminal) => void;
}

/** Begins a training, or goes on with the one that `--resume` names, and shows what came of it. */
export const wholeAction =
  <F extends WholeFlags, S extends WholeSummary>(
    { terminal, signal }: Context,
    { from, directory, begin, resume, show }: WholeCommand<F, S>,
  ) =>
  async (named: string | undefined, flags: F, command: Command): Promise<void> => {
    const work = { signal, onProgress: terminal.progress, checkpointSeconds: flags.checkpointEvery };
    const began = (): Promise<S> => {
      if (named === undefined) throw missing(from);
      const { val: validation, output } = flags;
      if (validation === undefined) throw missing('the labelled images to score on, --val VAL.npz');
      if (output === undefined) throw missing(`the directory to make, -o ${directory}`);
      return begin(named, { ...flags, validation, output, labels: labelOptions(flags) }, work);
    };
    const summary = flags.resume === undefined ? await began() : await resume(resumable(flags.resume, command), work);
    terminal.result(summary, () => show(summary, terminal));
  };

interface WholeSummary extends WholeOutcome {
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
  terminal.wrote(file, 'the network');
}
