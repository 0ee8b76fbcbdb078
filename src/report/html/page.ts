/** A page in one file: nothing in it is fetched, nothing in it runs, and its policy has the browser see to that. */
import { sutureVersion } from '../../execution/suture-version.ts';
import { type Content, html, trusted } from '../markup.ts';
import type { Section } from './parts.ts';
import { styleSheet } from './style.ts';

export interface PageParts {
  readonly title: string;
  /** Under the title. */
  readonly subtitle: Content;
  /** Before the list of contents: what the page is for. */
  readonly lead: Content;
  readonly sections: readonly Section[];
}

const policy = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** The page as the text of a file. */
export function page({ title, subtitle, lead, sections }: PageParts): string {
  const contents = sections.map(section => html`<li><a href="#${section.id}">${section.title}</a></li>\n`);
  const body = sections.map(
    section => html`<section id="${section.id}" aria-labelledby="${section.id}-title">
<h2 id="${section.id}-title">${section.title}</h2>
${section.body}</section>
`,
  );
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="generator" content="suture ${sutureVersion}">
<title>${title}</title>
<style>
${trusted(styleSheet)}</style>
</head>
<body>
<a class="skip" href="#content">To the content</a>
<header>
<h1>${title}</h1>
<p class="subtitle">${subtitle}</p>
</header>
<main id="content">
${lead}<nav aria-label="Contents"><ul>
${contents}</ul></nav>
${body}</main>
<footer><p>Made by suture ${sutureVersion}. One file: nothing is fetched, nothing runs.</p></footer>
</body>
</html>
`.text;
}
