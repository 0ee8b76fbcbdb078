/** Scores as tables. */
import type { Score } from '../metrics/metric.ts';
import { fixed, type Terminal } from './terminal.ts';

/** What the metric is called in tables. */
export const metricTitle = { dice: 'Dice', accuracy: 'accuracy', mse: 'MSE' } as const;

/** One row for each network: the score and, for Dice over several classes or regions, each of them. */
export function scoreTable(
  terminal: Terminal,
  rows: readonly { readonly label: string; readonly score: Score }[],
): void {
  const [first] = rows;
  if (first === undefined) return;
  const { metric, classes } = first.score;
  if (metric !== 'dice') {
    terminal.table(
      ['network', metricTitle[metric]],
      rows.map(({ label, score }) => [label, fixed(score.value)]),
    );
    return;
  }
  const shown = classes.length > 1 ? classes : [];
  terminal.table(
    ['network', 'Dice', 'pooled', ...shown.flatMap(c => [c.name, 'pooled'])],
    rows.map(({ label, score }) => [
      label,
      fixed(score.value),
      fixed(score.pooled),
      ...(classes.length > 1 ? score.classes.flatMap(c => [fixed(c.mean), fixed(c.pooled)]) : []),
    ]),
  );
  terminal.line();
  terminal.line('Dice: mean over the images whose label has the class; pooled: over all pixels of all images.');
}
