/** External tensor data in the folder of the model. Locations stay inside it also when symbolic links are followed. */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import { printable } from '../errors.ts';
import { checkLocation, type ExternalSource, refused, requireWithin, unreadable } from './external.ts';

const isMissing = (cause: unknown): boolean => cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';

/**
 * The real path of a file below a model's folder, links followed.
 *
 * @throws SutureError `model-external-data` when it is not there, or outside.
 */
export function resolveExternal(folder: string, location: string, what: string): string {
  checkLocation(location, what);
  let root: string;
  let path: string;
  try {
    root = realpathSync(folder);
    path = realpathSync(join(root, location));
  } catch (cause) {
    throw unreadable(location, isMissing(cause), what, cause);
  }
  if (path.startsWith(root.endsWith(sep) ? root : root + sep)) return path;
  throw refused(
    `${what} points to external data in '${printable(location)}', a link out of the model's folder: only files inside it are read.`,
  );
}

/** Reads external data below a folder. Files stay open between reads; `close` closes them. */
export class ExternalFolder implements ExternalSource {
  readonly folder: string;
  readonly #open = new Map<string, { readonly fd: number; readonly size: number }>();

  constructor(folder: string) {
    this.folder = folder;
  }

  read(location: string, offset: number, length: number, what: string): Uint8Array {
    const { fd, size } = this.#file(location, what);
    requireWithin(location, offset, length, size, what);
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const count = readSync(fd, bytes, done, Math.min(length - done, 2 ** 30), offset + done);
      if (count === 0) throw refused(`${what} could not be read from '${printable(location)}': it ended early.`);
      done += count;
    }
    return bytes;
  }

  close(): void {
    for (const { fd } of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  #file(location: string, what: string): { readonly fd: number; readonly size: number } {
    const known = this.#open.get(location);
    if (known !== undefined) return known;
    const path = resolveExternal(this.folder, location, what);
    let fd: number;
    try {
      // A link put there since is not followed, and a pipe does not block.
      fd = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0));
    } catch (cause) {
      throw unreadable(location, isMissing(cause), what, cause);
    }
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      closeSync(fd);
      throw refused(`${what} is external data in '${printable(location)}', which is no file.`);
    }
    const opened = { fd, size: stat.size };
    this.#open.set(location, opened);
    return opened;
  }
}
