/** A peer in a process of its own: it says what it is in a line of JSON, and for each line that it is sent makes a step and answers with another. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Spent } from './timing.ts';

/** A training step of a peer. */
export interface PeerStep extends Spent {
  readonly loss: number;
}

export interface Peer {
  /** What the peer says of itself. */
  readonly hello: unknown;
  step(): Promise<PeerStep>;
  close(): void;
}

/** Starts a peer; undefined where it ends before it has said anything. */
export async function openPeer(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Peer | undefined> {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...env } });
  const ended = new Promise<string>(resolve => {
    child.on('error', error => resolve(error.message));
    child.on('close', (code, signal) => resolve(signal === null ? `exit code ${code}` : `signal ${signal}`));
  });
  // A peer that has died does not read what it is sent.
  child.stdin.on('error', () => undefined);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    return done ? undefined : JSON.parse(value);
  };
  const hello = await answer();
  if (hello === undefined) {
    console.error(`${command} ended with ${await ended} before it was ready.`);
    return undefined;
  }
  return {
    hello,
    step: async () => {
      child.stdin.write('\n');
      const step = await answer();
      if (step === undefined) throw new Error(`${command} ended with ${await ended} in the middle of a step.`);
      return step as PeerStep;
    },
    close: () => child.stdin.end(),
  };
}

/** Starts a script of this folder with PyTorch on one thread; undefined, and a line that says so, where that cannot be. */
export async function openTorch(script: string, python: string, args: readonly string[]): Promise<Peer | undefined> {
  const path = [join(import.meta.dirname, script), resolve(import.meta.dirname, '../../bench', script)].find(
    existsSync,
  );
  const single = { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', MKL_NUM_THREADS: '1' };
  const peer = path && existsSync(python) ? await openPeer(python, [path, ...args], single) : undefined;
  console.log(
    peer
      ? `PyTorch: ${JSON.stringify(peer.hello)}`
      : `PyTorch is left out: ${python} lacks it, or cannot make the step of these networks.`,
  );
  return peer;
}
