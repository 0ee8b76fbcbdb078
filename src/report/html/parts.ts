/** What pages are made of: sections, tables, figures, facts, a verdict. Each is markup, and says what it is to those who do not see it. */
import { type Content, html, type Markup, trusted } from '../markup.ts';

/** A chapter of a page, in its list of contents. */
export interface Section {
  /** The fragment that links to it. */
  readonly id: string;
  readonly title: string;
  readonly body: Content;
}

export interface TableParts {
  /** What it holds, in a sentence. */
  readonly caption: string;
  readonly head: readonly Content[];
  /** The first cell of a row names it. */
  readonly rows: readonly (readonly Content[])[];
  /** The row that all is about, by its index. */
  readonly marked?: number | undefined;
}

const isNumeric = (cell: Content): boolean =>
  cell === undefined || typeof cell === 'number' || (typeof cell === 'string' && /^(?:[−+-]?\d|–|$)/.test(cell));

/** A table; columns of numbers are aligned to the right. What is too wide for the page is scrolled, by keys too. */
export function table({ caption, head, rows, marked }: TableParts): Markup {
  const right = head.map((_, column) => column > 0 && rows.length > 0 && rows.every(row => isNumeric(row[column])));
  const cells = (row: readonly Content[]): readonly Markup[] =>
    row.map((cell, column) =>
      column === 0
        ? html`<th scope="row">${cell}</th>`
        : html`<td${right[column] && trusted(' class="n"')}>${cell ?? '–'}</td>`,
    );
  const heads = head.map((cell, column) => html`<th scope="col"${right[column] && trusted(' class="n"')}>${cell}</th>`);
  return html`<div class="scroll" role="group" tabindex="0" aria-label="${caption}"><table>
<caption><span class="said">${caption}</span></caption>
<thead><tr>${heads}</tr></thead>
<tbody>
${rows.map((row, i) => html`<tr${i === marked && trusted(' class="marked"')}>${cells(row)}</tr>\n`)}</tbody>
</table></div>
`;
}

/** What is shown when it is asked for. */
export const details = (summary: string, body: Content): Markup =>
  html`<details><summary>${summary}</summary>\n${body}</details>\n`;

export interface FigureParts {
  /** SVG. */
  readonly drawing: Markup;
  /** What it shows, for those who do not see it. */
  readonly label: string;
  readonly caption: Content;
  /** What its colours mean. */
  readonly key?: Markup | undefined;
  /** The numbers behind it. */
  readonly data?: TableParts | undefined;
}

/** The words of a drawing are said by its label, and not one after another. */
const hidden = ({ text }: Markup): Markup => trusted(text.replace(/^<svg /, '<svg aria-hidden="true" '));

/** A figure with its caption, and the same as a table. */
export const figure = ({ drawing, label, caption, key, data }: FigureParts): Markup => html`<figure>
<div class="drawing" role="img" aria-label="${label}">${hidden(drawing)}</div>
${key}<figcaption>${caption}</figcaption>
${data && details('The same as a table', table(data))}</figure>
`;

/** Names and what they stand for. */
export const facts = (entries: readonly (readonly [string, Content])[]): Markup =>
  html`<dl class="facts">\n${entries.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>\n`)}</dl>\n`;

/** Text as it is typed or stored: a command, a hash, a path. */
export const code = (text: string): Markup => html`<code>${text}</code>`;

/** Lines as they are typed. */
export const listing = (lines: readonly string[]): Markup =>
  html`<pre tabindex="0"><code>${lines.map(line => [line, trusted('\n')])}</code></pre>\n`;

export const list = (items: readonly Content[]): Markup =>
  html`<ul>\n${items.map(item => html`<li>${item}</li>\n`)}</ul>\n`;

export const paragraphs = (texts: readonly Content[]): readonly Markup[] => texts.map(text => html`<p>${text}</p>\n`);

/** What a page is for, before all else. */
export interface VerdictParts {
  /** In a few words: the network that is exported. */
  readonly what: Content;
  /** Why, in a sentence. */
  readonly why: Content;
  /** How sure that is: a sentence for each comparison. */
  readonly sure: readonly Content[];
  /** What speaks against it, or must be known before it is used. */
  readonly warnings?: readonly Content[];
}

export const verdictBox = ({ what, why, sure, warnings = [] }: VerdictParts): Markup => html`<div class="verdict">
<p class="what">${what}</p>
<p>${why}</p>
${sure.length > 0 && list(sure)}${warnings.map(warning)}</div>
`;

/** What is missing, or must be heeded. */
export const warning = (text: Content): Markup => html`<p class="warning"><strong>Note:</strong> ${text}</p>\n`;

/** Colours and what they stand for, after what they are all about. `className` of each says the colour: see `style.ts`. */
export const legend = (
  entries: readonly { readonly className: string; readonly text: Content }[],
  about?: string,
): Markup =>
  html`<ul class="legend">${about !== undefined && html`<li>${about}</li>`}${entries.map(({ className, text }) => html`<li><span class="swatch ${className}"></span>${text}</li>`)}</ul>\n`;
