/** Where suture keeps what it can make again: the unpacked driver, measurements of kernels. */
import { chmod, lstat, mkdir } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

/**
 * The directories that may hold suture's caches, the preferred one first: `SUTURE_CACHE_DIR`, the user's cache directory
 * (`XDG_CACHE_HOME`, else `~/.cache`), and a private directory under the system's temporary one.
 */
export function cacheDirectories(env: NodeJS.ProcessEnv = process.env): readonly string[] {
  const directories: string[] = [];
  if (env.SUTURE_CACHE_DIR) directories.push(env.SUTURE_CACHE_DIR);
  if (env.XDG_CACHE_HOME) directories.push(join(env.XDG_CACHE_HOME, 'suture'));
  else if (homedir() !== '') directories.push(join(homedir(), '.cache', 'suture'));
  directories.push(join(tmpdir(), `suture-${process.getuid?.() ?? 'user'}`));
  return directories;
}

/** Makes `directory` if need be, and refuses one that another user could have filled. */
export async function ensurePrivate(directory: string): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const status = await lstat(directory);
  const uid = process.getuid?.();
  if (!status.isDirectory()) throw new Error('is not a directory');
  if (uid !== undefined && status.uid !== uid && status.uid !== 0) throw new Error('belongs to another user');
  if ((status.mode & 0o022) !== 0) {
    if (uid !== status.uid) throw new Error('can be written by others');
    await chmod(directory, 0o755);
  }
}
