import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { html, trusted } from '../../../src/report/markup.ts';
import { anyText } from './characters.ts';

describe('a template of markup', () => {
  it('escapes text, and leaves markup, numbers and what is left out as they are', () => {
    const inner = html`<b>${'a & "b"'}</b>`;
    expect(html`<p title="${`<'">`}">${[inner, ' ', 3, false, undefined]}</p>`.text).toBe(
      '<p title="&lt;&#39;&quot;&gt;"><b>a &amp; &quot;b&quot;</b> 3</p>',
    );
    expect(html`${trusted('<i>')}`.text).toBe('<i>');
  });

  it('lets no text become a tag, an attribute or an entity, nor a control character through', () => {
    fc.assert(
      fc.property(anyText, text => {
        const found = html`<p title="${text}">${text}</p>`.text;
        const [, attribute, content] = /^<p title="([^"]*)">([^<]*)<\/p>$/.exec(found) ?? [];
        expect(content).toBe(attribute);
        expect(content).not.toMatch(/[<>"'\p{Cc}]|&(?!amp;|lt;|gt;|quot;|#39;)/u);
      }),
    );
  });

  it('does not cut what is long', () => {
    expect(html`${'x'.repeat(500)}`.text).toHaveLength(500);
  });

  it('refuses a hole in an attribute that has no double quotes', () => {
    expect(() => html`<p title=${'a'}>`).toThrow(RangeError);
    expect(() => html`<p title='${'a'}'>`).toThrow(RangeError);
  });
});
