import { Command } from 'commander';
import { createRun, type RunSummary } from '../../index.ts';
import { jsonOption } from '../options.ts';
import type { Context } from '../program.ts';
import { name, type Terminal } from '../terminal.ts';
import { addTrainingOptions, type TrainingFlags, trainingSettings } from '../training-options.ts';

interface Flags extends TrainingFlags {
  readonly data: string;
  readonly output: string;
}

export const stitchCommand = ({ terminal, signal }: Context): Command =>
  addTrainingOptions(
    new Command('stitch')
      .description('join two networks at all matched positions and train the stitches')
      .argument('<a>', 'an ONNX file')
      .argument('<b>', 'another one')
      .requiredOption('--data <file>', 'an .npz file with images; labels are not needed')
      .requiredOption('-o, --output <run>', 'the run directory to make'),
  )
    .addOption(jsonOption())
    .action(async (a: string, b: string, flags: Flags) => {
      const { summary, warnings } = await createRun(
        { a, b, ...flags, training: trainingSettings(flags) },
        { signal, onProgress: terminal.progress },
      );
      for (const message of warnings) terminal.warning(message);
      terminal.result(summary, () => showSummary(summary, terminal));
    });

/** What became of the training, in a few lines. */
export function showSummary(summary: RunSummary, terminal: Terminal): void {
  const { method, steps, executor, firstLoss, lastLoss, positions, run } = summary;
  terminal.line(`${positions} positions, ${method}, ${steps} steps, ${executor}`);
  if (firstLoss !== undefined && lastLoss !== undefined) {
    terminal.line(`Loss ${firstLoss.toPrecision(4)} at the first step, ${lastLoss.toPrecision(4)} at the last.`);
  }
  terminal.line(`Run directory: ${name(run)}`);
}
