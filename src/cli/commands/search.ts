import { Command } from 'commander';
import { search } from '../../api/search.ts';
import { checkOutputFile, writeOutput } from '../../files/output.ts';
import { metricTitles } from '../../metrics/metric.ts';
import { choice, count, natural } from '../../options/kinds.ts';
import { optional, standing, type ValuesOf } from '../../options/option.ts';
import { searchFigure } from '../../report/search-figure.ts';
import { costKinds } from '../../selection/search/cost.ts';
import type { Search } from '../../selection/search/search.ts';
import { percent } from '../../selection/verdict.ts';
import {
  batch,
  dataOf,
  executor,
  force,
  json,
  labelOptions,
  labels,
  maybeOutputPath,
  metric,
  stress,
  stressRequest,
} from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

const options = {
  data: dataOf('images and labels of the own site'),
  evaluations: optional(count, 'n', 'networks that are evaluated, those of earlier searches counted', {
    otherwise: 'some minutes of two cores',
  }),
  seed: standing(natural, 's', 'seed of the search', 0),
  cost: standing(choice(costKinds), 'what', "a network's operations, or its time on the executor", 'flops'),
  ...stress,
  ...labels,
  metric,
  output: maybeOutputPath('file', 'draw the front into this SVG file'),
  force,
  executor,
  batch,
  json,
};

type Flags = ValuesOf<typeof options>;

export const searchCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('search')
      .description('search the settings of a run for the best in score, score under shift and cost')
      .argument('<run>', 'a run directory'),
    options,
  ).action(async (run: string, { data, output, force, ...flags }: Flags) => {
    const { evaluations, seed, cost, metric, executor, batch } = flags;
    if (output !== undefined) await checkOutputFile(output, { force });
    const found = await search(run, data, {
      ...{ evaluations, seed, cost, metric, executor, batch, signal },
      labels: labelOptions(flags),
      ...stressRequest(flags),
      onProgress: terminal.progress,
    });
    if (output !== undefined) await writeOutput(output, searchFigure(found), { force });
    terminal.result(found, () => {
      showSearch(found, terminal);
      if (output !== undefined) terminal.wrote(output, 'the figure');
    });
  });

/** The front, cheapest first. */
function showSearch({ front, evaluated, metric, cost, sets }: Search, terminal: Terminal): void {
  terminal.heading(`${metricTitles[metric]} of the settings that no other surpasses, of ${evaluated.length} evaluated`);
  terminal.line();
  const shifted = sets.length > 1;
  terminal.table(
    ['setting', 'cost', 'score', ...(shifted ? ['shift'] : []), ''],
    front.map((p, i) => [
      String(i),
      percent(p.cost),
      fixed(p.own),
      ...(shifted ? [fixed(p.shift)] : []),
      name(p.name, 72),
    ]),
  );
  terminal.line();
  terminal.line(`cost: ${cost === 'time' ? 'time' : 'operations'} against the plain output ensemble.`);
  terminal.line('`suture export RUN --budget 65% -o FILE` takes the best for its cost, --setting I one of these.');
}
