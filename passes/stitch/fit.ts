/**
 * What closed-form stitches are fitted to, and the fit: a graph computes the statistics of a batch, the host collects them over
 * batches, in double precision.
 */
import { type GraphBuilder, numbersOf, type Tensor, type Value } from '../../ir/index.ts';
import { channelAxis } from '../../ir/ops/stitching.ts';
import type { Steps } from './algebra/cholesky.ts';
import { parameterTensors, type StitchParameters } from './initial.ts';
import type { Stitch } from './network.ts';
import {
  type AffineMap,
  type Matrix,
  type PairMoments,
  type PairSamples,
  ridgeOfMoments,
  ridgeOfSamples,
  ridgeWork,
} from './ridge.ts';

/**
 * How a batch's features reach the host: as means and covariances, whose size and whose fit depend on the channels only; or as they
 * are, one row for each sample and place, where these are fewer than the channels. A flattened feature of 25 088 channels has a
 * covariance of 5 GB, and 80 rows for 80 images.
 */
const keysOf = {
  moments: ['meanX', 'meanY', 'xx', 'xy'],
  samples: ['x', 'y'],
} as const satisfies { moments: readonly (keyof PairMoments)[]; samples: readonly (keyof PairSamples)[] };
export type FitForm = keyof typeof keysOf;

/** What is solved has this many unknowns at most: with more channels no more rows than that are looked at. */
const mostUnknowns = 4096;

/** The form in which least is computed. `rows` is the number of places in all samples, where it is known. */
export const formFor = (channels: number, rows: number | undefined): FitForm =>
  channels > mostUnknowns || (rows !== undefined && rows < channels) ? 'samples' : 'moments';

/** Bytes of host memory. */
export interface FitBytes {
  /** Of the statistics over all batches, with those of one batch: until the stitch is fitted. */
  readonly held: number;
  /** While it is fitted, besides. */
  readonly solving: number;
}

/** What the statistics and the fit of a stitch take: see `ridgeOfMoments` and `ridgeOfSamples`. `rows` as for {@link formFor}. */
export function fitBytes({ inputChannels: c, outputChannels: m }: Stitch, rows: number | undefined): FitBytes {
  if (formFor(c, rows) === 'moments') return { held: (8 + 4) * (c * c + c * m), solving: 8 * (c * c + c * m) };
  const r = Math.min(rows ?? mostUnknowns, mostUnknowns);
  // The features as they came; in double precision, centred, once more with the places last; two matrices of places; the weight.
  return { held: 4 * r * (c + m), solving: 8 * (3 * r * (c + m) + 2 * r * r + c * m) };
}

/** The output of a graph that holds a statistic of a stitch. */
export const statisticName = ({ position, from, to }: Stitch, key: string): string =>
  `statistics/${position}/${from}-${to}/${key}`;

/** The names of the outputs that hold the statistics of a stitch. */
export const statisticNames = (stitch: Stitch, form: FitForm): readonly string[] =>
  keysOf[form].map(key => statisticName(stitch, key));

/** Emits the statistics of a source x and a target y over a batch. */
export function statisticsOf(to: GraphBuilder, form: FitForm, x: Value, y: Value): ReadonlyMap<string, Value> {
  switch (form) {
    case 'samples':
      return new Map([
        ['x', rowsOf(to, x)],
        ['y', rowsOf(to, y)],
      ]);
    case 'moments': {
      // Features are centred by the batch's own mean before they are multiplied, so float32 loses no digits to a large mean.
      const [p, q] = [centred(to, x), centred(to, y)];
      return new Map([
        ['meanX', p.mean],
        ['meanY', q.mean],
        ['xx', covariance(to, p.rest, p.rest)],
        ['xy', covariance(to, p.rest, q.rest)],
      ]);
    }
    default:
      return form satisfies never;
  }
}

/** A feature as [places, C]. */
function rowsOf(to: GraphBuilder, feature: Value): Value {
  const { shape } = feature.type;
  if (shape.length === 2) return feature;
  const axis = channelAxis(shape.length);
  const perm = [...shape.keys()].filter(i => i !== axis);
  const last = to.op('Transpose', [feature], { perm: [...perm, axis] });
  return to.op('Reshape', [last, to.ints([-1, shape[axis] as number])]);
}

/** A feature's means over all places, [1, C, 1, ...]. */
function meansOf(to: GraphBuilder, feature: Value): Value {
  const rank = feature.type.shape.length;
  const axis = channelAxis(rank);
  const others = Array.from({ length: rank }, (_, i) => i).filter(i => i !== axis);
  return to.op('ReduceMean', [feature, to.ints(others)], { keepdims: 1 });
}

/** The same as [C]. */
export const channelMeans = (to: GraphBuilder, feature: Value): Value =>
  to.op('Reshape', [meansOf(to, feature), to.ints([-1])]);

/** A feature's means over all places, [C], and what is left of it without them. */
export function centred(to: GraphBuilder, feature: Value): { readonly mean: Value; readonly rest: Value } {
  const mean = meansOf(to, feature);
  return { mean: to.op('Reshape', [mean, to.ints([-1])]), rest: to.op('Sub', [feature, mean]) };
}

