/**
 * Pseudo-random numbers that a run can be repeated and resumed with, bit for bit, on any machine.
 *
 * The generator is xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS
 * 2021), seeded through splitmix32 so that neighbouring seeds give unrelated streams. Its whole state is four 32-bit words.
 */

/** The state of a {@link Random}: four unsigned 32-bit words, not all zero. Plain data, fit for JSON. */
export type RandomState = readonly [number, number, number, number];

/** Bijective mixing of a 32-bit word (the finaliser of splitmix32). */
function mix(word: number): number {
  let z = word | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}

const rotateLeft = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

export class Random {
  readonly #s: Uint32Array<ArrayBuffer>;

  private constructor(state: ArrayLike<number>) {
    this.#s = Uint32Array.from(state);
  }

  /**
   * A generator for a seed (any safe integer) and, optionally, a stream: the same seed with another stream name gives
   * independent numbers, so that drawing more of one thing does not shift another.
   */
  static seeded(seed: number, stream = ''): Random {
    if (!Number.isSafeInteger(seed)) throw new RangeError(`A seed must be a safe integer, not ${seed}.`);
    const low = seed >>> 0;
    const high = Math.floor(seed / 2 ** 32) >>> 0;
    let counter = mix(low) ^ mix(high + 0x9e3779b9);
    for (let i = 0; i < stream.length; i++) counter = mix(counter + 0x9e3779b9) ^ stream.charCodeAt(i);
    const state = new Uint32Array(4);
    for (let i = 0; i < 4; i++) {
      counter = (counter + 0x9e3779b9) | 0;
      state[i] = mix(counter);
    }
    if (state.every(word => word === 0)) state[0] = 1;
    return new Random(state);
  }

  /** Continues from a state taken with {@link state}. */
  static restored(state: RandomState): Random {
    const valid = state.length === 4 && state.every(word => Number.isInteger(word) && word >= 0 && word < 2 ** 32);
    if (!valid || state.every(word => word === 0)) {
      throw new RangeError('The state of a random generator is four unsigned 32-bit words, not all zero.');
    }
    return new Random(state);
  }

  /** The state now; the generator goes on unaffected. */
  state(): RandomState {
    const [a, b, c, d] = this.#s;
    return [a, b, c, d];
  }

  /** 32 uniform bits. */
  uint32(): number {
    const s = this.#s;
    const result = Math.imul(rotateLeft(Math.imul(s[1], 5), 7), 9) >>> 0;
    const t = s[1] << 9;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  /** Uniform in [0, 1), with 53 random bits. */
  float(): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** Uniform in [low, high). */
  uniform(low: number, high: number): number {
    return low + (high - low) * this.float();
  }

  /** Uniform over the integers 0 … bound − 1, without bias. `bound` is from 1 to 2³². */
  int(bound: number): number {
    if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) {
      throw new RangeError(`The bound of a random integer must be an integer from 1 to 2^32, not ${bound}.`);
    }
    const limit = 2 ** 32 - (2 ** 32 % bound);
    for (;;) {
      const value = this.uint32();
      if (value < limit) return value % bound;
    }
  }

  /** Normal with mean 0 and variance 1 (Box and Muller; the second value is dropped, so that no state is hidden). */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.float()));
    return radius * Math.cos(2 * Math.PI * this.float());
  }

  /** Many numbers as of {@link normal}, in less time: both values of each pair, from 32 random bits each. */
  normals(count: number): Float32Array<ArrayBuffer> {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i += 2) {
      const radius = Math.sqrt(-2 * Math.log((this.uint32() + 0.5) / 2 ** 32));
      const angle = 2 * Math.PI * (this.uint32() / 2 ** 32);
      values[i] = radius * Math.cos(angle);
      if (i + 1 < count) values[i + 1] = radius * Math.sin(angle);
    }
    return values;
  }

  /** A uniformly random order of 0 … count − 1 (Fisher and Yates). */
  permutation(count: number): Uint32Array<ArrayBuffer> {
    const order = Uint32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.int(i + 1);
      const kept = order[i];
      order[i] = order[j];
      order[j] = kept;
    }
    return order;
  }
}
