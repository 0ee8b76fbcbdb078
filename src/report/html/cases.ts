/** Scores by case: a mark for each network, cases in the order of what the exported one scores. */
import { type CaseSet, rankedCases } from '../../metrics/by-case.ts';
import { metricTitles } from '../../metrics/metric.ts';
import { type ChartSeries, scatterChart } from '../chart.ts';
import { fixed } from '../decimals.ts';
import { type Markup, trusted } from '../markup.ts';
import { figure } from './parts.ts';

/** The case as a person knows it. */
export const caseText = ({ case: number, name }: Pick<CaseSet['cases'][number], 'case' | 'name'>): string =>
  name ?? `case ${number}`;

const marks = [
  { marker: 'circle', color: '#d55e00' },
  { marker: 'square', color: '#0072b2' },
  { marker: 'cross', color: '#009e73' },
] as const;

/** More words than these on marks would be most of the file. */
const titled = 300;

/**
 * @param exported the network that cases are in the order of.
 * @param against others that are drawn, two at most; the table has all networks.
 */
export function casesFigure(set: CaseSet, exported: string, against: readonly string[]): Markup {
  const { name, networks, metric } = set;
  const shown = [exported, ...against.filter(network => network !== exported && networks.includes(network))].slice(
    0,
    marks.length,
  );
  const columns = shown.map(network => networks.indexOf(network));
  const ranked = rankedCases(set, exported);
  const series = shown.map(
    (network, i): ChartSeries => ({
      name: network,
      ...marks[i],
      points: ranked.map((entry, rank) => {
        const values = columns.map(column => entry.scores[column]).filter(Number.isFinite);
        return {
          ...{ x: rank + 1, y: entry.scores[columns[i]] },
          // A line from the lowest to the highest holds the marks of a case together.
          ...(i === 0 && ranked.length <= titled && { low: Math.min(...values), high: Math.max(...values) }),
          ...(ranked.length <= titled && {
            title: `${caseText(entry)}, ${network}: ${fixed(entry.scores[columns[i]])}`,
          }),
        };
      }),
    }),
  );
  const title = metricTitles[metric];
  const better = (other: number): number => {
    const sign = set.higherIsBetter ? 1 : -1;
    return ranked.filter(({ scores }) => sign * (scores[columns[0]] - scores[other]) > 0).length;
  };
  const counts = columns.slice(1).map((column, i) => `better than ${shown[i + 1]} on ${better(column)}`);
  const summary = `${exported}${counts.length > 0 ? ` is ${counts.join(', ')} of ${ranked.length} cases` : `, ${ranked.length} cases`}.`;
  return figure({
    // The exported network is drawn last, above the others.
    drawing: trusted(
      scatterChart(series.toReversed(), {
        xLabel: `cases, from the best to the worst of ${exported}`,
        yLabel: title,
        on: 'page',
        height: 380,
        xDomain: [0.5, ranked.length + 0.5],
      }),
    ),
    label: `${title} of ${shown.join(', ')} on each case of ${name}: ${summary} The table below has the numbers.`,
    caption: `${title} on each case of ${name}: ${summary}`,
    data: {
      caption: `${title} of each network on each case of ${name}, from the best case of ${exported} to its worst.`,
      head: ['case', ...networks],
      rows: ranked.map(entry => [caseText(entry), ...entry.scores.map(score => fixed(score))]),
    },
  });
}
