import { Command, InvalidArgumentError } from 'commander';
import { type Curve, curve, curveChart } from '../../api/curve.ts';
import type { ExecutorChoice } from '../../execution/executors.ts';
import { checkOutputFile, writeOutput } from '../../files/output.ts';
import type { Context } from '../context.ts';
import {
  batchOption,
  executorOption,
  forceOption,
  ignoreLabelOption,
  jsonOption,
  type LabelFlags,
  labelOptions,
  regionsOption,
} from '../options.ts';
import { metricTitle } from '../scores.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

interface Flags extends LabelFlags {
  readonly data: string;
  readonly counts?: readonly number[];
  readonly output?: string;
  readonly force?: boolean;
  readonly executor: ExecutorChoice;
  readonly batch?: number;
}

/** `1,2,4` as numbers. */
function countList(text: string): readonly number[] {
  const counts = text.split(',').map(Number);
  if (counts.every(c => Number.isSafeInteger(c) && c >= 1)) return counts;
  throw new InvalidArgumentError('It must be whole numbers of at least 1, as in 1,2,4.');
}

export const curveCommand = ({ terminal, signal }: Context): Command =>
  new Command('curve')
    .description('score runs with more and more positions stitched at once')
    .argument('<runs...>', 'run directories; those that differ in their seed only are one line')
    .requiredOption('--data <file>', 'an .npz file with images and labels')
    .option('--counts <list>', 'how many positions, as in 1,2,4 (default: doubling, then by sixths)', countList)
    .option('-o, --output <file>', 'also draw the curves, as SVG')
    .addOption(ignoreLabelOption())
    .addOption(regionsOption())
    .addOption(executorOption())
    .addOption(batchOption())
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(async (runs: readonly string[], { data, output, force = false, ...flags }: Flags) => {
      if (output !== undefined) await checkOutputFile(output, { force });
      const result = await curve(runs, data, {
        ...flags,
        labels: labelOptions(flags),
        signal,
        onProgress: terminal.progress,
      });
      if (output !== undefined) await writeOutput(output, curveChart(result), { force });
      terminal.result(result, () => show(result, terminal));
    });

function show({ runs, recipes, counts, metric, data, executor }: Curve, terminal: Terminal): void {
  terminal.heading(`${metricTitle[metric]} on ${name(data.source)}, ${data.images} images, ${executor}`);
  terminal.line();
  const row = (scores: readonly { readonly count: number; readonly value: number }[]): string[] =>
    counts.map(count => fixed(scores.find(s => s.count === count)?.value));
  terminal.table(
    ['run', 'training', 'seed', ...counts.map(String)],
    runs.map(r => [name(r.run, 32), r.recipe, r.seed, ...row(r.scores)]),
  );
  const several = recipes.filter(r => r.runs > 1);
  if (several.length > 0) {
    terminal.line();
    terminal.table(
      ['mean of', 'training', ...counts.map(String)],
      several.map(({ recipe, runs: count, scores }) => [
        `${count} runs`,
        recipe,
        ...row(scores.map(s => ({ count: s.count, value: s.mean }))),
      ]),
    );
  }
  terminal.line();
  const pairs = [
    ...new Set(runs.map(({ references: { a, b, ensemble } }) => [a, b, ensemble].map(v => fixed(v)).join(' '))),
  ];
  for (const pair of pairs) {
    const [a, b, ensemble] = pair.split(' ');
    terminal.line(`Nothing stitched: parent a ${a}, parent b ${b}, the ensemble of their outputs ${ensemble}.`);
  }
}
