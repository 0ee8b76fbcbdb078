/** Images that may be more than memory holds: kept there as far as that goes, else in a file that is read image by image. */
import { mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { printable, SutureError } from '../../../ir/errors.ts';
import { freeBytes } from '../../execution/room.ts';
import type { ImageFile } from '../dataset.ts';

/** Of the memory that is free, so much at most is taken for images: work on them needs the rest. */
const shareOfMemory = 0.25;

const asBytes = (numbers: Float32Array): Uint8Array =>
  new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength);

/** A file under no name: it is gone with the process. Where the system keeps the name of an open file, it is removed at the end. */
function nameless(): number {
  const folder = mkdtempSync(join(tmpdir(), 'suture-'));
  const file = openSync(join(folder, 'images'), 'wx+', 0o600);
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  }
  return file;
}

/** Takes images of one size one after another. */
export class ImageCollector {
  readonly #most: number;
  #inMemory: Float32Array<ArrayBuffer>[] = [];
  #file: number | undefined;
  #length = 0;

  /** @param most bytes to take of memory. */
  constructor(most = shareOfMemory * freeBytes()) {
    this.#most = most;
  }

  add(image: Float32Array<ArrayBuffer>): void {
    if (this.#file === undefined && 4 * (this.#length + image.length) > this.#most) this.#spill();
    if (this.#file === undefined) this.#inMemory.push(image);
    else this.#write(image, this.#length);
    this.#length += image.length;
  }

  /** All of them. */
  images(): Float32Array<ArrayBuffer> | ImageFile {
    const [file, length] = [this.#file, this.#length];
    if (file !== undefined) {
      return { length, read: (target, from) => read(file, target, from) };
    }
    const all = new Float32Array(length);
    let at = 0;
    for (const image of this.#inMemory) {
      all.set(image, at);
      at += image.length;
    }
    this.#inMemory = [];
    return all;
  }

  #spill(): void {
    try {
      this.#file = nameless();
    } catch (cause) {
      throw unwritable(cause);
    }
    let at = 0;
    for (const image of this.#inMemory) {
      this.#write(image, at);
      at += image.length;
    }
    this.#inMemory = [];
  }

  #write(image: Float32Array, at: number): void {
    const bytes = asBytes(image);
    try {
      for (let done = 0; done < bytes.length; ) {
        done += writeSync(this.#file!, bytes, done, bytes.length - done, 4 * at + done);
      }
    } catch (cause) {
      throw unwritable(cause);
    }
  }
}

function read(file: number, target: Float32Array, from: number): void {
  const bytes = asBytes(target);
  for (let done = 0; done < bytes.length; ) {
    const count = readSync(file, bytes, done, bytes.length - done, 4 * from + done);
    if (count === 0) throw new Error('a temporary file of images is shorter than it was');
    done += count;
  }
}

const unwritable = (cause: unknown): SutureError =>
  new SutureError(
    'output-unwritable',
    `The images are more than memory holds and cannot be kept in ${printable(tmpdir())} (${printable((cause as Error).message)}): ` +
      'name a folder with room by TMPDIR, or say with SUTURE_MEMORY_GIB how much memory may be taken.',
    { cause },
  );
