/** The commands put together, and what becomes of their errors. */
import { Command, CommanderError } from 'commander';
import { SutureError } from '../../ir/errors.ts';
import { sutureVersion } from '../execution/suture-version.ts';
import type { Context } from './context.ts';
import { refuseRepetition } from './options.ts';
import { type Streams, Terminal } from './terminal.ts';

/** Exit codes: the process's, by kind of outcome. */
const exitCodes = { success: 0, failure: 1, usage: 2, interrupted: 130 } as const;

/** In the order of the help. Each is loaded when it is wanted: what one of them needs is half of the program. */
const commands: Readonly<Record<string, () => Promise<(context: Context) => Command>>> = {
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  inspect: async () => (await import('./commands/inspect.ts')).inspectCommand,
  match: async () => (await import('./commands/match.ts')).matchCommand,
  stitch: async () => (await import('./commands/stitch.ts')).stitchCommand,
  weigh: async () => (await import('./commands/weigh.ts')).weighCommand,
  sweep: async () => (await import('./commands/sweep.ts')).sweepCommand,
  search: async () => (await import('./commands/search.ts')).searchCommand,
  curve: async () => (await import('./commands/curve.ts')).curveCommand,
  diagnose: async () => (await import('./commands/diagnose.ts')).diagnoseCommand,
  export: async () => (await import('./commands/export.ts')).exportCommand,
  distill: async () => (await import('./commands/distill.ts')).distillCommand,
  train: async () => (await import('./commands/train.ts')).trainCommand,
  study: async () => (await import('./commands/study.ts')).studyCommand,
  lower: async () => (await import('./commands/lower.ts')).lowerCommand,
  evaluate: async () => (await import('./commands/evaluate.ts')).evaluateCommand,
  predict: async () => (await import('./commands/predict.ts')).predictCommand,
  run: async () => (await import('./commands/run.ts')).runCommand,
  report: async () => (await import('./commands/report.ts')).reportCommand,
};

export const commandNames: readonly string[] = Object.keys(commands);

/** The commands that a command line is about: the one that it begins with; none where it asks for the version; else all. */
function namesFor([first = '']: readonly string[]): readonly string[] {
  if (Object.hasOwn(commands, first)) return [first];
  return first === '--version' || first === '-V' ? [] : commandNames;
}

/** Commands, for parsing and for what is said of them. */
export async function buildProgram(streams: Streams, context: Context, names = commandNames): Promise<Command> {
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
  for (const name of names) {
    const make = await commands[name]();
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
    const program = await buildProgram(streams, { terminal, signal }, namesFor(args));
    await program.parseAsync([...args], { from: 'user' });
    return exitCodes.success;
  } catch (error) {
    return report(error, terminal);
  } finally {
    terminal.finish();
  }
}
