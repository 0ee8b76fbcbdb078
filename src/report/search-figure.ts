/** What a search over settings found, drawn: scores against cost, coloured by the score under shift. */
import { metricTitles } from '../metrics/metric.ts';
import type { Search, SearchPoint } from '../selection/search/search.ts';
import { type ChartSeries, type Ground, scatterChart } from './chart.ts';
import { fixed } from './decimals.ts';

/** From the lowest third of the scores under shift to the highest. */
const thirds = [
  { name: 'low', color: '#56b4e9' },
  { name: 'middle', color: '#e69f00' },
  { name: 'high', color: '#d55e00' },
] as const;

/** The front of a search. @param on what it is drawn on: a page, or by default paper. */
export function searchFigure(search: Search, on?: Ground): string {
  const { front, metric, higherIsBetter } = search;
  const worth = ({ shift }: SearchPoint): number => (higherIsBetter ? 1 : -1) * shift!;
  const isShifted = ({ shift }: SearchPoint): boolean => shift !== undefined && !Number.isNaN(shift);
  const order = front.filter(isShifted).toSorted((p, q) => worth(p) - worth(q));
  const pointsOf = (some: readonly SearchPoint[]) =>
    some.map(({ cost, own, name, shift }) => ({
      x: 100 * cost,
      y: own,
      title: `${name}${shift === undefined ? '' : `; under shift ${fixed(shift)}`}`,
    }));
  const series = thirds.map(({ name, color }, i): ChartSeries => {
    const cut = (part: number): number => Math.round((part * order.length) / thirds.length);
    const part = order.slice(cut(i), cut(i + 1));
    const ends = [part[0], part.at(-1)].map(p => fixed(p?.shift));
    return {
      name: part.length === 0 ? '' : `under shift ${name}, ${ends.join(' to ')}`,
      color,
      points: pointsOf(part),
    };
  });
  const rest = front.filter(p => !isShifted(p));
  const plain: ChartSeries = { name: '', color: '#0072b2', points: pointsOf(rest) };
  return scatterChart([...series, plain], {
    xLabel: `cost in % of the output ensemble's ${search.cost === 'time' ? 'time' : 'operations'}`,
    yLabel: `${metricTitles[metric]} on ${search.sets[0].name}`,
    height: 560,
    on,
  });
}
