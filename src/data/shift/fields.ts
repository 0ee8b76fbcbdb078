/** Random fields over the pixels of one channel, of any number of axes, with mean 0 and standard deviation 1. */
import type { Random } from '../random.ts';
import { gaussianBlur } from './filters.ts';

/** Mean, standard deviation and extremes of a channel, in double precision. A constant channel has exactly the deviation 0. */
export interface Statistics {
  readonly mean: number;
  readonly deviation: number;
  readonly least: number;
  readonly most: number;
}

export function statisticsOf(channel: Float32Array | Float64Array): Statistics {
  let [sum, squares] = [0, 0];
  let [least, most] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < channel.length; i++) {
    const value = channel[i];
    sum += value;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  // The sum's rounding would give a constant channel a deviation.
  if (least === most) return { mean: least, deviation: 0, least, most };
  const mean = sum / channel.length;
  for (let i = 0; i < channel.length; i++) {
    const off = channel[i] - mean;
    squares += off * off;
  }
  return { mean, deviation: Math.sqrt(squares / channel.length), least, most };
}

/** Standardised in place; a constant field becomes 0. */
function standardise<T extends Float32Array | Float64Array>(field: T): T {
  const { mean, deviation } = statisticsOf(field);
  for (let i = 0; i < field.length; i++) field[i] = deviation > 0 ? (field[i] - mean) / deviation : 0;
  return field;
}

/** The total degree of the polynomials of a smooth field. */
const degree = 3;

/** The Legendre polynomials of degree 0 to 3. */
const legendre: readonly ((x: number) => number)[] = [
  () => 1,
  x => x,
  x => (3 * x * x - 1) / 2,
  x => (5 * x * x * x - 3 * x) / 2,
];

/** All choices of one degree for each axis that sum to `least` … `most`. */
function degreesOf(axes: number, least: number, most: number): readonly (readonly number[])[] {
  if (axes === 0) return least <= 0 ? [[]] : [];
  return Array.from({ length: most + 1 }, (_, first) => first).flatMap(first =>
    degreesOf(axes - 1, least - first, most - first).map(rest => [first, ...rest]),
  );
}

/**
 * A smooth field: a polynomial of the pixels' coordinates (−1 to 1 along each axis) of total degree 3 without its constant term, products
 * of Legendre polynomials with normal coefficients.
 */
export function smoothField(spatial: readonly number[], random: Random): Float64Array<ArrayBuffer> {
  const axes = spatial.map(length =>
    legendre.map(p => Float64Array.from({ length }, (_, i) => p((2 * i + 1) / length - 1))),
  );
  const size = spatial.reduce((product, length) => product * length, 1);
  const width = spatial.at(-1) ?? 1;
  const field = new Float64Array(size);
  for (const term of degreesOf(spatial.length, 1, degree)) {
    const coefficient = random.normal();
    const last = axes.at(-1)![term.at(-1)!];
    for (let row = 0; row * width < size; row++) {
      let factor = coefficient;
      let rest = row;
      for (let a = spatial.length - 2; a >= 0; a--) {
        factor *= axes[a][term[a]][rest % spatial[a]];
        rest = Math.floor(rest / spatial[a]);
      }
      for (let i = 0; i < width; i++) field[row * width + i] += factor * last[i];
    }
  }
  return standardise(field);
}

/** Normal noise that is correlated over about `grain` pixels: white noise under a Gaussian blur of that many. */
export function textureField(spatial: readonly number[], grain: number, random: Random): Float32Array<ArrayBuffer> {
  const field = random.normals(spatial.reduce((product, length) => product * length, 1));
  gaussianBlur(field, spatial, grain);
  return standardise(field);
}
