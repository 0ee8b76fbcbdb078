/** Which images a step trains on. */
import { Random, type RandomState } from './random.ts';

/** All that a {@link BatchSampler} needs to go on. Plain data, fit for JSON. */
export interface SamplerState {
  readonly count: number;
  /** How many times all images have been drawn before this epoch. */
  readonly epoch: number;
  /** How many images of this epoch have been drawn. */
  readonly position: number;
  /** The generator before it drew this epoch's order. */
  readonly random: RandomState;
}

/**
 * Draws batches of image numbers: every image once per epoch, in an order that the seed decides. Batches are always full;
 * one that reaches the end of an epoch goes on with the next.
 */
export class BatchSampler {
  readonly count: number;
  readonly #random: Random;
  #epochStart: RandomState;
  #order: Uint32Array;
  #epoch: number;
  #position: number;

  private constructor(state: SamplerState) {
    this.count = state.count;
    this.#epochStart = state.random;
    this.#random = Random.restored(state.random);
    this.#order = this.#random.permutation(state.count);
    this.#epoch = state.epoch;
    this.#position = state.position;
  }

  /** A sampler over the images 0 … count − 1. */
  static seeded(count: number, seed: number): BatchSampler {
    return BatchSampler.restored({ count, epoch: 0, position: 0, random: Random.seeded(seed, 'batches').state() });
  }

  /** Continues from a state taken with {@link state}: the same batches follow. */
  static restored(state: SamplerState): BatchSampler {
    const { count, epoch, position } = state;
    if (!Number.isInteger(count) || count < 1) throw new RangeError(`Cannot draw batches from ${count} images.`);
    if (!Number.isInteger(position) || position < 0 || position > count || !Number.isInteger(epoch) || epoch < 0) {
      throw new RangeError(`Image ${position} of epoch ${epoch} is no position among ${count} images.`);
    }
    return new BatchSampler(state);
  }

  /** The sampler of a seed after so many images. */
  static after(drawn: number, count: number, seed: number): BatchSampler {
    const sampler = BatchSampler.seeded(count, seed);
    for (let left = drawn; left > 0; ) left -= sampler.next(Math.min(left, count)).length;
    return sampler;
  }

  state(): SamplerState {
    return { count: this.count, epoch: this.#epoch, position: this.#position, random: this.#epochStart };
  }

  /** The next `size` image numbers. */
  next(size: number): Uint32Array<ArrayBuffer> {
    const batch = new Uint32Array(size);
    for (let i = 0; i < size; i++) {
      if (this.#position === this.count) {
        this.#epochStart = this.#random.state();
        this.#order = this.#random.permutation(this.count);
        this.#epoch++;
        this.#position = 0;
      }
      batch[i] = this.#order[this.#position++];
    }
    return batch;
  }
}
