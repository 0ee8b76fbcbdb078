/** A sweep over settings drawn: the rivals' front, and what lies where beside it. */

import { metricTitles } from '../metrics/metric.ts';
import type { OutputShares } from '../options/kinds.ts';
import { combinationText, sharesOf } from '../selection/combination.ts';
import { type Point, paretoSet } from '../selection/front.ts';
import type { Front, FrontPoint } from '../selection/weighted.ts';
import { type ChartSeries, type Ground, lineChart, scatterChart } from './chart.ts';

/** Kinds of points, in the order in which they are drawn. */
const kinds: readonly { readonly name: string; readonly color: string; readonly is: (p: FrontPoint) => boolean }[] = [
  { name: 'stitched and gated', color: '#e69f00', is: p => p.gated && p.positions.length > 0 },
  { name: 'stitched', color: '#56b4e9', is: p => !p.gated && p.positions.length > 0 && p.weight !== 'learned' },
  { name: 'learned weights', color: '#cc79a7', is: p => !p.gated && p.weight === 'learned' },
  { name: 'gated', color: '#009e73', is: p => p.gated && p.positions.length === 0 },
];

/**
 * One figure for each pair of data sets: the first axis against each other one; settings far behind the front are left out. With validation data alone, the scores over the
 * share of the output.
 *
 * @param on what they are drawn on: a page, or by default paper.
 */
export function frontFigures(front: Front, on?: Ground): readonly string[] {
  const [x, ...others] = front.axes;
  return others.length === 0 ? [overShares(front, on)] : others.map(y => scatter(front, [x, y], on));
}

function scatter(front: Front, [x, y]: readonly [number, number], on: Ground | undefined): string {
  const at = (scores: readonly number[]) => ({ x: scores[x], y: scores[y] });
  const worth = (scores: readonly number[]): Point =>
    [x, y].map(axis => (front.higherIsBetter ? scores[axis] : -scores[axis]));
  const rivals: ChartSeries = {
    name: 'output-weighted ensembles',
    joined: true,
    marker: 'none',
    color: '#000000',
    points: curveOf(front.rivals, r => worth(r.scores)).map(r => at(r.scores)),
  };
  const named: ChartSeries = {
    name: '',
    marker: 'square',
    color: '#000000',
    points: front.rivals.flatMap(({ output, scores }) => {
      const text = landmark(output);
      return text === undefined ? [] : [{ ...at(scores), text }];
    }),
  };
  // Settings far behind the front would take all the room.
  const floors = [x, y].map(axis => {
    const values = front.rivals.map(r => r.scores[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return front.higherIsBetter ? low - (high - low) / 4 : -high - (high - low) / 4;
  });
  const inView = (scores: readonly number[]): boolean => worth(scores).every((value, i) => value >= floors[i]);
  const series = kinds.map(({ name, color, is }): ChartSeries => {
    const found = front.points.filter(p => is(p) && inView(p.scores));
    const points = found.map(p => ({ ...at(p.scores), title: combinationText(p) }));
    return { name: points.length === 0 ? '' : name, marker: 'circle', color, points };
  });
  const chosen: ChartSeries = {
    name: 'chosen on the validation data',
    marker: 'cross',
    color: '#d55e00',
    points: chosenPoints(front).map(([text, p]) => ({ ...at(p.scores), text, title: combinationText(p) })),
  };
  const metric = metricTitles[front.metric];
  return scatterChart([...series, rivals, named, chosen], {
    xLabel: `${metric} on ${front.sets[x].name}`,
    yLabel: `${metric} on ${front.sets[y].name}`,
    height: 560,
    on,
  });
}

/** Two parents' ensembles as the curve that they are; of more, those that no other surpasses. */
function curveOf<T extends { readonly output: OutputShares }>(
  rivals: readonly T[],
  worth: (rival: T) => Point,
): readonly T[] {
  if (rivals.every(r => typeof r.output === 'number')) return rivals;
  return paretoSet(rivals.map(worth))
    .map(i => rivals[i])
    .sort((p, q) => worth(p)[0] - worth(q)[0]);
}

/** What an ensemble is called that everyone asks about. */
function landmark(output: OutputShares): string | undefined {
  const shares = sharesOf(output);
  const alone = shares.indexOf(1);
  if (alone === 0) return 'own alone';
  if (alone > 0) return shares.length === 2 ? 'partner alone' : `partner ${alone} alone`;
  return shares.every(share => share === shares[0]) ? 'mean' : undefined;
}

/** The best of each kind at each share that parent a has of the output. */
function overShares(front: Front, on: Ground | undefined): string {
  const better = (p: number, q: number): boolean => (front.higherIsBetter ? p > q : p < q);
  const bestAtShares = <T extends Pick<FrontPoint, 'output' | 'scores'>>(all: readonly T[]) => {
    const best = new Map<number, T>();
    for (const p of all) {
      const [own] = sharesOf(p.output) as [number];
      const known = best.get(own);
      if (!known || better(p.scores[0], known.scores[0])) best.set(own, p);
    }
    return [...best].sort(([p], [q]) => p - q).map(([share, p]) => ({ share, p, y: p.scores[0] }));
  };
  const series = kinds.map(({ name, color, is }): ChartSeries => {
    const points = bestAtShares(front.points.filter(is)).map(({ share, p, y }) => ({
      x: share,
      y,
      title: combinationText(p),
    }));
    return { name: points.length > 0 ? `${name} (the best)` : '', color, points };
  });
  const rivals: ChartSeries = {
    name: 'output-weighted ensembles',
    marker: 'none',
    color: '#000000',
    points: bestAtShares(front.rivals).map(({ share, y }) => ({ x: share, y })),
  };
  return lineChart([...series, rivals], {
    xLabel: "parent a's share of the output",
    xDomain: [0, 1],
    xTicks: [0, 0.2, 0.4, 0.6, 0.8, 1],
    yLabel: `${metricTitles[front.metric]} on ${front.sets[0].name}`,
    on,
  });
}

function chosenPoints({ chosen, points }: Front): readonly (readonly [string, FrontPoint])[] {
  const [best, even] = [points[chosen.best], points[chosen.even]];
  return chosen.best === chosen.even
    ? [['best, even', best]]
    : [
        ['best', best],
        ['even', even],
      ];
}
