/** Files of a `.tar.gz`, in memory. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

const BLOCK = 512;

/** Contents by path. Only plain files are given; the archive is read whole. */
export function readTarGz(path: string | URL): Map<string, Uint8Array> {
  const tar = gunzipSync(readFileSync(path));
  const files = new Map<string, Uint8Array>();
  const text = (start: number, length: number): string => {
    const field = tar.subarray(start, start + length);
    const end = field.indexOf(0);
    return field.subarray(0, end < 0 ? length : end).toString();
  };
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= tar.length && tar[at] !== 0; ) {
    const size = Number.parseInt(text(at + 124, 12), 8);
    const kind = String.fromCharCode(tar[at + 156]);
    const prefix = text(at + 345, 155);
    const contents = tar.subarray(at + BLOCK, at + BLOCK + size);
    // GNU tar puts a name of more than 100 characters before its file.
    if (kind === 'L') longName = contents.toString().replace(/\0+$/, '');
    else {
      const name = longName ?? (prefix ? `${prefix}/${text(at, 100)}` : text(at, 100));
      longName = undefined;
      if (kind === '0' || kind === '\0') files.set(name.replace(/^\.\//, ''), contents);
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  return files;
}
