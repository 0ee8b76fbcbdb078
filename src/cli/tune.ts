/** `--tune`: sizes of kernels by measurement. */
import type { ExecutorOptions } from '../execution/executors.ts';
import type { GivenOf } from '../options/option.ts';
import type { tune } from './catalogue.ts';
import type { Terminal } from './terminal.ts';

/** The flag as the API's options, with the progress of measuring on the terminal. */
export const tuning = (
  { tune: wanted }: GivenOf<{ readonly tune: typeof tune }>,
  terminal: Terminal,
): Pick<ExecutorOptions, 'tune' | 'onTuning'> =>
  wanted
    ? {
        tune: wanted,
        onTuning: (done, total, note) => terminal.progress({ stage: 'measuring kernels', done, total, note }),
      }
    : {};
