/** Reading results back: staging buffers that are mapped while the device goes on, and used again. */

import type { Tensor } from '../../ir/tensor.ts';
import type { DType } from '../../ir/type.ts';
import type { Device } from '../adapter/device.ts';
import { fromDevice } from '../kernels/storage.ts';
import { allocated, usage } from './buffers.ts';

/** One tensor to read: where it lies, and what it is. */
export interface Source {
  readonly name: string;
  readonly buffer: GPUBuffer;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly bytes: number;
}

export class Readback {
  readonly #device: Device;
  readonly #free: GPUBuffer[] = [];
  readonly #all = new Set<GPUBuffer>();

  constructor(device: Device) {
    this.#device = device;
  }

  /**
   * Encodes the copies of `sources`. The function returned is to be called once the commands are submitted; it waits for them.
   */
  encode(encoder: GPUCommandEncoder, sources: readonly Source[]): () => Promise<Record<string, Tensor>> {
    const parts = this.#divided(sources).map(part => this.#encodePart(encoder, part));
    return async () => {
      const found = await Promise.all(parts.map(part => part()));
      return Object.assign({}, ...found) as Record<string, Tensor>;
    };
  }

  /** Together, results may be more than a buffer can have, where each of them is not. */
  #divided(sources: readonly Source[]): readonly (readonly Source[])[] {
    const { maxBufferSize } = this.#device.facts.limits;
    const parts: Source[][] = [];
    let size = Number.POSITIVE_INFINITY;
    for (const source of sources) {
      size += allocated(source.bytes);
      if (size > maxBufferSize) {
        parts.push([]);
        size = allocated(source.bytes);
      }
      parts.at(-1)!.push(source);
    }
    return parts;
  }

  #encodePart(encoder: GPUCommandEncoder, sources: readonly Source[]): () => Promise<Record<string, Tensor>> {
    let size = 0;
    const offsets = sources.map(({ bytes }) => {
      const at = size;
      size += allocated(bytes);
      return at;
    });
    const staging = this.#take(size);
    for (const [i, { buffer, bytes }] of sources.entries()) {
      if (bytes > 0) encoder.copyBufferToBuffer(buffer, 0, staging, offsets[i], bytes);
    }
    return async () => {
      try {
        await staging.mapAsync(1, 0, size);
      } catch (error) {
        throw await this.#device.explain(error, 'the reading of results');
      }
      const mapped = staging.getMappedRange(0, size);
      const result: Record<string, Tensor> = {};
      for (const [i, { name, dtype, shape, bytes }] of sources.entries()) {
        result[name] = fromDevice(dtype, shape, mapped.slice(offsets[i], offsets[i] + bytes));
      }
      staging.unmap();
      this.#free.push(staging);
      return result;
    };
  }

  #take(size: number): GPUBuffer {
    const at = this.#free.findIndex(buffer => buffer.size >= size);
    if (at >= 0) return this.#free.splice(at, 1)[0];
    const buffer = this.#device.gpu.createBuffer({ size, usage: usage.mapRead | usage.copyDestination });
    this.#all.add(buffer);
    return buffer;
  }

  dispose(): void {
    for (const buffer of this.#all) buffer.destroy();
    this.#all.clear();
    this.#free.length = 0;
  }
}
