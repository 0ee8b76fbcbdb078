/** Scores as tables. */
import { isPooled, metricTitles, type Score } from '../metrics/metric.ts';
import { fixed, type Terminal } from './terminal.ts';

/** One row for each network: the score and, for Dice over several classes or regions, each of them. */
export function scoreTable(
  terminal: Terminal,
  rows: readonly { readonly label: string; readonly score: Score }[],
): void {
  const [first] = rows;
  if (first === undefined) return;
  const { metric, classes } = first.score;
  if (!isPooled(metric)) {
    terminal.table(
      ['network', metricTitles[metric]],
      rows.map(({ label, score }) => [label, fixed(score.value)]),
    );
    return;
  }
  const shown = classes.length > 1 ? classes : [];
  terminal.table(
    ['network', metricTitles[metric], 'pooled', ...shown.flatMap(c => [c.name, 'pooled'])],
    rows.map(({ label, score }) => [
      label,
      fixed(score.value),
      fixed(score.pooled),
      ...(classes.length > 1 ? score.classes.flatMap(c => [fixed(c.mean), fixed(c.pooled)]) : []),
    ]),
  );
  terminal.line();
  const over = metric === 'dice' ? 'cases' : 'images whose label has the class';
  terminal.line(`${metricTitles[metric]}: mean over the ${over}; pooled: over all pixels of all images.`);
}
