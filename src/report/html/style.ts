import { pictureStyle } from './masks.ts';

/**
 * The style sheet of pages. Colours are variables: `--ink-…` of figures by their colour on paper (`inkOf` in `chart.ts`), Okabe and Ito's
 * where they have 3 to 1 against the ground and darker or lighter ones where not; text has 4.5 to 1 or more in both schemes.
 */
export const styleSheet = `:root {
  color-scheme: light dark;
  --paper: #ffffff; --panel: #f4f6f8; --text: #1b1f24; --soft: #4f5963; --rule: #d5dbe1; --accent: #0a5a8c; --mark: #e5f1fa;
  --good: #0b6b4f; --bad: #a33a00; --alert: #fff4d6; --alert-edge: #b87a00;
  --ink-0072b2: #0072b2; --ink-d55e00: #c95600; --ink-009e73: #008562; --ink-cc79a7: #b75a90; --ink-e69f00: #b67a00;
  --ink-56b4e9: #2e8fc9; --ink-000000: #000000; --ink-666666: #666666;
  --score-0: #8fa3b5; --score-1: #5f93bd; --score-2: #2f78ab; --score-3: #0a5a8c; --score-4: #063a5c;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14181c; --panel: #1d2328; --text: #e7eaed; --soft: #aab4bd; --rule: #3b444d; --accent: #7fc4f2; --mark: #1c3242;
    --good: #5fd0a5; --bad: #ff9d66; --alert: #352b12; --alert-edge: #e0a83a;
    --ink-0072b2: #58a8e8; --ink-d55e00: #ff8b42; --ink-009e73: #30c498; --ink-cc79a7: #e59fc7; --ink-e69f00: #f0b53a;
    --ink-56b4e9: #86cdf5; --ink-000000: #f2f4f5; --ink-666666: #a9b2ba;
    --score-0: #5d6f80; --score-1: #5f8fb4; --score-2: #6aaede; --score-3: #9bd0f5; --score-4: #d9effd;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem 1.25rem 4rem; max-width: 73rem; background: var(--paper); color: var(--text);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0.5rem 0 0.25rem; letter-spacing: -0.01em; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 3rem 0 0.75rem; padding-top: 0.75rem; border-top: 1px solid var(--rule); }
h3 { font-size: 1.05rem; margin: 2rem 0 0.5rem; }
p, ul, dl, pre, figure { margin: 0 0 1rem; max-width: 46rem; }
figure, dl, pre { max-width: none; }
.subtitle { color: var(--soft); }
a { color: var(--accent); text-underline-offset: 0.15em; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 2px; }
.skip { position: absolute; left: -100rem; }
.skip:focus { left: 1rem; top: 0.5rem; background: var(--paper); padding: 0.25rem 0.5rem; z-index: 1; }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.25rem 1.1rem; max-width: none; font-size: 0.95rem; }
.verdict { background: var(--panel); border-left: 5px solid var(--accent); border-radius: 0 6px 6px 0; padding: 1rem 1.25rem 0.5rem; margin: 1.25rem 0; }
.verdict p, .verdict ul { max-width: none; margin-bottom: 0.6rem; }
.verdict .what { font-size: 1.3rem; line-height: 1.35; }
.verdict li { margin-bottom: 0.15rem; }
.warning { background: var(--alert); border-left: 4px solid var(--alert-edge); padding: 0.5rem 0.9rem; border-radius: 0 4px 4px 0; }
.scroll { overflow-x: auto; margin: 0 0 1rem; container-type: inline-size; }
table { border-collapse: collapse; font-size: 0.9rem; line-height: 1.4; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding: 0 0 0.5rem; }
.said { display: block; position: sticky; left: 0; max-width: min(46rem, 100cqw); }
th, td { text-align: left; vertical-align: top; padding: 0.35rem 0.8rem 0.35rem 0; border-bottom: 1px solid var(--rule); font-weight: 400; }
thead th { font-weight: 600; vertical-align: bottom; border-bottom-width: 2px; }
.n { text-align: right; padding: 0.35rem 0.4rem 0.35rem 0.8rem; white-space: nowrap; }
.n + :not(.n) { padding-left: 0.8rem; }
tr.marked th, tr.marked td { background: var(--mark); font-weight: 600; }
th:first-child { padding-left: 0.4rem; }
tbody th { min-width: 10.5rem; }
small { font-size: 0.85em; color: var(--soft); font-weight: 400; }
td small, th small { display: block; white-space: nowrap; line-height: 1.3; }
tbody th small { white-space: normal; }
td .beside { display: inline; }
.better { color: var(--good); }
.worse { color: var(--bad); }
.drawing { overflow-x: auto; }
.drawing svg { display: block; max-width: 100%; height: auto; }
figcaption { color: var(--soft); font-size: 0.92rem; max-width: 46rem; margin: 0.25rem 0 0.5rem; }
details { margin: 0.25rem 0 1rem; }
summary { cursor: pointer; color: var(--accent); font-size: 0.92rem; }
details[open] > summary { margin-bottom: 0.5rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 27rem), 1fr)); gap: 0 1.5rem; }
.facts { display: grid; gap: 0.15rem; font-size: 0.93rem; }
.facts div { display: grid; grid-template-columns: 11rem 1fr; gap: 1rem; padding: 0.25rem 0; border-bottom: 1px solid var(--rule); }
dt { color: var(--soft); }
dd { margin: 0; min-width: 0; }
code { font: 0.88em/1.5 ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
pre { background: var(--panel); padding: 0.75rem 1rem; border-radius: 6px; overflow-x: auto; }
pre code { white-space: pre-wrap; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; font-size: 0.92rem; max-width: none; }
.swatch { display: inline-block; width: 0.9em; height: 0.9em; margin-right: 0.45em; vertical-align: -0.1em; border: 1px solid var(--text); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.score-0 { background: var(--score-0); }
.score-1 { background: var(--score-1); }
.score-2 { background: var(--score-2); }
.score-3 { background: var(--score-3); }
.score-4 { background: var(--score-4); }
${pictureStyle}
.panels { list-style: none; padding: 0; margin: 0 0 0.5rem; display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: 0.9rem 0.6rem; max-width: none; }
.panels svg + svg { margin-top: 3px; }
.panels p { margin: 0.2rem 0 0; font-size: 0.82rem; line-height: 1.3; }
.panels svg { display: block; width: 100%; height: auto; background: #000; image-rendering: pixelated; border-radius: 3px; }
footer { margin-top: 3rem; color: var(--soft); font-size: 0.9rem; }
@media screen and (max-width: 40rem) { .drawing svg { min-width: 34rem; } }
@media (max-width: 40rem) { .facts div { grid-template-columns: 1fr; gap: 0; } }
@page { margin: 12mm 9mm; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav, .skip, details:not([open]) { display: none; }
  h2 { margin-top: 1.5rem; break-after: avoid; }
  h3, caption { break-after: avoid; }
  table { font-size: 7pt; }
  tbody th { min-width: 5.5rem; }
  th, td, .n, .n + :not(.n) { padding: 0.2rem 0.3rem; }
  figure, tr, .verdict, .panels li { break-inside: avoid; }
  .said { position: static; max-width: 46rem; }
  .scroll { container-type: normal; }
  .scroll, .drawing, pre { overflow: visible; }
  .verdict, .warning, tr.marked th, tr.marked td { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  a { color: inherit; text-decoration: none; }
}
`;
