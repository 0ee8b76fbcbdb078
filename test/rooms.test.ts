/** Imports run down: each room of `src/` knows only those below it. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, sep } from 'node:path';
import { expect, it } from 'vitest';

/** From the bottom. Rooms in one row do not know each other. */
const rows = [
  ['files', 'execution', 'options'],
  ['volumes'],
  ['preprocessing'],
  ['data'],
  ['network'],
  ['metrics'],
  ['training', 'selection', 'prediction'],
  ['run'],
  ['report'],
  ['study'],
  // The same on a disk, and in a page.
  ['api', 'web'],
  ['cli'],
  // What a program sees of it; commands take what they need from its room.
  ['index.ts'],
];

const rowOf = (file: string): number => rows.findIndex(row => row.includes(file.split(sep)[1]));
const roomOf = (file: string): string => file.split(sep)[1];

it('has a place in the order for every file of src/, and no import goes up', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => join('src', name));
  expect(files.length).toBeGreaterThan(50);
  const wrong: string[] = [];
  for (const file of files) {
    if (rowOf(file) < 0) wrong.push(`${file} is in no room`);
    for (const [, path] of readFileSync(file, 'utf8').matchAll(/from '(\.\.?\/[^']+)'/g)) {
      const target = normalize(join(dirname(file), path));
      if (!target.startsWith(`src${sep}`) || roomOf(target) === roomOf(file)) continue;
      if (rowOf(target) >= rowOf(file)) wrong.push(`${file} imports ${target}`);
    }
  }
  expect(wrong).toEqual([]);
});
