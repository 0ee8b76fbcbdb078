import { Command } from 'commander';
import { matchers, type PositionMetric, positionMetrics } from '../../../passes/index.ts';
import { match, similarities } from '../../api/match.ts';
import type { ExecutorChoice } from '../../execution/executors.ts';
import type { PairsDocument } from '../../network/pairs.ts';
import type { Context } from '../context.ts';
import { choiceOption, countOption, executorOption, forceOption, jsonOption, positiveOption } from '../options.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

interface Flags {
  readonly matcher: (typeof matchers)[number];
  readonly timeLimit?: number;
  readonly metric?: PositionMetric;
  readonly similarity?: (typeof similarities)[number];
  readonly data?: string;
  readonly images?: number;
  readonly executor: ExecutorChoice;
  readonly output?: string;
  readonly force?: boolean;
}

export const matchCommand = ({ terminal, signal }: Context): Command =>
  new Command('match')
    .description('match the layers of two networks')
    .argument('<a>', 'an ONNX file')
    .argument('<b>', 'another one')
    .addOption(choiceOption('--matcher <name>', 'alignment, or search for the proven best', matchers, 'hirschberg'))
    .addOption(positiveOption('--time-limit <seconds>', 'how long the exact matcher may take'))
    .addOption(
      choiceOption(
        '--metric <name>',
        'how distance of positions lowers a score: 1 - d²/2 (default), or 1 - d',
        positionMetrics,
      ).conflicts('similarity'),
    )
    .addOption(
      choiceOption('--similarity <name>', 'also score how alike features are on data: linear CKA', similarities),
    )
    .option('--data <file>', 'an .npz file with images, for --similarity; labels are not needed')
    .addOption(countOption('--images <n>', 'how many of the images --similarity looks at (default: 64)'))
    .addOption(executorOption())
    .option('-o, --output <file>', 'write the pairs to a JSON file')
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(async (a: string, b: string, flags: Flags) => {
      const { warnings, ...document } = await match(a, b, { ...flags, signal, onProgress: terminal.progress });
      for (const message of warnings) terminal.warning(message);
      terminal.result(document, () => show(document, flags.output, terminal));
    });

const endings = { proof: '', work: 'its work was done', time: 'its time was up' } as const;

function show(found: PairsDocument, output: string | undefined, terminal: Terminal): void {
  terminal.table(
    ['#', `a: ${name(found.a)}`, 'at', `b: ${name(found.b)}`, 'at', 'score'],
    found.pairs.map((pair, i) => [
      i,
      name(pair.a),
      fixed(pair.positionA, 3),
      name(pair.b),
      fixed(pair.positionB, 3),
      fixed(pair.score),
    ]),
  );
  terminal.line();
  const bound = found.bound === undefined ? '' : `, bound ${fixed(found.bound)}`;
  const ended = found.ended ? ` when ${endings[found.ended]}` : '';
  const optimal = found.optimal === undefined ? '' : found.optimal ? ', proven to be the best' : `, not proven${ended}`;
  terminal.line(`${found.pairs.length} pairs, score ${fixed(found.score)}${bound}${optimal}`);
  if (output !== undefined) terminal.line(`Written to ${name(output)}.`);
}
