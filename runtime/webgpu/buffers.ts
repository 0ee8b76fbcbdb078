/** Device memory of one session: constants by content, and whatever else it asks for; all given back at once. */
import { ContentMap } from '../../ir/content.ts';
import { SutureError } from '../../ir/errors.ts';
import type { Tensor } from '../../ir/tensor.ts';
import type { Device } from '../adapter/device.ts';
import { toDevice } from '../kernels/storage.ts';

/** `GPUBufferUsage`, which Node does not define. */
export const usage = { mapRead: 1, copySource: 4, copyDestination: 8, uniform: 64, storage: 128 } as const;

/** Sizes are whole vectors of four elements, so that a kernel may see any buffer as vectors. */
const granularity = 16;

export const allocated = (bytes: number): number => Math.max(granularity, Math.ceil(bytes / granularity) * granularity);

export class Buffers {
  readonly #device: Device;
  readonly #owned = new Set<GPUBuffer>();
  readonly #constants = new Set<GPUBuffer>();
  #byContent = new ContentMap<GPUBuffer>();
  readonly #uniforms = new Map<string, GPUBuffer>();

  constructor(device: Device) {
    this.#device = device;
  }

  /**
   * Storage for `bytes`.
   *
   * @throws SutureError `device-memory` where no kernel could bind a buffer of that size.
   */
  storage(bytes: number, what: string): GPUBuffer {
    const size = allocated(bytes);
    const { maxStorageBufferBindingSize, maxBufferSize } = this.#device.facts.limits;
    const limit = Math.min(maxStorageBufferBindingSize, maxBufferSize);
    if (size > limit) {
      throw new SutureError(
        'device-memory',
        `${what} takes ${size} bytes, and this GPU binds ${limit} at most; use a smaller batch, or --executor ort.`,
      );
    }
    const buffer = this.#device.gpu.createBuffer({
      size,
      usage: usage.storage | usage.copySource | usage.copyDestination,
    });
    this.#owned.add(buffer);
    return buffer;
  }

  /** Numbers that kernels are given, uploaded once however many are given the same. */
  uniform(words: Uint32Array<ArrayBuffer>): GPUBuffer {
    const key = words.join();
    let buffer = this.#uniforms.get(key);
    if (buffer === undefined) {
      buffer = this.#device.gpu.createBuffer({ size: words.byteLength, usage: usage.uniform | usage.copyDestination });
      this.#owned.add(buffer);
      this.#device.queue.writeBuffer(buffer, 0, words);
      this.#uniforms.set(key, buffer);
    }
    return buffer;
  }

  /** A constant's elements in memory, uploaded once however many values hold them. */
  constant(tensor: Tensor, what: string): GPUBuffer {
    const data = toDevice(tensor, what);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const make = (): GPUBuffer => {
      const buffer = this.storage(bytes.byteLength, what);
      this.#device.queue.writeBuffer(buffer, 0, bytes as Uint8Array<ArrayBuffer>);
      this.#constants.add(buffer);
      return buffer;
    };
    return this.#byContent.get(bytes, make, data);
  }

  /**
   * Gives back the constants that are not in `kept`, and returns the bytes of those that are. What they hold is forgotten: memory for
   * constants is asked for before this, not after.
   */
  retainConstants(kept: ReadonlySet<GPUBuffer>): number {
    let bytes = 0;
    this.#byContent = new ContentMap();
    for (const buffer of this.#constants) {
      if (kept.has(buffer)) bytes += buffer.size;
      else {
        buffer.destroy();
        this.#owned.delete(buffer);
        this.#constants.delete(buffer);
      }
    }
    return bytes;
  }

  dispose(): void {
    for (const buffer of this.#owned) buffer.destroy();
    this.#owned.clear();
    this.#constants.clear();
    this.#uniforms.clear();
  }
}
