import { describe, expect, it } from 'vitest';
import { html, page, table, verdictBox } from '../../../../src/report/html/index.ts';

describe('a page', () => {
  const text = page({
    title: 'A <report>',
    subtitle: 'of two networks',
    lead: verdictBox({ what: 'b', why: 'because', sure: ['quite'], warnings: ['beware'] }),
    sections: [
      { id: 'one', title: 'First', body: html`<p>x</p>` },
      { id: 'two', title: 'Second', body: '' },
    ],
  });

  it('is one whole that fetches and runs nothing', () => {
    expect(text).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(text).toContain('content="default-src &#39;none&#39;; img-src data:; style-src &#39;unsafe-inline&#39;');
    expect(text).not.toMatch(/<script|<link|@import|https?:|\son\w+="/);
    expect(text).toContain('<title>A &lt;report&gt;</title>');
  });

  it('lists its sections, each under a heading of the second level', () => {
    expect([...text.matchAll(/<a href="#(\w+)">([^<]*)/g)].map(([, id, title]) => [id, title])).toEqual([
      ['one', 'First'],
      ['two', 'Second'],
    ]);
    expect([...text.matchAll(/<h(\d)/g)].map(([, level]) => level).join('')).toBe('122');
    expect(text).toContain('<section id="two" aria-labelledby="two-title">');
  });
});

describe('a table', () => {
  it('has a caption, scopes, and numbers on the right', () => {
    const { text } = table({
      caption: 'Scores <of> all',
      head: ['network', 'score', 'word'],
      rows: [
        ['a', '0.9', 'better'],
        ['b', '–', undefined],
      ],
      marked: 1,
    });
    expect(text).toMatch(/<caption><[^>]+>Scores &lt;of&gt; all<\/span><\/caption>/);
    expect(text).toContain('<th scope="col" class="n">score</th><th scope="col">word</th>');
    expect(text).toContain('<tr class="marked"><th scope="row">b</th><td class="n">–</td><td>–</td></tr>');
  });
});