/** `[C_x, C_y]`: the mean of the outer products over all places. It is a stitch's weight gradient, for which kernels exist. */
function covariance(to: GraphBuilder, x: Value, y: Value): Value {
  const [sums] = to.ops('StitchGrad', [x, y]);
  const { shape, dtype } = y.type;
  const channels = shape[channelAxis(shape.length)] as number;
  const elements = to.op('Cast', [to.op('Size', [y])], { to: dtype });
  const places = to.op('Div', [elements, to.number(channels, dtype, 'channels')]);
  return to.op('Div', [sums, places]);
}

/** The statistics of one stitch over several batches. */
interface Collected {
  add(batch: readonly Tensor[], samples: number): void;
  /** See `ridge`. */
  ridge(lambda?: number): Steps<AffineMap>;
  /** How many multiplications that takes. */
  readonly work: number;
}

class Moments implements Collected {
  #samples = 0;
  #known: PairMoments | undefined;

  add(batch: readonly Tensor[], samples: number): void {
    this.#samples += samples;
    const share = samples / this.#samples;
    const [meanX, meanY, xx, xy] = batch.map(numbersOf);
    const [c, m] = [meanX.length, meanY.length];
    this.#known ??= {
      meanX: Float64Array.from(meanX),
      meanY: Float64Array.from(meanY),
      xx: { rows: c, columns: c, data: new Float64Array(c * c) },
      xy: { rows: c, columns: m, data: new Float64Array(c * m) },
    };
    const known = this.#known;
    const x = known.meanX.map((mean, i) => meanX[i] - mean);
    const y = known.meanY.map((mean, i) => meanY[i] - mean);
    pool(known.xx.data, xx, share, x, x);
    pool(known.xy.data, xy, share, x, y);
    for (const [mean, apart] of [
      [known.meanX, x],
      [known.meanY, y],
    ])
      for (let i = 0; i < mean.length; i++) mean[i] += share * apart[i];
  }

  ridge(lambda?: number): Steps<AffineMap> {
    return ridgeOfMoments(this.#all, lambda);
  }

  get work(): number {
    return ridgeWork(this.#all.xy.rows, this.#all.xy.columns);
  }

  get #all(): PairMoments {
    if (!this.#known) throw new RangeError('no sample was added');
    return this.#known;
  }
}

/**
 * The covariance of a union, in place, by the parallel formula of Chan, Golub and LeVeque (1979): the weighted mean of the covariances
 * plus that of the means. `share` is the part of the union that is new, `x` and `y` by how much its means are above those of the rest.
 */
function pool(old: Float64Array, added: ArrayLike<number>, share: number, x: Float64Array, y: Float64Array): void {
  const columns = y.length;
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < columns; j++) {
      const k = i * columns + j;
      old[k] = (1 - share) * old[k] + share * added[k] + share * (1 - share) * (x[i] * y[j]);
    }
  }
}

class Samples implements Collected {
  readonly #batches: { readonly x: Tensor; readonly y: Tensor }[] = [];
  #rows = 0;

  add([x, y]: readonly Tensor[]): void {
    if (this.#rows >= mostUnknowns) return;
    this.#batches.push({ x, y });
    this.#rows += x.shape[0];
  }

  ridge(lambda?: number): Steps<AffineMap> {
    return ridgeOfSamples({ x: this.#matrix('x'), y: this.#matrix('y') }, lambda);
  }

  get work(): number {
    const [{ x, y }] = this.#batches;
    return ridgeWork(x.shape[1], y.shape[1], Math.min(this.#rows, mostUnknowns));
  }

  #matrix(key: 'x' | 'y'): Matrix {
    const rows = Math.min(this.#rows, mostUnknowns);
    const columns = this.#batches[0][key].shape[1];
    const data = new Float64Array(rows * columns);
    let at = 0;
    for (const batch of this.#batches) {
      const values = numbersOf(batch[key]);
      for (let i = 0; i < values.length && at < data.length; i++) data[at++] = values[i];
    }
    return { rows, columns, data };
  }
}

/** The statistics of some stitches over all batches, and the stitches that follow from them. */
export class StitchFit {
  readonly #stitches: readonly Stitch[];
  readonly #collected = new Map<Stitch, Collected>();

  constructor(stitches: readonly Stitch[]) {
    this.#stitches = stitches;
  }

  /** Adds a batch of `samples`: the outputs of the graph that computes the statistics, by name. */
  add(outputs: Readonly<Record<string, Tensor>>, samples: number): void {
    for (const stitch of this.#stitches) {
      const form = statisticNames(stitch, 'samples').every(name => outputs[name]) ? 'samples' : 'moments';
      const statistics = this.#collected.get(stitch) ?? (form === 'samples' ? new Samples() : new Moments());
      this.#collected.set(stitch, statistics);
      statistics.add(
        statisticNames(stitch, form).map(name => outputs[name]),
        samples,
      );
    }
  }

  /** The least-squares stitches: see `ridge`. It stops after some milliseconds of work, and says how many multiplications that were. */
  *ridge(lambda?: number): Steps<StitchParameters> {
    const parameters = new Map<string, Tensor>();
    for (const [stitch, statistics] of this.#collected) {
      const map = yield* statistics.ridge(lambda);
      for (const [name, value] of parameterTensors(stitch, map)) parameters.set(name, value);
    }
    return parameters;
  }

  /** How many multiplications `ridge` takes, about. */
  get work(): number {
    return [...this.#collected.values()].reduce((sum, { work }) => sum + work, 0);
  }
}
