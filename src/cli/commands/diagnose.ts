import { Command } from 'commander';
import { diagnose } from '../../api/diagnose.ts';
import { metricTitles } from '../../metrics/metric.ts';
import { positionTags } from '../../network/tags.ts';
import { namedFiles, path } from '../../options/kinds.ts';
import { optional, repeatable, type ValuesOf } from '../../options/option.ts';
import { signTexts } from '../../report/diagnosis.ts';
import type { RunDiagnosis } from '../../selection/diagnose/diagnose.ts';
import { type Predictor, predictors } from '../../selection/diagnose/positions.ts';
import { usualDepth } from '../../selection/select.ts';
import { batch, executor, json, labelOptions, labels, metric, stress } from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { fixed, name, type Terminal } from '../terminal.ts';

/** What the table calls what may foretell a position's score. */
const titles: Readonly<Record<Predictor, string>> = {
  depth: 'depth',
  residual: 'residual',
  shiftedResidual: 'shifted',
  similarity: 'CKA',
  divergence: 'KL',
  entropy: 'entropy',
};

const { changes, shiftImages } = stress;

const options = {
  data: optional(path, 'file', 'an .npz file with images of the own site; with labels more can be judged'),
  test: repeatable(namedFiles, 'name=file', 'labelled data of elsewhere, on which stitching may gain; may be repeated'),
  changes,
  shiftImages,
  ...labels,
  metric,
  executor,
  batch,
  json,
};

export const diagnoseCommand = ({ terminal, signal }: Context): Command =>
  addOptions(
    new Command('diagnose')
      .description(
        'look for the signs by which stitching is known to fail, and rank the positions of a run without labels',
      )
      .argument('<run>', 'a run directory'),
    options,
  ).action(async (run: string, { test, ...flags }: ValuesOf<typeof options>) => {
    const found = await diagnose(run, {
      ...flags,
      tests: test,
      labels: labelOptions(flags),
      signal,
      onProgress: terminal.progress,
    });
    terminal.result(found, () => show(found, terminal));
  });

function show(found: RunDiagnosis, terminal: Terminal): void {
  const { data, positions, suggested, correlations, metric, signs } = found;
  const signsShown = signTexts(found);
  terminal.heading(data ? `Signs of failure on ${name(data.source)}, ${data.images} images` : 'Signs of failure');
  terminal.line();
  terminal.table(
    ['sign', '', 'shown by'],
    signsShown.map(({ title, status, figure }) => [title, status, figure]),
  );
  for (const { title, remedy } of signsShown) if (remedy) terminal.line(`\n${title}: ${remedy}`);
  for (const text of signs.noGain.disagreements ?? []) terminal.line(`\n${text}`);
  terminal.line();
  terminal.heading('Positions by what is known without labels');
  terminal.line();
  const scored = metric !== undefined;
  terminal.table(
    ['position', ...Object.values(titles), ...(scored ? [metricTitles[metric]] : []), 'a', ''],
    [
      ...positions.map(p => [
        p.position,
        fixed(p.depth, 2),
        fixed(p.residual, 3),
        fixed(p.shiftedResidual, 3),
        fixed(p.similarity, 3),
        fixed(p.divergence, 5),
        fixed(p.entropy),
        ...(scored ? [fixed(p.value)] : []),
        name(positionTags.flatMap(tag => p[tag] ?? [])[0], 48),
        p.position === suggested.position ? 'suggested' : '',
      ]),
    ],
  );
  if (correlations) {
    const told = predictors.flatMap(predictor => {
      const rho = correlations[predictor];
      return rho === undefined ? [] : [`${titles[predictor]} ${fixed(rho, 2)}`];
    });
    terminal.line(
      `\nRank correlation with the scores, from 1 where what promises most scores best: ${told.join(', ')}. What promises most is the` +
        ` highest CKA, the depth nearest to ${usualDepth}, and the least of all else.`,
    );
  }
}
