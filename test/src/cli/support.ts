/** Commands run in this process, with buffers for streams. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import { execute } from '../../../src/cli/program.ts';

export interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command as a program that writes to files would: no terminal, no colours. */
export async function suture(...args: readonly string[]): Promise<Outcome> {
  return sutureWith(new AbortController().signal, ...args);
}

export async function sutureWith(signal: AbortSignal, ...args: readonly string[]): Promise<Outcome> {
  const text = { stdout: '', stderr: '' };
  const code = await execute(
    args,
    {
      stdout: { write: chunk => (text.stdout += chunk) },
      stderr: { write: chunk => (text.stderr += chunk) },
      env: {},
    },
    signal,
  );
  return { code, ...text };
}

/** An empty folder that is gone after the test. */
export async function scratch(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'suture-test-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** An empty folder that the tests of a file or of a `describe` share; it can be asked for from their `beforeAll` on. */
export function shared(): () => string {
  let folder = '';
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'suture-test-'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));
  return () => folder;
}

export const demo = (file: string): string => join('fixtures', 'demo', file);
