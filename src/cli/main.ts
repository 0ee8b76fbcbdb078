#!/usr/bin/env node
/** The command line: sets up what a process has (streams, signals, exit code) around {@link execute}. */
import { tmpdir } from 'node:os';
import { removeTemporaries } from '../files/output.ts';
import { execute } from './program.ts';

// WebGPU's library looks for a display, and a library below it complains on standard error where this is not set.
process.env.XDG_RUNTIME_DIR ??= tmpdir();

const controller = new AbortController();
/** When it was asked to stop, in milliseconds. */
let asked: number | undefined;
let listening = false;

/** Schedulers send SIGTERM to every process of a job, and its script or the study passes its own on: within so many milliseconds that is one. */
const passedOn = 5000;

/**
 * From when work goes on that can stop where it can be resumed. Before that the system ends the process at once, which nothing is
 * lost by, and which also works while networks are read and matched without a turn of the event loop.
 */
function listen(): void {
  if (listening) return;
  listening = true;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      const now = performance.now();
      if (asked !== undefined && signal === 'SIGTERM' && now - asked < passedOn) return;
      // The first asks the work to stop; whoever asks again wants it to end now.
      if (asked !== undefined) process.exit(130);
      asked = now;
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
