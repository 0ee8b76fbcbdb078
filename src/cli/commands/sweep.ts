import { Command } from 'commander';
import { SutureError } from '../../../ir/index.ts';
import { front, sweep } from '../../api/sweep.ts';
import { checkOutputFile, writeOutput } from '../../files/output.ts';
import { isPooled, metricTitles } from '../../metrics/metric.ts';
import { positionTags } from '../../network/tags.ts';
import { namedFiles, type OutputShares, positionsOrNone, repeated, share, shares, ways } from '../../options/kinds.ts';
import { flag, optional, repeatable, unlessDenied, type ValuesOf } from '../../options/option.ts';
import { frontFigures } from '../../report/front-figure.ts';
import { positionsText } from '../../selection/combination.ts';
import { possibleRules, type Rule, select, selectByDepth, whyNot } from '../../selection/select.ts';
import type { Sweep } from '../../selection/sweep.ts';
import { evenLoss, type Front } from '../../selection/weighted.ts';
import {
  batch,
  dataOf,
  executor,
  force,
  gateOver,
  gateRequest,
  json,
  labelOptions,
  labels,
  maybeOutputPath,
  metric,
  stress,
  stressRequest,
  tune,
} from '../catalogue.ts';
import type { Context } from '../context.ts';
import { addOptions } from '../options.ts';
import { stressLine } from '../scores.ts';
import { fixed, name, type Terminal } from '../terminal.ts';
import { tuning } from '../tune.ts';

const overPositions = {
  data: dataOf('images and labels of the own site, and folds for rule 2'),
};

const overSettings = {
  weights: optional(shares, 'list', 'shares of the original feature, as in 0,0.25,0.5,0.75'),
  outputs: optional(
    ways,
    'list',
    "parent a's shares of the output, as in 0,0.5,1; of more networks 1/0/0,0.5/0.25/0.25",
  ),
  positions: repeatable(
    repeated(positionsOrNone),
    'list',
    'positions that are on together, as in 38,41,44-47; may be repeated',
  ),
  gate: unlessDenied('leave out the gate, which weighs outputs on each image by how sure the parents are'),
  gateOver,
  learned: flag('also score the weights that `suture weigh` learned'),
  loss: optional(share, 'x', 'what the choice `even` may lose on the validation data', { otherwise: String(evenLoss) }),
  test: repeatable(namedFiles, 'name=file', "a test set, the own site's first; may be repeated; decides nothing"),
  output: maybeOutputPath('file', 'draw the front into this SVG file'),
  force,
};

const common = { ...stress, ...labels, metric, executor, batch, tune, json };

type FrontFlags = ValuesOf<typeof overSettings>;
type Flags = ValuesOf<typeof overPositions> & FrontFlags & ValuesOf<typeof common>;

function withOptions(command: Command): Command {
  addOptions(command, overPositions).optionsGroup('Over settings:');
  addOptions(command, overSettings).optionsGroup('Options:');
  return addOptions(command, common);
}

export const sweepCommand = ({ terminal, signal }: Context): Command =>
  withOptions(
    new Command('sweep')
      .description('score every position of a run on validation data, or many settings against all output ensembles')
      .argument('<run>', 'a run directory'),
  ).action(async (run: string, { data, executor, batch, metric, ...flags }: Flags) => {
    const asked = {
      executor,
      labels: labelOptions(flags),
      batch,
      metric,
      ...stressRequest(flags),
      ...tuning(flags, terminal),
      signal,
      onProgress: terminal.progress,
    };
    if (!areOverSettings(flags)) {
      const result = await sweep(run, data, asked);
      terminal.result(result, () => showSweep(result, terminal));
      return;
    }
    const { positions, gate, gateOver, test, output, force, weights, outputs, learned, loss } = flags;
    const files = figureFiles(output, (test?.length ?? 0) - 1);
    for (const file of files) await checkOutputFile(file, { force });
    const found = await front(run, data, {
      ...{ ...asked, groups: positions, weights, outputs, learned, loss, tests: test },
      ...gateRequest({ gate, gateOver }),
    });
    const figures = frontFigures(found);
    for (const [i, file] of files.entries()) await writeOutput(file, figures[i], { force });
    terminal.result(found, () => {
      showFront(found, terminal);
      for (const file of files) terminal.wrote(file, 'the figure');
    });
  });

/** Whether settings are asked for, and not just positions. @throws SutureError `option-invalid`. */
function areOverSettings(flags: FrontFlags): boolean {
  if (flags.weights ?? flags.outputs ?? flags.positions ?? flags.learned) return true;
  if (flags.test ?? flags.output ?? flags.loss ?? flags.gateOver ?? (flags.gate ? undefined : 'no gate')) {
    throw new SutureError(
      'option-invalid',
      'Test sets, figures and gates belong to a sweep over settings: say --weights, --outputs, --positions or --learned too.',
    );
  }
  return false;
}

/** `front.svg`, and `front.2.svg` and so on for further test sets. */
function figureFiles(output: string | undefined, count: number): readonly string[] {
  if (output === undefined) return [];
  return Array.from({ length: Math.max(1, count) }, (_, i) =>
    i === 0 ? output : output.replace(/(\.svg)?$/i, end => `.${i + 1}${end || '.svg'}`),
  );
}

/** How many rows of settings are shown. */
const shownRows = 12;

const shareText = (output: OutputShares): string =>
  typeof output === 'number' ? fixed(output, 2) : output.map(share => fixed(share, 2)).join('/');

