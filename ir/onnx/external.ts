/**
 * External tensor data: elements in a file beside the model.
 *
 * The location comes from the file, so it is not trusted: it must be relative and stay inside the model's folder, also
 * when symbolic links are followed. Elements are read one tensor at a time, when they are asked for.
 */
import { closeSync, constants, fstatSync, openSync, readSync, realpathSync } from 'node:fs';
import { join, sep } from 'node:path';
import { printable, SutureError } from '../errors.ts';
import type { ModelProto, StringStringEntryProto } from './proto/schema.ts';

/** What reads bytes of the files beside a model. */
export interface ExternalSource {
  /**
   * `length` bytes at `offset` of the file at `location`, in memory of their own.
   *
   * @throws SutureError `model-external-data`.
   */
  read(location: string, offset: number, length: number, what: string): Uint8Array;
}

const refused = (message: string, cause?: unknown): SutureError =>
  new SutureError('model-external-data', message, { cause });

/**
 * The bytes that the entries of `TensorProto.external_data` point to.
 *
 * @param size how many bytes the tensor's dtype and shape need.
 * @throws SutureError `model-external-data`.
 */
export function externalBytes(
  entries: readonly StringStringEntryProto[],
  size: number,
  source: ExternalSource | undefined,
  what: string,
): Uint8Array {
  const values = new Map(entries.map(entry => [entry.key ?? '', entry.value ?? '']));
  const location = values.get('location');
  if (!location) throw refused(`${what} is external data, but names no file.`);
  if (source === undefined) {
    throw refused(
      `${what} is external data in '${printable(location)}', but only the model's bytes were given: import the model by its path.`,
    );
  }
  const offset = wholeNumber(values.get('offset') ?? '0', 'offset', what);
  const length = wholeNumber(values.get('length') ?? String(size), 'length', what);
  if (length !== size) {
    throw refused(`${what} needs ${size} bytes, but its external data says that there are ${length}.`);
  }
  checkLocation(location, what);
  return source.read(location, offset, length, what);
}

function wholeNumber(text: string, key: string, what: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw refused(`${what} has external data whose ${key} is '${printable(text)}', not a count of bytes.`);
}

function checkLocation(location: string, what: string): void {
  const parts = location.split(/[/\\]/);
  if (parts[0] === '' || /^[a-z]:/i.test(location) || location.includes('\0') || parts.includes('..')) {
    throw refused(
      `${what} points to external data in '${printable(location)}': only files inside the model's folder are read.`,
    );
  }
}

function unreadable(location: string, what: string, cause: unknown): SutureError {
  const missing = cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
  return refused(
    `${what} is external data in '${printable(location)}', which ${missing ? 'is missing' : 'cannot be read'}: it must lie beside the model.`,
    cause,
  );
}

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
    throw unreadable(location, what, cause);
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
    if (offset + length > size) {
      throw refused(
        `${what} needs bytes ${offset} to ${offset + length} of '${printable(location)}', which has only ${size}: the file is truncated or belongs to another model.`,
      );
    }
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
      throw unreadable(location, what, cause);
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

/** The files that hold tensors of a model, relative to its folder: wherever its message says that data is elsewhere. */
export function externalLocations(model: ModelProto): readonly string[] {
  const locations = new Set<string>();
  collect(model, locations);
  locations.delete('');
  return [...locations];
}

/** Initialisers, and tensors of attributes and of inner graphs too. */
function collect(message: object, locations: Set<string>): void {
  for (const [field, value] of Object.entries(message) as [string, unknown][]) {
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) continue;
    if (field === 'externalData') {
      for (const { key, value: text } of value as readonly { key?: string; value?: string }[]) {
        if (key === 'location') locations.add(text ?? '');
      }
    } else if (!Array.isArray(value)) collect(value, locations);
    else if (typeof value[0] === 'object') for (const item of value as readonly object[]) collect(item, locations);
  }
}
