/** A sweep over settings drawn: the rivals' front, and what lies where beside it. */

import { combinationText } from '../selection/combination.ts';
import type { Front, FrontPoint } from '../selection/weighted.ts';
import { type ChartSeries, lineChart, scatterChart } from './chart.ts';

const metricTitle = { dice: 'Dice', accuracy: 'accuracy', mse: 'MSE' } as const;

const titleOf = (p: FrontPoint): string => combinationText(p);

/** Kinds of points, in the order in which they are drawn. */
const kinds: readonly {
  readonly name: string;
  readonly color: string;
  readonly is: (p: FrontPoint) => boolean;
}[] = [
  {
    name: 'stitched and gated',
    color: '#e69f00',
    is: p => p.gated && p.positions.length > 0,
  },
  { name: 'stitched', color: '#56b4e9', is: p => !p.gated && p.positions.length > 0 && p.weight !== 'learned' },
  { name: 'learned weights', color: '#cc79a7', is: p => !p.gated && p.weight === 'learned' },
  { name: 'gated', color: '#009e73', is: p => p.gated && p.positions.length === 0 },
];

/**
 * One figure for each pair of data sets: the first axis against each other one; settings far behind the front are left out. With validation data alone, the scores over the
 * share of the output.
 */
export function frontFigures(front: Front, title?: string): readonly string[] {
  const [x, ...others] = front.axes;
  return others.length === 0 ? [overShares(front, title)] : others.map(y => scatter(front, x!, y, title));
}

function scatter(front: Front, x: number, y: number, title: string | undefined): string {
  const at = (scores: readonly number[]) => ({ x: scores[x]!, y: scores[y]! });
  const rivals: ChartSeries = {
    name: 'output-weighted ensembles',
    joined: true,
    marker: 'none',
    color: '#000000',
    points: front.rivals.map(r => at(r.scores)),
  };
  const named: ChartSeries = {
    name: '',
    marker: 'square',
    color: '#000000',
    points: [
      [0, 'partner alone'],
      [0.5, 'mean'],
      [1, 'own alone'],
    ].flatMap(([output, text]) => {
      const rival = front.rivals.find(r => r.output === output);
      return rival ? [{ ...at(rival.scores), text: String(text) }] : [];
    }),
  };
  // Settings far behind the front would take all the room.
  const floors = [x, y].map(axis => {
    const values = front.rivals.map(r => r.scores[axis]!);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return front.higherIsBetter ? low - (high - low) / 4 : -high - (high - low) / 4;
  });
  const inView = (scores: readonly number[]): boolean =>
    [x, y].every((axis, i) => (front.higherIsBetter ? scores[axis]! : -scores[axis]!) >= floors[i]!);
  const series = kinds.map(({ name, color, is }): ChartSeries => {
    const found = front.points.filter(p => is(p) && inView(p.scores));
    const points = found.map(p => ({ ...at(p.scores), title: titleOf(p) }));
    return { name: points.length === 0 ? '' : name, marker: 'circle', color, points };
  });
  const chosen: ChartSeries = {
    name: 'chosen on the validation data',
    marker: 'cross',
    color: '#d55e00',
    points: chosenPoints(front).map(([text, p]) => ({ ...at(p.scores), text, title: titleOf(p) })),
  };
  const metric = metricTitle[front.metric];
  return scatterChart([...series, rivals, named, chosen], {
    xLabel: `${metric} on ${front.sets[x]!.name}`,
    yLabel: `${metric} on ${front.sets[y]!.name}`,
    height: 560,
    ...(title !== undefined && { title }),
  });
}

/** The best of each kind at each share of the output. */
function overShares(front: Front, title: string | undefined): string {
  const better = (p: number, q: number): boolean => (front.higherIsBetter ? p > q : p < q);
  const series = kinds.map(({ name, color, is }): ChartSeries => {
    const best = new Map<number, FrontPoint>();
    for (const p of front.points.filter(is)) {
      const known = best.get(p.output);
      if (!known || better(p.scores[0]!, known.scores[0]!)) best.set(p.output, p);
    }
    const points = [...best.values()]
      .sort((p, q) => p.output - q.output)
      .map(p => ({ x: p.output, y: p.scores[0]!, title: titleOf(p) }));
    return { name: points.length > 0 ? `${name} (the best)` : '', color, points };
  });
  const rivals: ChartSeries = {
    name: 'output-weighted ensembles',
    marker: 'none',
    color: '#000000',
    points: front.rivals.map(r => ({ x: r.output, y: r.scores[0]! })),
  };
  return lineChart([...series, rivals], {
    xLabel: "parent a's share of the output",
    xDomain: [0, 1],
    xTicks: [0, 0.2, 0.4, 0.6, 0.8, 1],
    yLabel: `${metricTitle[front.metric]} on ${front.sets[0]!.name}`,
    ...(title !== undefined && { title }),
  });
}

function chosenPoints({ chosen, points }: Front): readonly (readonly [string, FrontPoint])[] {
  const [best, even] = [points[chosen.best]!, points[chosen.even]!];
  return chosen.best === chosen.even
    ? [['best, even', best]]
    : [
        ['best', best],
        ['even', even],
      ];
}