/** Of two parents, steps of a tenth; of more, each parent alone, and equal shares. */
const shownRivals = (rivals: Front['rivals']): Front['rivals'] =>
  rivals.filter(({ output }, i) =>
    typeof output === 'number' ? i % 4 === 0 : output.includes(1) || output.every(share => share === output[0]),
  );

/** The rivals, the settings that lie farthest beyond them, and the chosen ones. */
function showFront(front: Front, terminal: Terminal): void {
  const { sets, stress, rivals, points, axes, chosen, metric } = front;
  const names = axes.map(i => name(sets[i].name, 24)).join(' and ');
  const scored = ({ scores, shift }: Front['rivals'][number]) => [
    ...scores.map(s => fixed(s)),
    ...(stress ? [fixed(shift?.value)] : []),
  ];
  const head = [...sets.map(({ name: set }) => name(set, 24)), ...(stress ? ['shift'] : [])];
  terminal.heading(`${metricTitles[metric]} of the output-weighted ensembles`);
  terminal.line();
  terminal.table(
    [rivals.some(r => typeof r.output === 'number') ? "a's share" : 'shares', ...head],
    shownRivals(rivals).map(rival => [shareText(rival.output), ...scored(rival)]),
  );
  terminal.line();
  const order = points.map((_, i) => i).sort((i, j) => points[j].beyond - points[i].beyond);
  const marks = new Map([[chosen.best, 'best']]);
  marks.set(chosen.even, marks.has(chosen.even) ? 'best, even' : 'even');
  const rows = [...new Set([...order.slice(0, shownRows), chosen.best, chosen.even])];
  const gates = points.some(p => p.gated);
  terminal.heading(`Settings farthest beyond their front on ${names}`);
  terminal.line();
  terminal.table(
    ['positions', 'weight', 'output', ...(gates ? ['gate'] : []), ...head, 'beyond', 'above', ''],
    rows.map(i => {
      const { positions, weight, output, gated, beyond, above } = points[i];
      return [
        positions.length === 0 ? 'none' : positionsText(positions),
        positions.length === 0 ? '–' : String(weight),
        shareText(output),
        ...(gates ? [gated ? (front.gateOver === 'case' ? 'case' : 'yes') : 'no'] : []),
        ...scored(points[i]),
        fixed(beyond),
        fixed(above),
        marks.get(i),
      ];
    }),
  );
  terminal.line();
  const held = points.filter(p => p.pareto).length;
  terminal.line(`${held} of ${points.length} settings are in the Pareto set on ${names}.`);
  terminal.line(
    'beyond: what every score may lose before some ensemble is as good. above: the second score less the best',
  );
  terminal.line(
    "ensemble's at the same first score. Chosen on the validation data alone, best: the best score there; even: outputs",
  );
  terminal.line(
    `weighed as evenly as loses at most ${chosen.loss} there against the best ensemble, rather with a gate and with few stitches.`,
  );
  stressLine(terminal, stress);
}

/** The table of all positions, the chosen ones marked. */
export function showSweep(sweep: Sweep, terminal: Terminal): void {
  const { positions, references, folds, stress, metric, higherIsBetter } = sweep;
  const chosen = new Map<number, string>();
  const mark = (position: number, rule: Rule): void => {
    chosen.set(position, [chosen.get(position), `rule ${rule}`].filter(Boolean).join(', '));
  };
  for (const rule of possibleRules(positions)) {
    const { position } = select(positions, rule, higherIsBetter);
    mark(position, rule);
  }
  const placed = positions.flatMap(({ position, depth }) => (depth === undefined ? [] : [{ position, depth }]));
  if (placed.length > 0) mark(selectByDepth(placed).position, 3);
  terminal.heading(`${metricTitles[metric]} on ${name(sweep.data.source)}, ${sweep.data.images} images`);
  terminal.line();
  const scores = ['score', ...(isPooled(metric) ? ['pooled'] : []), ...folds.map(f => `fold ${f}`)];
  const scoresOf = (row: Omit<Sweep['references'][number], 'name'>): readonly string[] => [
    fixed(row.value),
    ...(isPooled(metric) ? [fixed(row.pooled)] : []),
    ...row.folds.map(f => fixed(f)),
    ...(stress ? [fixed(row.shift?.value)] : []),
  ];
  terminal.table(
    ['position', 'depth', ...scores, ...(stress ? ['shift'] : []), 'a', ''],
    [
      ...references.map(r => [r.name, '', ...scoresOf(r), '', '']),
      ...positions.map(p => {
        const { position, depth } = p;
        return [String(position), fixed(depth, 2), ...scoresOf(p), name(featureOf(p), 48), chosen.get(position) ?? ''];
      }),
    ],
  );
  stressLine(terminal, stress);
  const problem = whyNot(positions, 2);
  if (problem !== undefined) terminal.line(`\n${problem}`);
  const empty = folds.filter((_, f) => positions.some(p => Number.isNaN(p.folds[f])));
  if (problem === undefined && empty.length > 0) {
    terminal.line(
      `\nNo image of fold ${empty.join(', ')} has foreground in its labels: rule 2 ranks in the other folds.`,
    );
  }
}

/** The first network's feature there; where it has none, that of the first that has one. */
const featureOf = (position: Sweep['positions'][number]): string =>
  positionTags.flatMap(tag => position[tag] ?? [])[0] ?? '';
