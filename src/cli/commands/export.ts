import { Command, Option } from 'commander';
import { type Choice, exportRun, SutureError } from '../../index.ts';
import { forceOption, jsonOption, naturalOption } from '../options.ts';
import type { Context } from '../program.ts';
import { grouped, name } from '../terminal.ts';

interface Flags {
  readonly position?: number;
  readonly rule?: '1' | '2';
  readonly all?: boolean;
  readonly output: string;
  readonly force?: boolean;
}

export const exportCommand = ({ terminal }: Context): Command =>
  new Command('export')
    .description('write the stitched network of a run as one ONNX file')
    .argument('<run>', 'a run directory')
    .addOption(naturalOption('--position <i>', 'stitch at this position').conflicts(['rule', 'all']))
    .addOption(
      new Option('--rule <n>', 'choose by the scores of `suture sweep`: 1 the best, 2 the lowest mean rank over folds')
        .choices(['1', '2'])
        .conflicts(['position', 'all']),
    )
    .option('--all', 'put every position on stitched features, as the training does')
    .requiredOption('-o, --output <file>', 'the ONNX file')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(async (run: string, { output, force, ...flags }: Flags) => {
      const exported = await exportRun(run, output, choiceOf(flags), force ? { force } : {});
      terminal.result(exported, () => {
        const { position, a, b } = exported;
        terminal.line(
          position === undefined
            ? 'Stitched at every position.'
            : `Stitched at position ${position}: ${name(a ?? '')} with ${name(b ?? '')}.`,
        );
        terminal.line(`${name(output)}: ${exported.nodes} nodes, ${grouped(exported.parameters)} parameters.`);
      });
    });

function choiceOf({ position, rule, all }: Pick<Flags, 'position' | 'rule' | 'all'>): Choice {
  if (position !== undefined) return { position };
  if (rule !== undefined) return { rule: Number(rule) as 1 | 2 };
  if (all) return { all };
  throw new SutureError('option-invalid', 'Say where to stitch: --position I, or --rule 1 or 2 (or --all).');
}
