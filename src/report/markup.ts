/** HTML as values of a type of its own: a template puts nothing into a page that is not escaped, so that a name from a file is inert text. */
import { printable } from '../../ir/errors.ts';

/** Text that is markup already. Only {@link html} and {@link trusted} make it. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  toString(): string {
    return this.text;
  }
}

/** What a template takes: text, which is escaped; numbers; markup, as it is; lists of these; and nothing. */
export type Content = Markup | string | number | undefined | false | readonly Content[];

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** Text that may come from a file, fit for SVG, HTML, and attributes in double quotes; what is longer than `limit` is cut in the middle. */
export const escaped = (text: string, limit = 120): string =>
  printable(text, limit)
    .replace(/[&<>"]/g, c => entities[c])
    .replace(/[\ud800-\udfff\ufffe\uffff]/gu, '\ufffd');

/** Markup that something else has made and escaped, as the figures of `chart.ts`. */
export const trusted = (text: string): Markup => new Markup(text);

/**
 * A template whose holes are escaped. Attributes stand in double quotes.
 *
 * @throws RangeError for a hole in an attribute that stands in none: what is escaped for quotes is not safe there.
 */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  const parts = values.map((value, i) => {
    if (/=\s*'?$/.test(strings[i])) throw new RangeError(`No quotes around an attribute: ${strings[i].slice(-40)}`);
    return strings[i] + textOf(value);
  });
  return new Markup(parts.join('') + strings[values.length]);
}

function textOf(value: Content): string {
  if (value instanceof Markup) return value.text;
  if (value === undefined || value === false) return '';
  if (typeof value === 'string') return escaped(value, Number.POSITIVE_INFINITY).replaceAll("'", '&#39;');
  return typeof value === 'number' ? String(value) : value.map(textOf).join('');
}
