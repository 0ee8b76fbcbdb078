/** `--tune`: sizes of kernels by measurement. */
import { Option } from 'commander';
import type { ExecutorOptions } from '../execution/executors.ts';
import type { Terminal } from './terminal.ts';

export interface TuneFlags {
  readonly tune?: boolean;
}

export const tuneOption = (): Option =>
  new Option(
    '--tune',
    'first measure which sizes of kernels are fastest on this adapter, and keep it for later; on WebGPU only',
  );

/** The flag as the API's options, with the progress of measuring on the terminal. */
export const tuning = ({ tune }: TuneFlags, terminal: Terminal): Pick<ExecutorOptions, 'tune' | 'onTuning'> =>
  tune
    ? {
        tune,
        onTuning: (done, total, note) => terminal.progress({ stage: 'measuring kernels', done, total, note }),
      }
    : {};
