/** What holds for every page of the docs. `npm run docs` writes their tables of options anew. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as passes from '../../passes/index.ts';
import { withTables } from './tables.ts';

const pages = [
  ...['README.md', 'CHANGELOG.md', 'fixtures/README.md', 'bench/README.md', 'test/README.md'],
  ...readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => join('docs', name)),
];

describe.each(pages)('%s', page => {
  const text = readFileSync(page, 'utf8');

  it('has the tables that options make', () => {
    const anew = withTables(text);
    if (process.env.SUTURE_UPDATE_DOCS) writeFileSync(page, anew);
    else expect(text, 'npm run docs').toBe(anew);
  });

  it('has no line of more than 150 columns', () => {
    expect(
      withTables(text)
        .split('\n')
        .filter(line => [...line].length > 150),
    ).toEqual([]);
  });

  it('links to what is there', () => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)/g)].map(([, path]) => path);
    expect(links.filter(path => !existsSync(join(dirname(page), path)))).toEqual([]);
  });
});

it('the index lists every page once', () => {
  const listed = [...readFileSync('docs/README.md', 'utf8').matchAll(/^\d+\. \[[^\]]*\]\(([^.)][^)]*\.md)\)/gm)].map(
    ([, path]) => join('docs', path),
  );
  const expected = pages.filter(page => page.startsWith('docs') && page !== join('docs', 'README.md'));
  expect(listed.toSorted()).toEqual(expected.toSorted());
});

describe('docs/passes.md', () => {
  const text = readFileSync('docs/passes.md', 'utf8');

  it('names functions that there are', () => {
    const named = [...text.matchAll(/`([a-z]\w+)\((?:graph|network|a|loss|parents)\b/g)].map(([, name]) => name);
    expect(named.length).toBeGreaterThan(10);
    expect(named.filter(name => !(name in passes))).toEqual([]);
  });

  it('names every pass, and files that there are', () => {
    const files = [...text.matchAll(/`(passes\/[\w/.-]+)`/g)].map(([, path]) => path);
    expect(files.filter(path => !existsSync(path))).toEqual([]);
    const rooms = files.map(path => path.replace(/(\.ts|\/)$/, ''));
    const all = readdirSync('passes').map(name => join('passes', name.replace('.ts', '')));
    const parts = ['passes/index', 'passes/unify'];
    expect(all.filter(path => !rooms.includes(path) && !parts.includes(path))).toEqual([]);
  });

  it('has every rule of simplification', () => {
    const rules = readdirSync('passes/simplify').map(name => name.replace('.ts', ''));
    const parts = ['rule', 'simplify', 'scaled-layer'];
    expect(rules.filter(name => !parts.includes(name) && !text.includes(`\`${name}\``))).toEqual([]);
  });
});
