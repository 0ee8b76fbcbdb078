import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** All files below a folder, by their path in it, but the lock that a killed process leaves. */
export async function filesOf(folder: string, encoding: 'base64' | 'utf8' = 'base64'): Promise<Record<string, string>> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true })).filter(
    e => e.isFile() && e.name !== '.suture-lock',
  );
  const entries = names.map(async e => {
    const path = join(e.parentPath, e.name);
    return [path.slice(folder.length + 1), (await readFile(path)).toString(encoding)] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}
