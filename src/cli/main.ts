#!/usr/bin/env node
/** The command line: sets up what a process has (streams, signals, exit code) around {@link execute}. */
import { tmpdir } from 'node:os';
import { execute } from './program.ts';

// WebGPU's library looks for a display, and a library below it complains on standard error where this is not set.
process.env.XDG_RUNTIME_DIR ??= tmpdir();

const controller = new AbortController();
let interruptions = 0;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    // The first asks the work to stop where it can be resumed; whoever asks again wants it to end now.
    if (++interruptions > 1) process.exit(130);
    controller.abort(signal);
  });
}
// `suture ... | head` closes the pipe early: that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});

process.exitCode = await execute(
  process.argv.slice(2),
  { stdout: process.stdout, stderr: process.stderr, env: process.env },
  controller.signal,
);
