/** Data from a disk. */
import { printable, SutureError } from '../../ir/errors.ts';
import { readFault, withFile } from '../files/input.ts';
import { isFolder } from '../files/there.ts';
import { type Dataset, datasetOf, type LabelOptions, readArrays, unreadable } from './dataset.ts';
import { FormatError } from './npy.ts';
import type { Npz } from './npz.ts';
import { readNpz } from './npz-file.ts';
import { loadFolder, type Use } from './raw/load.ts';

/**
 * Reads a data file, or a folder of image files.
 *
 * @param use of a folder: to be covered by tiles, or drawn from.
 * @throws SutureError as `parseDataset` and {@link loadFolder}, and when the file cannot be read.
 */
export async function loadDataset(path: string, said: LabelOptions = {}, use: Use = 'scoring'): Promise<Dataset> {
  if (await isFolder(path)) return loadFolder(path, said, use);
  return readData(path, readArrays, (arrays, names) => datasetOf(path, arrays, names, said));
}

/** The folds that images of a data file have, of which nothing else is read; undefined without any. @throws SutureError `data-unreadable`. */
export const foldsIn = (path: string): Promise<ReadonlySet<number> | undefined> =>
  readData(path, new Set(['fold']), arrays => {
    const found = arrays.get('fold');
    return found && new Set(Array.from(found.data, Number));
  });

async function readData<T>(
  path: string,
  only: ReadonlySet<string>,
  make: (arrays: Npz, names: readonly string[]) => T,
): Promise<T> {
  try {
    const { arrays, names } = await withFile(path, file => readNpz(file, only));
    return make(arrays, names);
  } catch (cause) {
    if (cause instanceof SutureError) throw cause;
    if (cause instanceof FormatError) throw unreadable(path, cause);
    throw new SutureError('data-unreadable', `${printable(path)}: ${readFault(cause)}.`, { cause });
  }
}
