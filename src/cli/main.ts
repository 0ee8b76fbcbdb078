#!/usr/bin/env node
/** The command line: sets up what a process has (streams, signals, exit code) around {@link execute}. */
import { tmpdir } from 'node:os';
import { removeTemporaries } from '../files/output.ts';
import { execute } from './program.ts';

// WebGPU's library looks for a display, and a library below it complains on standard error where this is not set.
process.env.XDG_RUNTIME_DIR ??= tmpdir();

const controller = new AbortController();
let interruptions = 0;
let listening = false;

/**
 * From when work goes on that can stop where it can be resumed. Before that the system ends the process at once, which nothing is
 * lost by, and which also works while networks are read and matched without a turn of the event loop.
 */
function listen(): void {
  if (listening) return;
  listening = true;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // The first asks the work to stop; whoever asks again wants it to end now.
      if (++interruptions > 1) process.exit(130);
      controller.abort(signal);
    });
  }
}
process.on('exit', removeTemporaries);

// `suture ... | head` closes the pipe early: that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await execute(
  process.argv.slice(2),
  { stdout: process.stdout, stderr: process.stderr, env: process.env },
  controller.signal,
  listen,
);
