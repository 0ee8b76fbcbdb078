/** The match as a diagram: networks side by side in the order in which they compute, matched layers joined. */
import { grounds, inkOf, px } from '../chart.ts';
import { fixed } from '../decimals.ts';
import { escaped, type Markup, trusted } from '../markup.ts';
import { figure, legend } from './parts.ts';

/** A network as a column of the diagram. */
export interface MatchColumn {
  /** `parent a (A.onnx)`. */
  readonly title: string;
  /** The names of its features in the order in which they are computed. */
  readonly features: readonly string[];
}

/** Features that are joined at a position: of each column the index in its features, none where it has none there. */
export interface MatchRow {
  readonly position: number;
  readonly at: readonly (number | undefined)[];
  /** Columns that are joined with each other. */
  readonly links: readonly (readonly [number, number])[];
  readonly score: number;
}

export interface MatchParts {
  readonly columns: readonly MatchColumn[];
  readonly rows: readonly MatchRow[];
  /** The position that the exported network is stitched at, or would be. */
  readonly chosen?: number | undefined;
  /** What is said of that: `exported`, `best position`. */
  readonly chosenText?: string | undefined;
}

/** Between features, at most and at least, and above them; a figure of more than so many pixels would be scrolled and not seen. */
const pitches = { most: 13, least: 2.5, height: 1500, top: 34 };

const classes = 5;

/** What a score's colour and width are chosen by: 0 is the lowest fifth of the range of all scores. */
function classOf(score: number, [low, high]: readonly [number, number]): number {
  if (!(high > low)) return classes - 1;
  return Math.max(0, Math.min(classes - 1, Math.floor((classes * (score - low)) / (high - low))));
}

const rangeOf = (rows: readonly MatchRow[]): readonly [number, number] => {
  const scores = rows.map(({ score }) => score).filter(Number.isFinite);
  return scores.length === 0 ? [0, 1] : [Math.min(...scores), Math.max(...scores)];
};

/** The end of a name, which tells layers apart: `stages.0/conv1/conv`. */
const shortened = (name: string): string => {
  const parts = name
    .replace(/_output_\d+$/, '')
    .split('/')
    .filter(part => part !== '');
  let [kept] = parts.splice(-1);
  while (parts.length > 0 && kept.length + parts.at(-1)!.length < 34) kept = `${parts.pop()}/${kept}`;
  return parts.length > 0 ? `…/${kept}` : kept;
};

