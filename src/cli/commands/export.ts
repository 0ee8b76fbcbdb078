import { Command, Option } from 'commander';
import { SutureError } from '../../../ir/index.ts';
import { meaningText } from '../../../passes/index.ts';
import { type Choice, exportNetwork } from '../../api/export.ts';
import { batchText } from '../../execution/fixed-batch.ts';
import { type ExportDtype, exportDtypes } from '../../run/deployed.ts';
import { combinationText } from '../../selection/combination.ts';
import type { Context } from '../context.ts';
import {
  choiceOption,
  forceOption,
  jsonOption,
  naturalOption,
  positions as parsePositions,
  share,
} from '../options.ts';
import { grouped, name } from '../terminal.ts';

interface Flags {
  readonly position?: number;
  readonly rule?: '1' | '2';
  readonly all?: boolean;
  readonly chosen?: 'best' | 'even';
  readonly learned?: boolean;
  readonly positions?: readonly number[];
  readonly weight?: number;
  readonly outputWeight?: number;
  readonly gate?: boolean;
  readonly dtype: ExportDtype;
  readonly output: string;
  readonly force?: boolean;
}

export const exportCommand = ({ terminal }: Context): Command =>
  new Command('export')
    .description('write the stitched network of a run as one ONNX file')
    .argument('<run>', 'a run directory')
    .addOption(naturalOption('--position <i>', 'stitch at this position').conflicts(others('position')))
    .addOption(
      new Option('--rule <n>', 'choose by the scores of `suture sweep`: 1 the best, 2 the lowest mean rank over folds')
        .choices(['1', '2'])
        .conflicts(others('rule')),
    )
    .addOption(
      new Option('--all', 'put every position on stitched features, as the training does').conflicts(others('all')),
    )
    .addOption(
      new Option('--chosen <how>', 'what `suture sweep --weights` chose on the validation data')
        .choices(['best', 'even'])
        .conflicts(others('chosen')),
    )
    .addOption(new Option('--learned', 'with the weights that `suture weigh` learned').conflicts(others('learned')))
    .addOption(
      new Option('--positions <list>', 'average at these positions, as in 38,41,44-47, or none')
        .argParser(parsePositions)
        .conflicts(others('positions')),
    )
    .addOption(
      new Option('--weight <w>', 'with --positions: share of the original feature (default: 0.5)').argParser(share),
    )
    .addOption(
      new Option('--output-weight <v>', "with --positions: parent a's share of the output (default: 0.5)").argParser(
        share,
      ),
    )
    .option('--gate', 'weigh outputs on each image by how sure the parents are')
    .addOption(choiceOption('--dtype <name>', 'what weights and features are', exportDtypes, 'float32'))
    .requiredOption('-o, --output <file>', 'the ONNX file')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(async (run: string, { output, force, dtype, ...flags }: Flags) => {
      const exported = await exportNetwork(run, output, choiceOf(flags), { dtype, ...(force && { force }) });
      terminal.result(exported, () => {
        const { position, combination, a, b } = exported;
        if (position !== undefined) {
          terminal.line(`Stitched at position ${position}: ${name(a ?? '')} with ${name(b ?? '')}.`);
        } else terminal.line(combination ? `${combinationText(combination)}.` : 'Stitched at every position.');
        if (exported.output) terminal.line(`Its output is ${meaningText(exported.output)}.`);
        terminal.line(`It ${batchText(exported.batch)}.`);
        terminal.line(`${name(output)}: ${exported.nodes} nodes, ${grouped(exported.parameters)} parameters.`);
      });
    });

const choices = ['position', 'rule', 'all', 'chosen', 'learned', 'positions'] as const;

const others = (one: (typeof choices)[number]): string[] => choices.filter(other => other !== one);

function choiceOf(flags: Omit<Flags, 'output' | 'force' | 'dtype'>): Choice {
  const { position, rule, all, chosen, learned, positions, weight, outputWeight, gate } = flags;
  if (positions !== undefined) {
    return { combination: { positions, weight: weight ?? 0.5, output: outputWeight ?? 0.5, gated: gate } };
  }
  if (weight !== undefined || outputWeight !== undefined) {
    throw new SutureError('option-invalid', 'Weights go with --positions (none, to leave the parents unstitched).');
  }
  if (position !== undefined) return { position, gated: gate };
  if (rule !== undefined) return { rule: Number(rule) as 1 | 2, gated: gate };
  if (learned) return { learned, gated: gate };
  if (gate && (all || chosen)) {
    throw new SutureError(
      'option-invalid',
      `--${all ? 'all' : 'chosen'} says itself how outputs are weighed: leave out --gate.`,
    );
  }
  if (all) return { all };
  if (chosen) return { chosen };
  throw new SutureError(
    'option-invalid',
    'Say where to stitch: --position I, or --rule 1 or 2 (or --all, --positions, --chosen, --learned).',
  );
}
