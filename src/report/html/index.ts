/** Pages that people look at, of parts that any page can have: see `parts.ts`, `page.ts` and `docs/report.md`. */
export { type Content, html, Markup, trusted } from '../markup.ts';
export type { MetricsLine } from '../stored.ts';
export { casesFigure } from './cases.ts';
export { positionsFigure, trainingFigures } from './curves.ts';
export { type MatchColumn, type MatchParts, type MatchRow, matchFigure } from './match.ts';
export { type PageParts, page } from './page.ts';
export {
  code,
  details,
  type FigureParts,
  facts,
  figure,
  legend,
  list,
  listing,
  paragraphs,
  type Section,
  type TableParts,
  table,
  type VerdictParts,
  verdictBox,
  warning,
} from './parts.ts';