function drawing({ columns, rows, chosen }: MatchParts): string {
  const longest = Math.max(...columns.map(({ features }) => features.length));
  const pitch = Math.max(pitches.least, Math.min(pitches.most, pitches.height / longest));
  // Names beside both columns, where there are two and there is room for letters.
  const named = columns.length === 2 && pitch >= 9;
  const margin = named ? 235 : 40;
  const width = named ? 800 : Math.max(480, 190 * columns.length);
  const xOf = (column: number): number => margin + ((width - 2 * margin) * column) / Math.max(1, columns.length - 1);
  const yOf = (column: number, feature: number): number =>
    pitches.top + (feature + 0.5) * pitch + ((longest - columns[column].features.length) * pitch) / 2;
  const height = pitches.top + longest * pitch + 12;
  const { text } = grounds.page;
  const range = rangeOf(rows);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${px(height)}" width="${width}" height="${px(height)}" font-size="${named ? 10 : 12}" fill="${text}">`,
  ];
  for (const [c, { title, features }] of columns.entries()) {
    const [x, top, bottom] = [xOf(c), yOf(c, 0), yOf(c, features.length - 1)].map(px);
    parts.push(
      `<text x="${x}" y="16" text-anchor="middle" font-size="12" font-weight="600">${escaped(title, Math.floor(170 / 6))}</text>`,
      `<line x1="${x}" x2="${x}" y1="${top}" y2="${bottom}" stroke="var(--rule)" stroke-width="2"/>`,
    );
    const matched = new Set(rows.map(({ at }) => at[c]));
    for (const [f, name] of features.entries()) {
      if (matched.has(f)) continue;
      parts.push(
        `<g><title>${escaped(name)}, not matched</title><circle cx="${x}" cy="${px(yOf(c, f))}" r="1.8" fill="var(--soft)"/></g>`,
      );
    }
  }
  // The chosen one last, so that it lies above the others.
  for (const row of rows.toSorted((p, q) => Number(p.position === chosen) - Number(q.position === chosen))) {
    const isChosen = row.position === chosen;
    const kind = classOf(row.score, range);
    const stroke = isChosen ? inkOf('#d55e00', 'page') : `var(--score-${kind})`;
    const thick = isChosen ? 3.5 : 1 + 0.4 * kind;
    const names = columns.flatMap(({ features }, c) => (row.at[c] === undefined ? [] : [features[row.at[c]]]));
    parts.push(
      `<g><title>position ${row.position}: ${escaped(names.join(' – '), 400)}, score ${fixed(row.score, 3)}</title>`,
    );
    for (const [p, q] of row.links) {
      const [from, to] = [row.at[p], row.at[q]];
      if (from === undefined || to === undefined) continue;
      const ends = [xOf(p), yOf(p, from), xOf(q), yOf(q, to)].map(px);
      parts.push(
        Math.abs(p - q) === 1
          ? `<line x1="${ends[0]}" y1="${ends[1]}" x2="${ends[2]}" y2="${ends[3]}" stroke="${stroke}" stroke-width="${thick}"/>`
          : `<path d="${arc(xOf(p), yOf(p, from), xOf(q), yOf(q, to))}" fill="none" stroke="${stroke}" stroke-width="${thick}" stroke-dasharray="5 3"/>`,
      );
    }
    for (const [c, at] of row.at.entries()) {
      if (at === undefined) continue;
      const [x, y] = [xOf(c), yOf(c, at)];
      parts.push(
        isChosen
          ? `<rect x="${px(x - 5)}" y="${px(y - 5)}" width="10" height="10" fill="${stroke}"/>`
          : `<circle cx="${px(x)}" cy="${px(y)}" r="${px(Math.max(2, Math.min(3.5, pitch / 3)))}" fill="${stroke}"/>`,
      );
      if (!named) continue;
      const [anchor, place] = c === 0 ? ['end', x - 9] : ['start', x + 9];
      const bold = isChosen ? ' font-weight="700"' : '';
      const number = c === 0 ? ` <tspan fill="var(--soft)">${row.position}</tspan>` : '';
      parts.push(
        `<text x="${px(place)}" y="${px(y)}" dy="0.32em" text-anchor="${anchor}"${bold}>${escaped(shortened(columns[c].features[at]))}${number}</text>`,
      );
    }
    parts.push('</g>');
  }
  parts.push('</svg>');
  return parts.join('\n');
}

/** Past the columns between two that are not neighbours: bent, so that it is told from lines between neighbours. */
const arc = (x1: number, y1: number, x2: number, y2: number): string =>
  `M${px(x1)} ${px(y1)}Q${px((x1 + x2) / 2)} ${px((y1 + y2) / 2 - 26)} ${px(x2)} ${px(y2)}`;

/** The diagram with its legend, and the same as a table. */
export function matchFigure(parts: MatchParts): Markup {
  const { columns, rows, chosen, chosenText = 'chosen' } = parts;
  const range = rangeOf(rows);
  const [low, high] = range;
  const at = (share: number): string => fixed(low + share * (high - low), 3);
  const entries =
    high > low
      ? Array.from({ length: classes }, (_, k) => ({
          className: `score-${k}`,
          text: `${at(k / classes)} to ${at((k + 1) / classes)}`,
        }))
      : [{ className: `score-${classes - 1}`, text: fixed(low, 3) }];
  const marked = rows.findIndex(({ position }) => position === chosen);
  return figure({
    drawing: trusted(drawing(parts)),
    label: `${columns.length} networks side by side, ${rows.length} matched layers joined by lines${marked < 0 ? '' : `; position ${chosen} is marked: ${chosenText}`}. The table below has every pair.`,
    caption: `Layers in the order in which they are computed, the first at the top; ${rows.length} positions at which features are joined, with their numbers on the left. The thicker and stronger a line, the higher the score of the match. Dots without a line are not matched. ${marked < 0 ? '' : `The squares are position ${chosen}: ${chosenText}.`}`,
    key: legend(entries, 'score of the match'),
    data: {
      caption: 'Every position: the features that are joined there, and the score of the match.',
      head: ['position', ...columns.map(({ title }) => title), 'score'],
      rows: rows.map(({ position, at: places, score }) => [
        String(position),
        ...columns.map(({ features }, c) => (places[c] === undefined ? '–' : features[places[c]])),
        fixed(score, 3),
      ]),
      marked: marked < 0 ? undefined : marked,
    },
  });
}
