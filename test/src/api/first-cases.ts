/** The volumes of `fixtures/volumes3d`, and of what is there the first, for what is not about many. */
import { cp, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { type MatchOptions, match } from '../../../src/api/match.ts';

export const fixture = (file: string): string => join('fixtures', 'volumes3d', file);

/** Copies the first case of each part of a site into a folder, and returns where they are. */
export async function firstCases(site: 'a' | 'b', folder: string): Promise<string> {
  const to = join(folder, site);
  await cp(fixture(site), to, { recursive: true, filter: path => !/T[rs][1-9]/.test(basename(path)) });
  return to;
}

/** Writes two pairs of layers that match, one of either half of the networks, and returns their file: each position costs time. */
export async function fewPairs(
  networks: readonly [string, string],
  labels: NonNullable<MatchOptions['labels']>,
  folder: string,
): Promise<string> {
  const { pairs } = await match(networks, { labels });
  const file = join(folder, 'pairs.json');
  await writeFile(file, JSON.stringify({ pairs: [0.25, 0.75].map(at => pairs[Math.floor(at * pairs.length)]) }));
  return file;
}
