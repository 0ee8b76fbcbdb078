/** The commands put together, and what becomes of their errors. */
import { Command, CommanderError } from 'commander';
import { SutureError } from '../../ir/errors.ts';
import { sutureVersion } from '../execution/version.ts';
import { curveCommand } from './commands/curve.ts';
import { diagnoseCommand } from './commands/diagnose.ts';
import { distillCommand } from './commands/distill.ts';
import { doctorCommand } from './commands/doctor.ts';
import { evaluateCommand } from './commands/evaluate.ts';
import { exportCommand } from './commands/export.ts';
import { inspectCommand } from './commands/inspect.ts';
import { lowerCommand } from './commands/lower.ts';
import { matchCommand } from './commands/match.ts';
import { predictCommand } from './commands/predict.ts';
import { runCommand } from './commands/run.ts';
import { searchCommand } from './commands/search.ts';
import { stitchCommand } from './commands/stitch.ts';
import { sweepCommand } from './commands/sweep.ts';
import { weighCommand } from './commands/weigh.ts';
import type { Context } from './context.ts';
import { refuseRepetition } from './options.ts';
import { type Streams, Terminal } from './terminal.ts';

/** Exit codes: the process's, by kind of outcome. */
export const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** In the order of the help. */
const commands = {
  doctor: doctorCommand,
  inspect: inspectCommand,
  match: matchCommand,
  stitch: stitchCommand,
  weigh: weighCommand,
  sweep: sweepCommand,
  search: searchCommand,
  curve: curveCommand,
  diagnose: diagnoseCommand,
  export: exportCommand,
  distill: distillCommand,
  lower: lowerCommand,
  evaluate: evaluateCommand,
  predict: predictCommand,
  run: runCommand,
};

export const commandNames: readonly string[] = Object.keys(commands);

/** All commands, for parsing and for what is said of them. */
export function buildProgram(streams: Streams, context: Context): Command {
  const program = new Command('suture')
    .description(
      'Joins independently trained neural networks: matches their layers, trains stitches, writes one ONNX file.',
    )
    .version(sutureVersion)
    .showHelpAfterError('(suture --help, or suture COMMAND --help, lists what there is)')
    .exitOverride()
    .configureOutput({
      writeOut: text => streams.stdout.write(text),
      writeErr: text => streams.stderr.write(text),
    });
  for (const make of Object.values(commands)) {
    const command = make(context);
    command.copyInheritedSettings(program);
    refuseRepetition(command);
    command.hook('preAction', (_, action) => context.terminal.expectJson(action.opts<{ json?: boolean }>().json));
    program.addCommand(command);
  }
  return program;
}

/** Shows an error and says which exit code it means. */
function report(error: unknown, terminal: Terminal): number {
  // Commander has shown its message already; --help and --version end this way too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.success : exitCodes.usage;
  if (error instanceof SutureError) {
    terminal.error(error.message, error.details);
    if (error.code === 'interrupted') return exitCodes.interrupted;
    return error.code === 'option-invalid' ? exitCodes.usage : exitCodes.failure;
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  terminal.error(
    'This is a defect of suture. Please report it with the command and the lines below.',
    stack.split('\n'),
  );
  return exitCodes.failure;
}

/**
 * Runs one command.
 *
 * @param args what follows the program's name on the command line.
 * @param signal ends long work where it can be resumed.
 * @param onWork is called when work begins that heeds the signal.
 * @returns the exit code: 0, 1 (an error, one sentence on standard error), 2 (wrong usage) or 130 (interrupted).
 */
export async function execute(
  args: readonly string[],
  streams: Streams,
  signal: AbortSignal = new AbortController().signal,
  onWork?: () => void,
): Promise<number> {
  const terminal = new Terminal(streams, onWork);
  try {
    await buildProgram(streams, { terminal, signal }).parseAsync([...args], { from: 'user' });
    return exitCodes.success;
  } catch (error) {
    return report(error, terminal);
  } finally {
    terminal.finish();
  }
}
