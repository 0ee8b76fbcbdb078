/** The volumes of `fixtures/volumes3d`, and of a site the first of each part, for what is not about many cases. */
import { cp } from 'node:fs/promises';
import { basename, join } from 'node:path';

export const fixture = (file: string): string => join('fixtures', 'volumes3d', file);

/** Copies them into a folder, and returns where they are. */
export async function firstCases(site: 'a' | 'b', folder: string): Promise<string> {
  const to = join(folder, site);
  await cp(fixture(site), to, { recursive: true, filter: path => !/T[rs][1-9]/.test(basename(path)) });
  return to;
}
