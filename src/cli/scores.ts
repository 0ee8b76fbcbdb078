/** Scores as tables. */
import type { Evaluation } from '../api/evaluate.ts';
import { isPooled, metricTitles, type Score } from '../metrics/metric.ts';
import type { NetworkScore } from '../metrics/score-networks.ts';
import { fixed, name, type Terminal } from './terminal.ts';

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

/** What the column `shift` is. */
export function stressLine(terminal: Terminal, stress: Evaluation['stress']): void {
  if (!stress) return;
  const names = stress.map(({ name: set }) => name(set, 24)).join(', ');
  const counts = [...new Set(stress.map(({ images }) => images))];
  const images = counts.length === 1 ? `, ${counts[0]} images each` : '';
  terminal.line(
    `\nshift: the mean over ${stress.length} stress set${stress.length === 1 ? '' : 's'} (${names}${images}).`,
  );
}

/** One row for each network: its score under shift, and each stress set's where they are wanted. */
export function stressTable(terminal: Terminal, { rows, stress }: Evaluation, each: boolean): void {
  if (!stress) return;
  terminal.line();
  terminal.table(
    ['network', 'shift', ...(each ? stress.map(set => name(set.name, 24)) : [])],
    rows.map(({ model, shift }) => [
      name(model),
      fixed(shift?.value),
      ...(each ? (shift?.sets ?? []).map(score => fixed(score)) : []),
    ]),
  );
  stressLine(terminal, stress);
}

/** One row for each network whose surfaces were measured: the mean and, of several classes or regions, each of them. */
export function surfaceTable(terminal: Terminal, rows: readonly NetworkScore[]): void {
  const measured = rows.flatMap(({ model, surface }) => (surface ? [{ model, surface }] : []));
  const [first] = measured;
  if (!first) return;
  const { unit, tolerance, classes } = first.surface;
  const several = classes.length > 1;
  terminal.line();
  terminal.table(
    ['network', 'NSD', 'HD95', ...(several ? classes.flatMap(c => [`${c.name}: NSD`, 'HD95']) : [])],
    measured.map(({ model, surface }) => [
      name(model),
      ...[surface, ...(several ? surface.classes : [])].flatMap(({ nsd, hd95 }) => [fixed(nsd), fixed(hd95, 2)]),
    ]),
  );
  terminal.line();
  terminal.line(
    `NSD: share of the boundaries within ${tolerance} ${unit} of each other; HD95 in ${unit}; means over the cases.`,
  );
  const infinite = measured.filter(({ surface }) => surface.classes.some(c => c.infinite > 0));
  for (const { model, surface } of infinite) {
    const counts = surface.classes.filter(c => c.infinite > 0).map(c => `${c.infinite} of ${c.cases} (${c.name})`);
    terminal.line(
      `${name(model)}: boundaries with none to compare with make HD95 infinite, and leave it out, in ${counts.join(', ')}.`,
    );
  }
}
