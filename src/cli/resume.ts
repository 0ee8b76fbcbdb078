/** `--resume`: what was interrupted goes on as it was begun. */
import type { Command } from 'commander';
import { SutureError } from '../../ir/errors.ts';

const resumed = 'What is resumed goes on as it was begun';

/** Refuses what makes no sense beside an option: of `--resume`, all that touches the numbers, since what is resumed goes on as it was begun. */
export function refuseBesides(command: Command, sayable: readonly string[], why = resumed): void {
  const given = command.options.find(option => {
    const name = option.attributeName();
    return !sayable.includes(name) && command.getOptionValueSource(name) === 'cli';
  });
  if (given === undefined) return;
  throw new SutureError('option-invalid', `${why}: leave out ${given.long}.`);
}

/** What does not touch the numbers. */
const sayable = ['resume', 'json', 'profile', 'checkpointEvery'];

/** The run that a command is to go on with, which nothing else may be said of. @throws SutureError `option-invalid`. */
export function resumable(run: string, command: Command): string {
  refuseBesides(command, sayable);
  if (command.args.length === 0) return run;
  throw new SutureError('option-invalid', `${resumed}: leave out networks.`);
}

/** The error for what has no default. */
export const missing = (what: string): SutureError =>
  new SutureError('option-invalid', `Name ${what}; or --resume RUN goes on with what was interrupted.`);
