/** Pages that people look at, of parts that any page can have: see `parts.ts`, `page.ts` and `docs/report.md`. */
export { type Content, html, Markup, trusted } from '../markup.ts';
export { page } from './page.ts';
export {
  code,
  details,
  facts,
  figure,
  listing,
  paragraphs,
  type Section,
  table,
  verdictBox,
} from './parts.ts';
