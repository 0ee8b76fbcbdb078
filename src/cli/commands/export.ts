import { Command, Option } from 'commander';
import { exportRun, SutureError } from '../../index.ts';
import { forceOption, jsonOption, naturalOption } from '../options.ts';
import type { Context } from '../program.ts';
import { grouped, name } from '../terminal.ts';

interface Flags {
  readonly position?: number;
  readonly rule?: '1' | '2';
  readonly output: string;
  readonly force?: boolean;
}

export const exportCommand = ({ terminal }: Context): Command =>
  new Command('export')
    .description('write the stitched network of a run as one ONNX file')
    .argument('<run>', 'a run directory')
    .addOption(naturalOption('--position <i>', 'stitch at this position').conflicts('rule'))
    .addOption(
      new Option('--rule <n>', 'choose by the scores of `suture sweep`: 1 the best, 2 the lowest mean rank over folds')
        .choices(['1', '2'])
        .conflicts('position'),
    )
    .requiredOption('-o, --output <file>', 'the ONNX file')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(async (run: string, { position, rule, output, force }: Flags) => {
      if (position === undefined && rule === undefined) {
        throw new SutureError('option-invalid', 'Say where to stitch: --position I, or --rule 1 or 2.');
      }
      const choice = position !== undefined ? { position } : { rule: Number(rule) as 1 | 2 };
      const exported = await exportRun(run, output, choice, force ? { force } : {});
      terminal.result(exported, () => {
        terminal.line(`Stitched at position ${exported.position}: ${name(exported.a)} with ${name(exported.b)}.`);
        terminal.line(`${name(output)}: ${exported.nodes} nodes, ${grouped(exported.parameters)} parameters.`);
      });
    });
