/**
 * Exact Euclidean distances on a grid of any rank: the lower envelope of parabolas along one axis after the other (Felzenszwalb and
 * Huttenlocher, Distance Transforms of Sampled Functions, Theory of Computing 8, 2012), linear in the number of places.
 */

/**
 * The squared distance of each place to the nearest marked one; infinite where none is marked.
 *
 * @param marked [shape] in C order: not 0 where a place is marked.
 * @param spacing the distance of neighbours along each axis.
 */
export function squaredDistances(
  marked: Uint8Array,
  shape: readonly number[],
  spacing: readonly number[],
): Float64Array<ArrayBuffer> {
  const distances = Float64Array.from(marked, is => (is ? 0 : Number.POSITIVE_INFINITY));
  const line = new Envelope(Math.max(1, ...shape));
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    const length = shape[axis];
    for (let first = 0; first < distances.length; first++) {
      // Where a line begins: the index along the axis is 0.
      if (Math.floor(first / stride) % length === 0) line.lower(distances, first, stride, length, spacing[axis] ** 2);
    }
    stride *= length;
  }
  return distances;
}

/** The lower envelope of the parabolas f(q) + w (x − q)² over a line of places q. */
class Envelope {
  /** The heights f. */
  readonly #heights: Float64Array;
  /** Which parabolas are lowest somewhere, from the left. */
  readonly #roots: Int32Array;
  /** From where on each of them is. */
  readonly #from: Float64Array;

  constructor(length: number) {
    this.#heights = new Float64Array(length);
    this.#roots = new Int32Array(length);
    this.#from = new Float64Array(length);
  }

  /** Puts the envelope of a line in the place of its heights. */
  lower(values: Float64Array, first: number, stride: number, length: number, weight: number): void {
    const heights = this.#heights;
    const roots = this.#roots;
    const from = this.#from;
    let count = 0;
    for (let q = 0; q < length; q++) {
      const height = values[first + q * stride];
      heights[q] = height;
      if (height === Number.POSITIVE_INFINITY) continue;
      let start = Number.NEGATIVE_INFINITY;
      while (count > 0) {
        const p = roots[count - 1];
        start = ((height - heights[p]) / (weight * (q - p)) + q + p) / 2;
        if (start > from[count - 1]) break;
        count--;
        start = Number.NEGATIVE_INFINITY;
      }
      roots[count] = q;
      from[count] = start;
      count++;
    }
    if (count === 0) return;
    let at = 0;
    for (let x = 0; x < length; x++) {
      while (at + 1 < count && from[at + 1] < x) at++;
      const q = roots[at];
      values[first + x * stride] = heights[q] + weight * (x - q) ** 2;
    }
  }
}
