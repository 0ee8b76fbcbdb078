import { Command } from 'commander';
import { SutureError } from '../../../ir/index.ts';
import { type RunResult, run } from '../../api/run.ts';
import { agreementText, resultTable } from '../../report/report.ts';
import type { Context } from '../context.ts';
import { jsonOption, labelOptions, type NamedFile, namedFile } from '../options.ts';
import { name, type Terminal } from '../terminal.ts';
import { addTrainingOptions, type TrainingFlags, trainingSettings } from '../training-options.ts';
import { type TuneFlags, tuneOption, tuning } from '../tune.ts';
import { showSummary } from './stitch.ts';
import { showSweep } from './sweep.ts';

interface Flags extends TrainingFlags, TuneFlags {
  readonly train: string;
  readonly val: string;
  readonly test?: readonly NamedFile[];
  readonly gate: boolean;
  readonly output: string;
}

export const runCommand = ({ terminal, signal }: Context): Command =>
  addTrainingOptions(
    new Command('run')
      .description('match, stitch, sweep, select, export, evaluate: two networks in, one better network out')
      .argument('<a>', 'an ONNX file')
      .argument('<b>', 'another one')
      .requiredOption('--train <file>', 'an .npz file with images; labels are not needed')
      .requiredOption('--val <file>', 'an .npz file with images and labels, by which the position is chosen')
      .option('--test <name=file>', 'a test set to report on; may be repeated', namedFile)
      .option('--no-gate', 'average the outputs on every image alike, as published')
      .requiredOption('-o, --output <run>', 'the run directory to make'),
  )
    .addOption(tuneOption())
    .addOption(jsonOption())
    .action(async (a: string, b: string, flags: Flags) => {
      const { val, test, gate, ...rest } = flags;
      const result = await run(
        {
          a,
          b,
          ...rest,
          labels: labelOptions(flags),
          validation: val,
          tests: test ?? [],
          gate: gate ? undefined : false,
          training: trainingSettings(flags),
          ...tuning(flags, terminal),
        },
        { signal, onProgress: terminal.progress, checkpointSeconds: flags.checkpointEvery },
      );
      for (const message of result.warnings) terminal.warning(message);
      terminal.result(result, () => show(result, terminal));
      const { agreement, exported } = result;
      if (!agreement.agrees) throw new SutureError('export-differs', agreementText(agreement, name(exported.file)));
    });

function show(result: RunResult, terminal: Terminal): void {
  const { summary, sweep, selection, exported, tests, agreement } = result;
  showSummary(summary, terminal);
  terminal.line();
  showSweep(sweep, terminal);
  terminal.line();
  const gated = exported.gated ? ', gated' : '';
  terminal.line(
    `Stitched at position ${exported.position} (rule ${selection.rule})${gated}: ${name(exported.a ?? '')}`,
  );
  terminal.line();
  if (tests.length > 0) {
    const { head, rows } = resultTable(tests);
    terminal.table(head, rows);
    terminal.line();
  }
  if (agreement.agrees) terminal.line(agreementText(agreement, name(exported.file)));
}
