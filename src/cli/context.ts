import type { Terminal } from './terminal.ts';

/** What a command is given besides its options. */
export interface Context {
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}
