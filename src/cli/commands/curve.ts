import { Command } from 'commander';
import { type Curve, curve, curveChart } from '../../api/curve.ts';
import { checkOutputFile, writeOutput } from '../../files/output.ts';
import { metricTitles } from '../../metrics/metric.ts';
import { counts } from '../../options/kinds.ts';
import { optional, type ValuesOf } from '../../options/option.ts';
import { batch, dataOf, executor, force, json, labelOptions, labels, maybeOutputPath, metric } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

const options = {
  data: dataOf('images and labels'),
  counts: optional(counts, 'list', 'how many positions, as in 1,2,4', { otherwise: 'doubling, then by sixths' }),
  output: maybeOutputPath('file', 'also draw the curves, as SVG'),
  ...labels,
  metric,
  executor,
  batch,
  force,
  json,
};

export const curveCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('curve')
      .description('score runs with more and more positions stitched at once')
      .argument('<runs...>', 'run directories; those that differ in their seed only are one line'),
    options,
  ).action(async (runs: readonly string[], { data, output, force = false, ...flags }: ValuesOf<typeof options>) => {
    if (output !== undefined) await checkOutputFile(output, { force });
    const result = await curve(runs, data, {
      ...flags,
      labels: labelOptions(flags),
      signal,
      onProgress: terminal.progress,
    });
    if (output !== undefined) await writeOutput(output, curveChart(result), { force });
    terminal.result(result, () => {
      show(result, terminal);
      if (output !== undefined) terminal.wrote(output, 'the figure');
    });
  });

function show({ runs, recipes, counts, metric, data, executor }: Curve, terminal: Terminal): void {
  terminal.heading(`${metricTitles[metric]} on ${name(data.source)}, ${data.images} images, ${executor}`);
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
  const unstitched = runs.map(
    ({ references: { a, b, ensemble } }) =>
      `Nothing stitched: parent a ${fixed(a)}, parent b ${fixed(b)}, the ensemble of their outputs ${fixed(ensemble)}.`,
  );
  for (const line of new Set(unstitched)) terminal.line(line);
}
