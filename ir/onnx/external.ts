/**
 * External tensor data: elements in a file beside the model.
 *
 * The location comes from the file, so it is not trusted: it must be relative and stay inside the model's folder. Elements are
 * read one tensor at a time, when they are asked for.
 */
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

/** @internal for sources. */
export const refused = (message: string, cause?: unknown): SutureError =>
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

/** @internal for sources. */
export function checkLocation(location: string, what: string): void {
  const parts = location.split(/[/\\]/);
  if (parts[0] === '' || /^[a-z]:/i.test(location) || location.includes('\0') || parts.includes('..')) {
    throw refused(
      `${what} points to external data in '${printable(location)}': only files inside the model's folder are read.`,
    );
  }
}

/** The part of a file that a tensor lies in must be there. @internal for sources. */
export function requireWithin(location: string, offset: number, length: number, size: number, what: string): void {
  if (offset + length <= size) return;
  throw refused(
    `${what} needs bytes ${offset} to ${offset + length} of '${printable(location)}', which has only ${size}: the file is truncated or belongs to another model.`,
  );
}

/** @internal for sources. */
export function unreadable(location: string, isMissing: boolean, what: string, cause?: unknown): SutureError {
  return refused(
    `${what} is external data in '${printable(location)}', which ${isMissing ? 'is missing' : 'cannot be read'}: it must lie beside the model.`,
    cause,
  );
}

/** The contents of the files beside a model, by the locations that it names. */
export class ExternalBytes implements ExternalSource {
  readonly #files: ReadonlyMap<string, Uint8Array>;

  constructor(files: ReadonlyMap<string, Uint8Array>) {
    this.#files = files;
  }

  read(location: string, offset: number, length: number, what: string): Uint8Array {
    const file = this.#files.get(location);
    if (file === undefined) throw unreadable(location, true, what);
    requireWithin(location, offset, length, file.byteLength, what);
    return Uint8Array.from(file.subarray(offset, offset + length));
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
